"""How a node opens its packages, and what it tells the network to fetch for and to give."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from esper.cli.esperd.model_places import kept_on_disk, model_places, models_plan
from esper.model.package.errors import DiskBudgetError, StoreInUseError
from esper.model.package.store import ModelStore
from esper.node.datadir import DataDirectory
from esper.node.models.keeper import ModelKeeper
from esper.node.models.kept_models import KeptModels
from esper.node.models.model_store import GIB, open_keeper, package_source
from esper.node.models.notebook import Notebook
from esper.node.models.wanted import Note, Verdict
from esper.node.settings import Settings
from esper.primitives.networks import REGTEST
from tests.support.node.keeper_world import PARAMS, ToldChain, proposal_of
from tests.support.node.node_world import go
from tests.support.package_folders import plain_folder


def opened(
    closing: ExitStack, directory: DataDirectory, *, mines: bool = False, **settings: int
) -> tuple[ModelKeeper, KeptModels]:
    kept = KeptModels()
    plan = models_plan(Settings(**settings), kept, mines=mines)  # type: ignore[arg-type]
    chain: ToldChain = ToldChain()
    keeper = open_keeper(plan, directory, chain, lambda: 0, closing)  # type: ignore[arg-type]
    return keeper, kept


def verified_package(datadir: Path, tmp_path: Path) -> Note:
    """A package that an earlier run fetched and checked."""
    with ModelStore.opened(datadir) as store:
        kept = store.take_in(plain_folder(tmp_path / "package", 1000))
        one = proposal_of(1, kept.root)
        note = Note(one.id, 1, one.body, None, Verdict.VERIFIED)
        Notebook(store.folder).write([note])
    return note


def test_a_package_may_lie_there_before_the_chain(tmp_path: Path) -> None:
    """Who packs a model for his node need not have started one before."""
    datadir = tmp_path / "node"
    with ModelStore.opened(datadir) as store:
        store.take_in(plain_folder(tmp_path / "package", 1000))
    assert DataDirectory.open_or_create(datadir, REGTEST).params is REGTEST


@pytest.mark.parametrize(
    ("mines", "settings", "fetches"),
    [
        (False, {}, False),
        (True, {}, True),
        (False, {"keep_models": True}, True),
        (True, {"models_gib": 0}, False),
    ],
)
def test_who_fetches(tmp_path: Path, mines: bool, settings: dict[str, int], fetches: bool) -> None:
    async def main() -> None:
        with ExitStack() as closing:
            directory = DataDirectory(tmp_path, PARAMS)
            keeper, _ = opened(closing, directory, mines=mines, **settings)
            assert keeper.fetches == fetches
            # Who neither fetches nor has any says nothing of packages to the network.
            assert (package_source(keeper, None) is not None) == fetches

    go(main)


def test_who_has_packages_gives_them_and_may_load_them_at_once(tmp_path: Path) -> None:
    note = verified_package(tmp_path / "data", tmp_path)

    async def main() -> None:
        with ExitStack() as closing:
            directory = DataDirectory(tmp_path / "data", PARAMS)
            keeper, kept = opened(closing, directory)
            source = package_source(keeper, None)
            assert source is not None
            assert source.shelf.find(note.root) is not None
            entry = note.body.entry
            assert kept.folder_of(entry.model_id) == keeper.store.files_of(note.root)
            with pytest.raises(StoreInUseError):
                opened(closing, directory)
            # Looking at the disk needs no store.
            found = kept_on_disk(tmp_path / "data")
            assert found.listed() == kept.listed()
            assert entry.model_id in model_places(Settings(), PARAMS, found).lying()

    go(main)


def test_the_budget_is_the_setting(tmp_path: Path) -> None:
    async def main() -> None:
        with ExitStack() as closing:
            keeper, _ = opened(closing, DataDirectory(tmp_path / "data", PARAMS), models_gib=0)
            with pytest.raises(DiskBudgetError):
                keeper.store.take_in(plain_folder(tmp_path / "package", 1000))
            assert models_plan(Settings(), KeptModels(), mines=True).rules.budget == 32 * GIB

    go(main)
