"""Packages between stores of models, over sockets: root and digests as the chain has them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from esper.model.package.disk_rules import DiskRules
from esper.model.package.port import CHUNK_BYTES
from esper.model.package.store import ModelStore
from esper.node.peers.model_packages import packages_of
from esper.p2p.packages.events import Stage
from tests.support.net.bare_network import bare_network, running
from tests.support.package_folders import plain_folder

pytestmark = pytest.mark.serial

PLENTY = DiskRules(free=lambda _: 1 << 40)
WEIGHTS = 5 * CHUNK_BYTES + 7


def test_a_model_goes_from_store_to_store(tmp_path: Path) -> None:
    source = plain_folder(tmp_path / "source", WEIGHTS)
    with ExitStack() as stack:
        seeding, fetching = (
            stack.enter_context(ModelStore.opened(tmp_path / name, PLENTY))
            for name in ("seeder", "node")
        )
        root = seeding.take_in(source).root

        async def main() -> None:
            seeder = bare_network(1, models=packages_of(seeding))
            node = bare_network(2, models=packages_of(fetching))
            async with running(seeder, node):
                await seeder.packages.offer(root)
                await node.meet(seeder)
                await node.packages.fetch(root)

        trio.run(main)
        found = fetching.find(root)
        assert found is not None
        files = found.complete()
        for one in source.iterdir():
            assert (files / one.name).read_bytes() == one.read_bytes()


def test_a_liar_among_stores_is_banned_and_a_restart_goes_on(tmp_path: Path) -> None:
    source = plain_folder(tmp_path / "source", WEIGHTS)
    with ExitStack() as stack:
        seeding, lying = (
            stack.enter_context(ModelStore.opened(tmp_path / name, PLENTY))
            for name in ("seeder", "liar")
        )
        root = seeding.take_in(source).root
        wrong = lying.take_in(source)
        honest = wrong.get
        # Right up to the third chunk, and wrong from there on.
        wrong.get = lambda index: honest(index) if index < 3 else b"wrong"  # type: ignore[method-assign]

        async def among_liars(fetching: ModelStore) -> None:
            liar = bare_network(1, models=packages_of(lying))
            node = bare_network(2, models=packages_of(fetching))
            async with running(liar, node) as nursery:
                await liar.packages.offer(root)
                await node.meet(liar)
                nursery.start_soon(node.packages.fetch, root)
                barred = node.gate.parts.penalties.id_barred_until
                while barred(liar.identity.node_id, node.network._parts.steady()) is None:
                    await trio.sleep(0.01)

        async def again(fetching: ModelStore) -> None:
            seeder = bare_network(3, models=packages_of(seeding))
            node = bare_network(2, models=packages_of(fetching))
            async with running(seeder, node):
                await seeder.packages.offer(root)
                await node.meet(seeder)
                await node.packages.fetch(root)

        with ModelStore.opened(tmp_path / "node", PLENTY) as fetching:
            trio.run(among_liars, fetching)
        with ModelStore.opened(tmp_path / "node", PLENTY) as fetching:
            kept = fetching.find(root)
            assert kept is not None
            assert kept.has(0)
            assert kept.missing()
            trio.run(again, fetching)
            assert kept.missing() == ()


def test_a_disk_without_room_blames_nobody(tmp_path: Path) -> None:
    source = plain_folder(tmp_path / "source", WEIGHTS)
    full = DiskRules(free=lambda _: 0)
    with ExitStack() as stack:
        seeding = stack.enter_context(ModelStore.opened(tmp_path / "seeder", PLENTY))
        fetching = stack.enter_context(ModelStore.opened(tmp_path / "node", full))
        root = seeding.take_in(source).root

        async def main() -> None:
            seeder = bare_network(1, models=packages_of(seeding))
            node = bare_network(2, models=packages_of(fetching))
            async with running(seeder, node) as nursery:
                await seeder.packages.offer(root)
                await node.meet(seeder)
                nursery.start_soon(node.packages.fetch, root)
                while not any(one.stage is Stage.WAITING for one in node.packages.progress()):
                    await trio.sleep(0.01)
                assert "are free" in node.packages.progress()[0].trouble
                assert len(node.table.settled()) == 1

        trio.run(main)
