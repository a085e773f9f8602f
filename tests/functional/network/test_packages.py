"""Packages between nodes on sockets: from one, and from three of which one lies and one stalls."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from bench.network_chain import TimedVerifier
from bench.network_nodes import address_of, opened, plan
from esper.node.peers.network_service import NetworkService
from esper.p2p.limits import MIB
from esper.p2p.packages.events import PackageProgress
from esper.primitives.networks import REGTEST
from tests.support.net.bad_seeders import Stalling, reads, reads_by
from tests.support.net.bare_network import BareNetwork, bare_network, running
from tests.support.net.package_store import Package, Shelf, package

pytestmark = pytest.mark.serial

ONE = package(13, size=MIB)


def lies(shelf: Shelf, one: Package) -> None:
    """Let a store read other bytes than it keeps."""
    shelf.kept[one.root].get = lambda index: b"wrong"  # type: ignore[method-assign]


async def joined(node: BareNetwork, *others: BareNetwork) -> None:
    for one in others:
        await node.meet(one)
    await node.peers(len(others))
    for one in others:
        await one.peers(1)


def test_a_package_goes_from_node_to_node() -> None:
    async def main() -> None:
        shelf = Shelf()
        seeder, node = (
            bare_network(1, models=Shelf(ONE).source),
            bare_network(2, models=shelf.source),
        )
        async with running(seeder, node):
            await seeder.packages.offer(ONE.root)
            await joined(node, seeder)
            await node.packages.fetch(ONE.root)
            assert shelf.is_whole(ONE)
            assert seeder.packages.serving.statistics().answering == 0

    trio.run(main)


def test_a_liar_is_banned_and_a_staller_holds_nothing_up() -> None:
    async def main() -> None:
        shelf, lying = Shelf(), Shelf(ONE)
        lies(lying, ONE)
        seeder, liar, staller, node = (
            bare_network(1, models=Shelf(ONE).source),
            bare_network(2, models=lying.source),
            bare_network(3, models=Shelf(ONE).source),
            bare_network(4, models=shelf.source),
        )
        async with running(seeder, liar, staller, node):
            stalling = Stalling(reads(staller), chunks=1)
            reads_by(staller, stalling)
            for one in (seeder, liar, staller):
                await one.packages.offer(ONE.root)
            # Without the seeder first, so that both are met.
            await joined(node, liar, staller)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.packages.fetch, ONE.root)
                await stalling.stalls.wait()
                while any(one.address.peer_id == liar.identity.node_id for one in node.table.all()):
                    await trio.sleep(0.01)
                await node.meet(seeder)
            assert shelf.is_whole(ONE)
            barred = node.gate.parts.penalties.id_barred_until
            now = node.network._parts.steady()
            assert barred(liar.identity.node_id, now) is not None
            assert barred(staller.identity.node_id, now) is None
            assert barred(seeder.identity.node_id, now) is None

    trio.run(main)


def test_a_node_that_has_a_part_gives_it_while_it_fetches() -> None:
    """The middle one has no other peer than the seeder, the last none but the middle one."""

    async def main() -> None:
        first, last = Shelf(), Shelf()
        seeder, middle, end = (
            bare_network(1, models=Shelf(ONE).source),
            bare_network(2, models=first.source),
            bare_network(3, models=last.source),
        )
        seen: list[PackageProgress] = []
        async with running(seeder, middle, end):
            await seeder.packages.offer(ONE.root)
            await middle.meet(seeder)
            await end.meet(middle)
            await middle.peers(2)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(middle.packages.fetch, ONE.root)
                nursery.start_soon(end.packages.fetch, ONE.root)
                while not last.is_whole(ONE):
                    seen += end.packages.progress()
                    await trio.sleep(0.01)
        done = [one.done for one in seen]
        assert done == sorted(done)
        assert {one.total for one in seen} <= {0, 13}
        assert first.is_whole(ONE)

    trio.run(main)


def test_whole_nodes_fetch_from_each_other(tmp_path: Path) -> None:
    """With chain, mempool and all: their hellos say that they have a store."""
    shelf = Shelf()

    async def main() -> None:
        services: list[NetworkService] = []
        with trio.fail_after(600), ExitStack() as stack:
            async with trio.open_nursery() as nursery:
                for name, kept in (("seeder", Shelf(ONE)), ("node", shelf)):
                    static = [address_of(one) for one in services]
                    planned = replace(plan(REGTEST, name, static), packages=kept.source)
                    folder = tmp_path / name
                    node = stack.enter_context(opened(folder, REGTEST, TimedVerifier(0.0), planned))
                    assert node.network is not None
                    services.append(node.network)
                    await nursery.start(node.network.run)
                seeder, fetching = services
                await seeder.packages.offer(ONE.root)
                await fetching.packages.fetch(ONE.root)
                assert fetching.counters()["packages_sources"] == 1
                assert fetching.counters()["packages_served_answering"] == 0
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert shelf.is_whole(ONE)
