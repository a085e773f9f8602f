"""Our own machine fails while peers watch: the node stays up and blames nobody.

The network page, sections 5 and 10: our machine is no verdict.
"""

import errno
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trio

from esper.consensus.ports import WorkClaim
from esper.node.chain.milestones import MilestoneFile
from esper.node.mining.mining_service import MinedNews
from esper.p2p.flow.open_requests import Owner
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.relay.tx_jobs import Admit
from esper.p2p.sync.events import KeepFrom
from esper.p2p.transport.identity import Identity
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.storage.errors import DiskReserveError
from tests.support.fake_work import FakeVerifier
from tests.support.net.net_attack_world import (
    PARAMS,
    AttackWorld,
    attack_world,
    base_branch,
    run_attack,
    until,
)

pytestmark = pytest.mark.serial


def full(*_: Any, **__: Any) -> NoReturn:
    raise DiskReserveError(Path("chain"), 0, 1)


def broken(*_: Any, **__: Any) -> NoReturn:
    raise OSError(5, "Input/output error")


def check_nobody_blamed(world: AttackWorld) -> None:
    for node in (world.honest, world.target):
        assert not node.service.parts.penalties.barred(node.service.steady())
    world.check_honest()


class DyingVerifier(FakeVerifier):
    """A verifier whose process somebody killed, until it is mended."""

    dead = False

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        if self.dead:
            raise RuntimeError("the verifier is closed")
        super().verify(claim, proof)


def test_a_verifier_that_dies_blames_nobody_and_the_node_catches_up(tmp_path: Path) -> None:
    async def test() -> None:
        verifier = DyingVerifier(PARAMS.model)
        async with attack_world(tmp_path, verifier=verifier) as world:
            await world.arrival_s()
            verifier.dead = True
            for _ in range(2):
                await world.honest.mine()
                await trio.sleep(0.3)
            assert world.target.height < world.honest.height
            check_nobody_blamed(world)
            verifier.dead = False
            block = await world.honest.mine()
            await until(lambda: world.target.tip == block)
            check_nobody_blamed(world)

    run_attack(test)


def test_a_disk_that_refuses_blocks_blames_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            await world.arrival_s()
            with monkeypatch.context() as patch:
                patch.setattr(world.target.node.manager.store, "append", full)
                await world.honest.mine()
                await trio.sleep(0.5)
                assert world.target.height < world.honest.height
                check_nobody_blamed(world)

    run_attack(test)


def test_a_disk_that_refuses_the_note_of_being_synced_ends_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        monkeypatch.setattr(MilestoneFile, "save", broken)
        async with attack_world(tmp_path) as world:
            await until(lambda: world.target.view.synced)
            await world.arrival_s()
            check_nobody_blamed(world)

    run_attack(test)


def test_an_own_block_that_cannot_be_read_back_ends_no_network(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            events = world.target.node.events
            news = MinedNews(1, b"\x01" * 64, None, None, 0, 0)  # type: ignore[arg-type]
            events.publish(news)
            await trio.sleep(0.2)
            await world.arrival_s()
            check_nobody_blamed(world)

    run_attack(test)


@pytest.mark.parametrize("failure", [broken, full])
def test_a_disk_that_cannot_be_read_refuses_and_ends_no_network(
    tmp_path: Path, failure: Any
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            reader = world.target.service._made_of.blocks._reader  # type: ignore[attr-defined]
            for name in ("headers_after", "body", "proof"):
                setattr(reader, name, failure)
            asker = await world.attacker()
            block = base_branch().blocks[3].header.block_id
            await asker.say(talk.GetHeaders(asker.number(), (block,), 8))
            await asker.say(talk.GetBlocks(asker.number(), (block,), 3))
            await asker.hears(talk.Refuse, 2)
            assert not asker.of(bulk.Headers)
            await world.arrival_s()
            assert asker.is_up
            check_nobody_blamed(world)

    run_attack(test)


def test_files_of_peers_that_cannot_be_written_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            monkeypatch.setattr("esper.p2p.service.peer_files.write_file", broken)
            world.target.service._save()
            await world.arrival_s()
            check_nobody_blamed(world)

    run_attack(test)


def test_a_loop_that_stood_still_blames_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after SIGSTOP, or a laptop's sleep; a tenth of the time."""
    monkeypatch.setattr("esper.p2p.peers.own_fault.TICKER_LATE_MS", 1_000)

    async def test() -> None:
        async with attack_world(tmp_path) as world:
            await world.arrival_s()
            asked = await world.attacker()
            await asked.say(talk.Ping(7, 0, b"", bytes(64)))
            time.sleep(2.5)
            await trio.sleep(0.5)
            assert any("too slow" in one for one in world.target.view.warnings)
            check_nobody_blamed(world)
            assert asked.is_up
            await world.arrival_s()
            check_nobody_blamed(world)

    run_attack(test)


def test_undo_records_that_the_disk_does_not_keep_end_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            monkeypatch.setattr(world.target.node.manager, "keep_undo_from", full)
            world.target.service._told(KeepFrom(3))
            await world.arrival_s()
            check_nobody_blamed(world)

    run_attack(test)


@pytest.mark.parametrize("event", ["done", "on_time", "chain_changed", "left"])
def test_a_mistake_in_a_machine_ends_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            machine = world.target.service.following.transactions
            monkeypatch.setattr(machine, event, broken)
            monkeypatch.setattr(machine, "due", lambda: 0)
            world.target.service._room._begin(
                Owner.TRANSACTIONS, Admit(bytes(16), b"no transaction")
            )
            guest = await world.attacker()
            guest.link.close()
            for _ in range(2):
                await world.arrival_s()
            await until(lambda: not world.target.is_connected(guest.identity))
            check_nobody_blamed(world)

    run_attack(test)


def test_an_answer_that_fails_here_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            asker = await world.attacker()
            world.target.service.memory.compact_for = broken  # type: ignore[method-assign]
            await asker.say(talk.GetBlock(asker.number(), bytes(64)))
            await asker.hears(talk.Refuse)
            assert asker.is_up
            await world.arrival_s()
            check_nobody_blamed(world)

    run_attack(test)


def test_no_descriptor_for_a_dial_ends_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            there = world.honest.address
            nowhere = PeerAddress(there.ip, 1, Identity.from_seed(b"nobody".ljust(32)).node_id)
            with monkeypatch.context() as patch:
                patch.setattr(trio.socket, "socket", none_left)
                world.target.service.parts.plan.add_static(nowhere)
                left = world.target.service.table
                await until(lambda: any("descriptors" in one.why for one in left.left))
            await world.arrival_s()
            check_nobody_blamed(world)

    run_attack(test)


def none_left(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.EMFILE, "no descriptors left")
