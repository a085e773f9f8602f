"""No package that is fetched takes all that packages may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from esper.cli.esperd.model_places import models_plan
from esper.model.package.disk_rules import DiskRules
from esper.model.package.errors import DiskBudgetError
from esper.model.package.port import CHUNK_BYTES, DIGEST_BYTES
from esper.model.package.store import ModelStore
from esper.node.models.kept_models import KeptModels
from esper.node.models.model_store import PART_OF_BUDGET
from esper.node.models.part_shelf import PartShelf
from esper.node.settings import Settings
from tests.support.package_folders import packed


def test_a_package_beyond_its_part_is_not_begun(tmp_path: Path) -> None:
    made, _ = packed(tmp_path / "package", 1000)
    needed = len(made.digests) * (CHUNK_BYTES + DIGEST_BYTES)
    with ModelStore.opened(tmp_path / "data", DiskRules(reserve=0)) as store:
        small, digests = PartShelf(store, needed - 1), b"".join(made.digests)
        with pytest.raises(DiskBudgetError, match="part of it"):
            small.begin(made.root, digests)
        assert small.find(made.root) is None
        assert PartShelf(store, needed).begin(made.root, digests) is store.find(made.root)
        # What is here goes on, whatever the settings say now.
        assert small.begin(made.root, digests) is small.find(made.root)


def test_without_a_part_the_store_s_own_bounds_hold(tmp_path: Path) -> None:
    made, _ = packed(tmp_path / "package", 1000)
    with ModelStore.opened(tmp_path / "data", DiskRules(reserve=0)) as store:
        assert PartShelf(store, None).begin(made.root, b"".join(made.digests)) is not None


def test_two_of_the_largest_have_room() -> None:
    rules = models_plan(Settings(), KeptModels(), mines=True).rules
    assert PART_OF_BUDGET * (rules.budget // PART_OF_BUDGET) <= rules.budget
    assert PART_OF_BUDGET >= 2
