"""Packages as the RPC tells of them, and as a whole node opens them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.node.models.check_job import CheckFailedError
from esper.node.models.keeper import ModelKeeper
from esper.node.views.package_views import PackageViews
from esper.p2p.packages.events import PackageProgress, Stage
from esper.rpc import schema as s
from tests.support.node.keeper_world import (
    UNDO,
    WRONG,
    KeeperWorld,
    ToldChain,
    keeper_world,
)
from tests.support.node.node_world import go


async def rows(world: KeeperWorld) -> list[s.ModelPackage]:
    views = PackageViews(world.chain, world.keeper)  # type: ignore[arg-type]
    found = await views.progress(s.NoParams())
    assert (found.height, found.fetches) == (world.chain.height, True)
    return found.packages


def test_each_state_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with keeper_world(tmp_path / "data", monkeypatch) as world:
            one = world.gives(tmp_path, 1)
            opened = replace(one, is_final=False)
            assert await rows(world) == []
            await world.chain.tip(2, opened)
            (row,) = await rows(world)
            assert (row.state, row.number, row.root) == ("absent", 1, one.body.package.hex())
            assert row.proposal == one.id.hex()
            world.peers.most = 3
            coming = PackageProgress(one.body.package, Stage.FETCHING, 3, 9, 1000, 2, "slow disk")
            monkeypatch.setattr(world.peers, "progress", lambda: (coming,))
            await world.chain.tip(3, one)
            (row,) = await rows(world)
            assert (row.state, row.done, row.total) == ("fetching", 3, 9)
            assert (row.bytes_per_second, row.peers, row.trouble) == (1000, 2, "slow disk")
            monkeypatch.setattr(world.peers, "progress", lambda: ())
            assert (await rows(world))[0].state == "waiting"
            # Its end, and again: this time it comes whole.
            await world.chain.tip(4)
            assert (await rows(world))[0].until == 4 + UNDO
            world.peers.most = 1 << 16
            world.checker.gate = trio.Event()
            await world.chain.tip(5, one)
            (row,) = await rows(world)
            assert (row.state, row.checking, row.verdict) == ("checking", True, "none")
            assert row.done == row.total > 3
            world.checker.gate.set()
            await world.chain.tip(6, one)
            (row,) = await rows(world)
            assert (row.state, row.verdict, row.words) == (
                "verified",
                "verified",
                "layers: nothing",
            )

    go(main)


def test_a_refused_one_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with keeper_world(tmp_path / "data", monkeypatch, WRONG) as world:
            await world.chain.tip(2, world.gives(tmp_path, 1))
            (row,) = await rows(world)
            assert (row.state, row.words, row.done) == ("refused", "salt: the same twice", 0)

    go(main)


def test_trouble_of_this_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        failed = CheckFailedError("no memory")
        async with keeper_world(tmp_path / "data", monkeypatch, failed) as world:
            await world.chain.tip(2, world.gives(tmp_path, 1))
            assert (await rows(world))[0].trouble == "no memory"

    go(main)


def test_a_node_without_a_keeper_follows_none() -> None:
    async def main() -> None:
        keeper: ModelKeeper | None = None
        views = PackageViews(ToldChain(), keeper)  # type: ignore[arg-type]
        assert await views.progress(s.NoParams()) == s.ModelPackages(1, False, [])

    go(main)
