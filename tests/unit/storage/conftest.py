"""A data directory whose index is in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.storage.store_world import StoreWorld


@pytest.fixture
def at(tmp_path: Path) -> StoreWorld:
    return StoreWorld(tmp_path / "d")
