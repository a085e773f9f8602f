"""Data directories of a chain of fake work: made once, copied by whoever changes them."""

from pathlib import Path

import pytest

from tests.support.node.node_world import copied, grown_datadir
from tests.support.node.rpc_asking import LONG


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="session")
def grown_long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("long"), LONG)


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


@pytest.fixture
def long_datadir(grown_long: Path, tmp_path: Path) -> Path:
    return copied(grown_long, tmp_path / "node")
