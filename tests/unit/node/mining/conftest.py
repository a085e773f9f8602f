"""A data directory of a chain of fake work: made once, copied by whoever changes it."""

from pathlib import Path

import pytest

from tests.support.node.node_world import copied, grown_datadir


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")
