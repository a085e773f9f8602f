"""Requests and connections beyond measure, against a whole node. Network page, sections 5, 15."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import BUSY_REFUSALS, MIB, TALK_BURST, TALK_PER_S
from esper.p2p.peers.bars import Bar
from esper.p2p.peers.book.address_gossip import UNASKED
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import ID_PREFIX
from esper.p2p.service.connection import MESSAGE_COST_BYTES, MESSAGES_AT_ONCE
from esper.p2p.service.network import CLAIM_BURST, CLAIMS_PER_S
from esper.p2p.transport.link import LinkClosed
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import KnownAddress
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import Message, StreamKind
from tests.support.net.net_attack_world import (
    LIMITS,
    Attacker,
    attack_world,
    base_branch,
    compact_of,
    never,
    run_attack,
    until,
)

pytestmark = pytest.mark.serial


def test_costly_requests_are_refused_and_end_with_the_two_hundredth(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            ids = tuple(one.header.block_id for one in base_branch().blocks)
            askers = [await world.attacker() for _ in range(4)]

            async def asks(asker: Attacker) -> None:
                for _ in range(400):
                    await asker.say(talk.GetHeaders(asker.number(), ids, 128))

            async with trio.open_nursery() as nursery:
                for asker in askers:
                    nursery.start_soon(asks, asker)
                await world.check_alive(calm)
            for asker in askers:
                await asker.ended()
                assert world.target.barred(asker.identity) is Bar.DROP
                refused = len(asker.of(talk.Refuse))
                answered = len(asker.of(bulk.Headers))
                assert refused <= BUSY_REFUSALS
                # 60 requests at once cost 4 each, and 20 a second.
                assert answered <= 15 + 5 * 12

    run_attack(test)


def test_pings_without_end_are_held_back_and_the_others_are_heard(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            noisy = [await world.attacker() for _ in range(6)]
            stop = trio.Event()

            async def pings(one: Attacker) -> None:
                number = 0
                while not stop.is_set() and one.is_up:
                    number += 1
                    await one.say(talk.Ping(number, 0, b"", bytes(64)))

            async with trio.open_nursery() as nursery:
                for one in noisy:
                    nursery.start_soon(pings, one)
                await trio.sleep(1.0)
                await world.check_alive(calm)
                stop.set()
            for one in noisy:
                assert one.is_up

    run_attack(test)


def test_slow_readers_of_history_make_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four of them would hold all places that inbound peers have, here faster."""
    monkeypatch.setattr("esper.p2p.service.answering.READS_OVER_S", 1.0)

    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            blocks = world.target.service._made_of.blocks

            async def large(block_id: bytes) -> bytes:
                await trio.lowlevel.checkpoint()
                return bytes(LIMITS.body)

            blocks.body = large  # type: ignore[method-assign]
            ids = tuple(one.header.block_id for one in base_branch().blocks[:12])
            slow = [await world.attacker(reads=False) for _ in range(6)]
            for one in slow:
                for _ in range(4):
                    await one.say(talk.GetBlocks(one.number(), ids, talk.PART_BODY))
            await until(lambda: world.target.service._served.statistics().held >= 4)
            newcomer = await world.attacker()
            await newcomer.say(talk.GetBlocks(newcomer.number(), ids[:1], talk.PART_BODY))
            await world.check_alive(calm)
            # Before whoever asks takes this node for late.
            await newcomer.hears(bulk.BodyOf, within_s=5.0)
            await world.check_alive(calm)
            assert newcomer.is_up

    run_attack(test)


def test_frames_that_are_none_end_their_connection_alone(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            cases = (
                (StreamKind.TALK, b"\x00\x00\x00\x00\x01"),
                (StreamKind.TALK, b"\xff\xff\xff\xff\x01"),
                (StreamKind.TALK, b"\x00\x00\x00\x03\x7f\x91\x01"),
                (StreamKind.BULK, b"\x00\x00\x00\x03\x01\x91\x01"),
                (StreamKind.TALK, b"\x00\x00\x00\x05\x01\xdd\xff\xff\xff"),
                (StreamKind.TALK, b"\x00\x00\x00\x03\x00\x91\x01"),
                (StreamKind.BULK, b"\x00\x00\x00\x03\x21\x91\x01"),
            )
            for kind, data in cases:
                broken = await world.attacker()
                await broken.send(kind, data)
                await broken.ended()
                assert world.target.barred(broken.identity) is Bar.DROP
            # Other ids from one address: it may knock eight times, then each two seconds.
            entered = 0
            for turn in range(10):
                with suppress(LinkClosed):
                    again = await world.attacker(200 + turn, source="127.201.1.1")
                    entered += 1
                    await again.send(*cases[0])
                    await again.ended()
            assert 8 <= entered <= 9
            await world.check_alive(calm)

    run_attack(test)


def test_a_connection_of_each_kind_of_silence_is_closed_or_bounded(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            before = world.target.service.table
            for number in range(12):
                # All of one /24, of which four may stay.
                source = f"127.77.7.{1 + number}"
                await world.attacker(300 + number, source=source, settled=False)
            await trio.sleep(0.5)
            ours = [one for one in before.settled() if one.address.ip[13:15] == b"\x4d\x07"]
            assert len(ours) <= 4
            await world.check_alive(calm)

    run_attack(test)


def test_who_reads_nothing_and_breaks_a_rule_is_gone_at_once(tmp_path: Path) -> None:
    """What waits to be sent to it must not keep its place."""

    async def test() -> None:
        async with attack_world(tmp_path) as world:
            deaf = await world.attacker(reads=False)
            [ours] = [
                one
                for one in world.target.service.table.settled()
                if one.address.peer_id == deaf.identity.node_id
            ]
            # As if it had come to this over minutes.
            ours.connection._allowed = TokenBucket(MIB, 8 * MIB, world.target.service.steady())
            pings = b"".join(frame_bytes(talk.Ping(at, 0, b"", bytes(64))) for at in range(3_500))
            await deaf.send(StreamKind.TALK, pings)
            await until(lambda: ours.connection.statistics().queued > 0)
            await trio.sleep(0.2)
            assert ours.connection.statistics().queued > 0
            await deaf.send(StreamKind.TALK, b"\x00\x00\x00\x00\x01")
            await until(lambda: not world.target.is_connected(deaf.identity), 4.0)
            assert world.target.barred(deaf.identity) is Bar.DROP

    run_attack(test)


CHEAP: dict[str, tuple[str, Callable[[int], Message], int]] = {
    "prefer": ("blocks._fetching.start", lambda at: talk.Prefer(at % 2), 0),
    "ping": (
        "sync._work",
        lambda at: talk.Ping(at, at, b"\x7f" * 63, at.to_bytes(64)),
        CLAIM_BURST + CLAIMS_PER_S * 10,
    ),
    "addrs": (
        "gossip.heard",
        lambda at: talk.Addrs(
            (KnownAddress(ip_from_text(f"44.3.{at % 256}.1"), 9, ID_PREFIX + bytes(32), 1, 1),)
        ),
        UNASKED,
    ),
}
"""Short messages by what is dear of what they may make a node do, and how often they may."""


@pytest.mark.parametrize("kind", CHEAP)
def test_what_costs_a_stranger_a_few_bytes_is_looked_at_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Counted, not timed: with fakes in all slots each look at them takes milliseconds."""

    async def test() -> None:
        async with attack_world(tmp_path) as world:
            liar = await world.attacker(handlers={talk.GetHeaders: never})
            service = world.target.service
            [number] = [
                one.connection.number
                for one in service.table.settled()
                if one.address.peer_id == liar.identity.node_id
            ]
            where, message, most = CHEAP[kind]
            *path, name = where.split(".")
            owner: Any = service.parts if path[0] == "gossip" else service.following
            for part in path:
                owner = getattr(owner, part)
            dear, looks = getattr(owner, name), [0]

            def counted(*arguments: Any) -> Any:
                looks[0] += 1
                return dear(*arguments)

            monkeypatch.setattr(owner, name, counted)
            connected = service.table.get(number)
            assert connected is not None
            # As they are when they were read: nothing else goes on between them.
            for at in range(200):
                service.network.received(connected.connection, message(at), 100)
            assert looks[0] <= most + 2
            assert connected.connection.why == ""
            await world.arrival_s()

    run_attack(test)


def test_messages_come_no_faster_than_they_may_be_read(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            liars = [await world.attacker() for _ in range(8)]
            came = [0]
            machines = world.target.service.network._parts.machines
            told = machines.preferred

            def preferred(*arguments: Any) -> None:
                came[0] += 1
                told(*arguments)

            machines.preferred = preferred  # type: ignore[assignment, method-assign]
            many = frame_bytes(talk.Prefer(1)) * 500

            async def floods(one: Attacker) -> None:
                for _ in range(20):
                    await one.send(StreamKind.TALK, many)

            async with trio.open_nursery() as nursery:
                for liar in liars:
                    nursery.start_soon(floods, liar)
                began = time.monotonic()
                await trio.sleep(1.0)
                await world.check_alive(calm)
                passed = time.monotonic() - began
                each = (TALK_BURST + passed * TALK_PER_S) / MESSAGE_COST_BYTES
                assert came[0] <= 8 * (each + MESSAGES_AT_ONCE)
                nursery.cancel_scope.cancel()

    run_attack(test)


def test_a_preferred_peer_that_pushes_without_end_is_held_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            pusher = await world.attacker()
            [ours] = [
                one
                for one in world.target.service.table.settled()
                if one.address.peer_id == pusher.identity.node_id
            ]
            steady = world.target.service.steady
            ours.connection._allowed = TokenBucket(TALK_PER_S, TALK_PER_S, steady())
            relay = world.target.service.following.blocks
            relay._preference.may_push = lambda *_: True  # type: ignore[method-assign]
            # Known long since: nothing follows from it, whatever it brings along.
            block = base_branch().blocks[3]
            large = replace(compact_of(block, 0), results=(bytes(1 << 20),))
            frame = frame_bytes(large)

            async def push() -> None:
                while pusher.is_up:
                    await pusher.send(StreamKind.BULK, frame)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(push)
                await trio.sleep(2.0)
                await world.check_alive(calm)
                came = ours.connection.link.statistics().bytes_in
                # One at once of the 16 that it may have, one a second, and what is under way.
                assert came <= 6 * MIB, f"{came >> 20} MiB"
                nursery.cancel_scope.cancel()

    run_attack(test)
