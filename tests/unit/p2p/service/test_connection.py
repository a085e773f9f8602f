"""A connection: what it reads, sends, waits for, and how it ends."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import (
    PING_EVERY_MS,
    PONG_MS,
    TALK_BURST,
    TALK_PER_S,
    TALK_QUEUE_BYTES,
)
from esper.p2p.peer import PeerNumber
from esper.p2p.service import connection as module
from esper.p2p.service.connection import (
    BYE_S,
    JOINED_BYTES,
    MESSAGE_COST_BYTES,
    MESSAGES_AT_ONCE,
    Connection,
)
from esper.p2p.transport.link import Ending, LinkClosed
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim, weight_bytes
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import Message
from tests.support.net.memory_link import MemoryLink
from tests.support.net.service_world import (
    CLAIM,
    FRAMES,
    Stranger,
    hello,
    linked,
    mocked,
    steady,
    until,
)

ONE = PeerNumber(1)
ID = b"i" * 64


class Owner:
    """Answers pings, and does with the rest what a test wants."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.when: list[float] = []
        self.progress: list[tuple[int, int]] = []
        self.on: Callable[[Message], None] = lambda message: None

    def received(self, connection: Connection, message: Message, size: int) -> None:
        self.got.append(message)
        self.when.append(trio.current_time())
        assert size == len(frame_bytes(message))
        match message:
            case talk.Pong():
                connection.pong(message)
            case talk.Ping():
                connection.pong_to(message)
        self.on(message)

    def begins(self, connection: Connection, kind: int) -> None:
        """Everything is wanted."""

    def progressed(self, connection: Connection, kind: int, size: int) -> None:
        self.progress.append((kind, size))

    def claim(self) -> Claim:
        return CLAIM


class World:
    """A connection that runs, its owner, and the stranger at its other end."""

    def __init__(self, link: MemoryLink, stranger: Stranger) -> None:
        self.owner = Owner()
        self.link = link
        self.stranger = stranger
        self.connection = Connection(ONE, link, self.owner, FRAMES, steady, random.Random(1))
        self.ended = trio.Event()
        self.scope = trio.CancelScope()
        self.took_s = 0.0

    async def run(self) -> None:
        with self.scope:
            await self.connection.run()
        self.ended.set()

    async def answer_pings(self) -> None:
        """As an honest stranger does."""
        done = 0
        while self.link.closed is None:
            for ping in self.stranger.of(talk.Ping)[done:]:
                done += 1
                await self.stranger.say(talk.Pong(ping.nonce, 1, b"\1", ID))
            await trio.sleep(0.05)


@asynccontextmanager
async def world(*, polite: bool = True, reads: bool = True) -> AsyncIterator[World]:
    link, stranger = await linked()
    made = World(link, stranger)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        if reads:
            nursery.start_soon(stranger.run)
        nursery.start_soon(made.run)
        if polite:
            nursery.start_soon(made.answer_pings)
        yield made
        made.connection.end(None, None)
        await made.ended.wait()
        nursery.cancel_scope.cancel()


def proof(number: int, size: int) -> bulk.Proof:
    return bulk.Proof(number, ID, bytes(size))


def test_messages_of_both_streams_reach_the_owner_in_order() -> None:
    async def main() -> None:
        async with world() as made:
            await made.stranger.say(hello(), talk.Prefer(1), proof(1, 10), proof(2, 11))
            await trio.sleep(1)
            got = [one for one in made.owner.got if not isinstance(one, talk.Pong)]
            assert sorted(map(repr, got)) == sorted(
                map(repr, [hello(), talk.Prefer(1), proof(1, 10), proof(2, 11)])
            )
            talked = [one for one in got if not isinstance(one, bulk.Proof)]
            assert talked == [hello(), talk.Prefer(1)]
            assert made.connection.why == ""

    mocked(main)


def test_an_unknown_type_that_anybody_may_send_is_passed_over() -> None:
    async def main() -> None:
        async with world() as made:
            unknown = (3).to_bytes(4, "big") + b"\xc8\x91\x01"
            await made.stranger.link.talk.send_all(unknown)
            await made.stranger.link.bulk.send_all(unknown)
            await made.stranger.say(talk.Prefer(0))
            await trio.sleep(1)
            assert talk.Prefer(0) in made.owner.got
            assert made.connection.why == ""

    mocked(main)


@pytest.mark.parametrize(
    "bad",
    [
        b"\0\0\0\2\x04\x91",
        b"\0\0\0\3\x21\x91\x01",
        b"\0\0\0\3\x63\x91\x01",
        b"\0\0\0\3\x04\x91\x02",
        b"\xff\xff\xff\xff\x04",
    ],
    ids=["short", "of the other stream", "unknown", "of another version", "long"],
)
def test_bytes_that_are_no_message_end_it(bad: bytes) -> None:
    async def main() -> None:
        async with world() as made:
            await made.stranger.link.talk.send_all(bad)
            await made.ended.wait()
            fault = made.connection.fault
            assert fault is not None
            assert fault.offence is Offence.CODEC
            assert made.connection.why == str(fault)
            assert made.link.closed is not None
            await trio.sleep(1)
            assert made.stranger.of(talk.Bye) == [talk.Bye(talk.BYE_FAULT)]

    mocked(main)


def test_a_fault_of_the_owner_ends_it_and_the_rest_is_not_read() -> None:
    async def main() -> None:
        async with world() as made:

            def refuse(message: Message) -> None:
                if isinstance(message, talk.Prefer):
                    raise Fault(Offence.ORDER, "not now")

            made.owner.on = refuse
            await made.stranger.say(talk.Prefer(1), talk.GetAddrs())
            await made.ended.wait()
            assert made.connection.fault == Fault(Offence.ORDER, "not now")
            assert talk.GetAddrs() not in made.owner.got

    mocked(main)


def test_an_error_of_ours_ends_this_connection_and_blames_nobody() -> None:
    async def main() -> None:
        async with world() as made:

            def trip(message: Message) -> None:
                if isinstance(message, talk.Prefer):
                    raise RuntimeError("oh")

            made.owner.on = trip
            await made.stranger.say(talk.Prefer(1))
            await made.ended.wait()
            assert made.connection.fault is None
            assert made.connection.why == "an error here: RuntimeError: oh"
            await trio.sleep(1)
            assert made.stranger.of(talk.Bye) == [talk.Bye(talk.BYE_STOPPING)]

    mocked(main)


def test_the_first_reason_stays_and_its_bye_is_said() -> None:
    async def main() -> None:
        async with world() as made:
            made.connection.end(None, talk.BYE_FULL, "no room")
            made.connection.end(Fault(Offence.LATE, "later"), talk.BYE_FAULT, "later")
            await made.ended.wait()
            assert made.connection.why == "no room"
            assert made.connection.fault is None
            await trio.sleep(1)
            assert made.stranger.of(talk.Bye) == [talk.Bye(talk.BYE_FULL)]
            assert made.stranger.heard[-1] == talk.Bye(talk.BYE_FULL)

    mocked(main)


def test_no_bye_to_whom_none_is_due() -> None:
    async def main() -> None:
        async with world() as made:
            made.connection.end(None, None, "it is this node itself")
            await made.ended.wait()
            await trio.sleep(1)
            assert made.stranger.of(talk.Bye) == []
            assert made.stranger.link.closed is not None

    mocked(main)


def test_the_peers_close_ends_it() -> None:
    async def main() -> None:
        async with world() as made:
            made.stranger.link.close()
            await made.ended.wait()
            assert made.connection.why == Ending.PEERS.value
            assert made.connection.fault is None
            assert made.link.closed is not None

    mocked(main)


def test_the_fault_of_a_link_is_the_connections() -> None:
    async def main() -> None:
        async with world() as made:
            fault = Fault(Offence.GUARD, "beyond its window")
            made.link.end(LinkClosed(Ending.BROKEN, fault.reason, fault))
            await made.ended.wait()
            assert made.connection.fault == fault
            assert made.connection.why == "broke the rules of the transport: beyond its window"

    mocked(main)


# Pings.


def test_pings_say_our_tip_and_follow_each_other() -> None:
    async def main() -> None:
        async with world() as made:
            await trio.sleep(2.5 * PING_EVERY_MS / 1000)
            pings = made.stranger.of(talk.Ping)
            assert len(pings) == 3
            assert len({one.nonce for one in pings}) == 3
            assert {one.claim for one in pings} == {CLAIM}
            # There and back, and what the stranger took.
            assert made.connection.ping_ms is not None
            assert 20 <= made.connection.ping_ms <= 80
            assert made.connection.statistics().ping_ms == made.connection.ping_ms

    mocked(main)


def test_the_least_time_of_a_pong_is_kept() -> None:
    async def main() -> None:
        async with world(polite=False) as made:
            times = []
            for wait in (3.0, 1.0, 2.0):
                made.connection.ping_soon()
                await trio.sleep(0.1)
                await trio.sleep(wait)
                await made.stranger.say(
                    talk.Pong(made.stranger.of(talk.Ping)[-1].nonce, 1, b"\1", ID)
                )
                await trio.sleep(0.5)
                times.append(made.connection.ping_ms)
            assert times[0] is not None
            assert times[1] is not None
            assert times[1] < times[0]
            assert times[2] == times[1]

    mocked(main)


def test_no_pong_in_time_ends_it() -> None:
    async def main() -> None:
        async with world(polite=False) as made:
            began = trio.current_time()
            await made.ended.wait()
            assert trio.current_time() - began == pytest.approx(PONG_MS / 1000, abs=0.1)
            assert made.connection.fault is not None
            assert made.connection.fault.offence is Offence.LATE
            assert "no pong" in made.connection.why

    mocked(main)


@pytest.mark.parametrize("known", [False, True])
def test_a_pong_that_no_ping_waits_for_ends_it(known: bool) -> None:
    async def main() -> None:
        async with world(polite=known) as made:
            await trio.sleep(1)
            nonce = made.stranger.of(talk.Ping)[0].nonce
            # A second pong to the same ping, or one of another nonce.
            await made.stranger.say(talk.Pong(nonce if known else nonce ^ 1, 1, b"\1", ID))
            await made.ended.wait()
            assert made.connection.fault is not None
            assert made.connection.fault.offence is Offence.UNASKED

    mocked(main)


def test_a_ping_is_answered_with_its_nonce_and_our_tip() -> None:
    async def main() -> None:
        async with world() as made:
            await made.stranger.say(talk.Ping(99, 3, b"\5", ID))
            await trio.sleep(1)
            pong = talk.Pong(99, CLAIM.height, weight_bytes(CLAIM.weight), CLAIM.tip)
            assert made.stranger.of(talk.Pong) == [pong]

    mocked(main)


def test_a_ping_at_once_does_not_wait_for_the_next() -> None:
    async def main() -> None:
        async with world() as made:
            await trio.sleep(5)
            made.connection.ping_soon()
            await trio.sleep(1)
            assert len(made.stranger.of(talk.Ping)) == 2

    mocked(main)


# Sending.


def test_short_messages_are_sent_together_and_in_order() -> None:
    async def main() -> None:
        async with world() as made:
            await trio.sleep(1)
            sends = 0
            send_all = made.link.talk.send_all

            async def counted(data: bytes) -> None:
                nonlocal sends
                sends += 1
                assert len(data) <= JOINED_BYTES
                await send_all(data)

            made.link.talk.send_all = counted  # type: ignore[method-assign]
            sent = [talk.Announce(bytes([place]) * 1000) for place in range(40)]
            for one in sent:
                made.connection.send(one)
            assert made.connection.statistics().queued > 40_000
            await trio.sleep(1)
            assert made.stranger.of(talk.Announce) == sent
            assert sends <= 5
            assert made.connection.statistics().queued == 0

    mocked(main)


def test_who_reads_too_slowly_is_left() -> None:
    async def main() -> None:
        async with world(polite=False, reads=False) as made:
            sent = 0
            while not made.connection.why:
                made.connection.send(talk.Announce(bytes(4000)))
                sent += 4000
                assert made.connection.statistics().queued <= TALK_QUEUE_BYTES
                assert sent < 2 * TALK_QUEUE_BYTES
            assert sent > TALK_QUEUE_BYTES - 5000
            fault = made.connection.fault
            assert fault is not None
            assert fault.offence is Offence.LATE
            began = trio.current_time()
            await made.ended.wait()
            assert trio.current_time() - began <= BYE_S + 0.1

    mocked(main)


def test_an_end_waits_for_no_write_that_hangs() -> None:
    async def main() -> None:
        async with world(polite=False, reads=False) as made:
            # More than the window: the writer waits for a reader that there is not.
            for _ in range(2):
                await trio.sleep(0.1)
                for _ in range(100):
                    made.connection.send(talk.Announce(bytes(4000)))
            assert made.connection.why == ""
            await trio.sleep(0.1)
            began = trio.current_time()
            made.connection.end(Fault(Offence.CODEC, "bad"), talk.BYE_FAULT)
            await made.ended.wait()
            assert trio.current_time() - began <= BYE_S + 0.1
            assert made.link.closed is not None

    mocked(main)


def test_a_block_is_pushed_once_the_one_before_has_left() -> None:
    async def main() -> None:
        async with world() as made:
            compact = bulk.Compact(0, bytes(4000), bytes(60_000), (), (), (bytes(16),), ())
            made.stranger.reads_bulk = trio.Event()
            assert made.connection.push((compact,))
            made.connection.push_on((proof(0, 500_000),))
            await trio.sleep(1)
            assert made.connection.push((compact,))
            made.connection.push_on((proof(0, 500_000),))
            assert not made.connection.push((compact,))
            made.stranger.reads_bulk.set()
            await trio.sleep(1)
            assert [one.TYPE for one in made.stranger.heard if one.TYPE >= 32] == [32, 33, 32, 33]
            assert made.connection.push((compact,))

    mocked(main)


def test_an_answer_and_a_push_do_not_mix_their_bytes() -> None:
    async def main() -> None:
        async with world() as made, trio.open_nursery() as nursery:
            for number in range(1, 6):
                frame = frame_bytes(proof(number, 300_000))
                nursery.start_soon(made.connection.send_bulk, frame)
            assert made.connection.push((proof(0, 200_000),))
            await trio.sleep(5)
            assert sorted(one.number for one in made.stranger.of(bulk.Proof)) == [0, 1, 2, 3, 4, 5]

    mocked(main)


# Reading.


def test_the_bytes_of_a_frame_under_way_are_told() -> None:
    async def main() -> None:
        async with world() as made:
            frame = frame_bytes(proof(1, 30_000))
            for place in range(0, len(frame), 10_000):
                await made.stranger.link.bulk.send_all(frame[place : place + 10_000])
                await trio.sleep(0.5)
                held = made.connection.statistics().frames_held
                assert held == (min(place + 10_000, len(frame)) % len(frame))
            assert made.owner.progress == [(33, 10_000), (33, 10_000), (33, 10_000)]
            assert made.owner.got[-1] == proof(1, 30_000)

    mocked(main)


def test_who_talks_faster_than_its_rate_is_read_later() -> None:
    async def main() -> None:
        async with world() as made:
            began = trio.current_time()
            message = talk.Announce(bytes(4000))
            size = len(frame_bytes(message)) + MESSAGE_COST_BYTES
            count = (TALK_BURST + 10 * TALK_PER_S) // size

            async def flood() -> None:
                for _ in range(count):
                    await made.stranger.say(message)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(flood)
                await until(lambda: made.owner.got.count(message) == count)
            took = trio.current_time() - began
            assert 9 < took < 12
            assert made.connection.why == ""

    mocked(main)


def test_short_messages_cost_more_than_their_bytes() -> None:
    async def main() -> None:
        async with world() as made:
            count = TALK_BURST * 11 // 10 // MESSAGE_COST_BYTES
            frames = frame_bytes(talk.Prefer(1)) * count
            began = trio.current_time()
            await made.stranger.link.talk.send_all(frames)
            await until(lambda: len(made.owner.got) >= count)
            # Their bytes alone are far below the burst.
            assert len(frames) < TALK_BURST // 10
            assert trio.current_time() - began > 0.2

    mocked(main)


@pytest.mark.parametrize("stream", ["talk", "bulk"])
def test_a_flood_of_short_messages_lets_others_have_their_turn(stream: str) -> None:
    async def main() -> None:
        async with world() as made:
            await trio.sleep(1)
            frame = frame_bytes(talk.Prefer(1) if stream == "talk" else bulk.Txs(1, ()))
            # Within what may come at once: the clock jumps only while all wait.
            count = 1_500
            most = since = 0
            begun = trio.Event()
            made.owner.on = lambda message: begun.set()

            async def other() -> None:
                nonlocal since, most
                await begun.wait()
                while len(made.owner.got) < count and not made.connection.why:
                    most = max(most, len(made.owner.got) - since)
                    since = len(made.owner.got)
                    await trio.lowlevel.checkpoint()
                # Also where all of them were read before this task had its first turn.
                most = max(most, len(made.owner.got) - since)

            async with trio.open_nursery() as nursery:
                stranger = made.stranger.link
                side = stranger.talk if stream == "talk" else stranger.bulk
                nursery.start_soon(side.send_all, frame * count)
                nursery.start_soon(other)
            assert len(made.owner.got) >= count
            # One batch of tasks may end with the reader and the next begin with it.
            assert most <= 2 * MESSAGES_AT_ONCE + 2

    mocked(main)


# Being cancelled.


def test_cancelled_at_any_moment_it_says_bye_and_closes_the_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PING_EVERY_MS", 100)

    async def main(after: int) -> bool:
        """Whether the connection still ran when so many steps of its tasks had passed."""
        async with world() as made:

            class Cancel(trio.abc.Instrument):
                left = after

                def before_task_step(self, task: trio.lowlevel.Task) -> None:
                    name = task.name
                    if "Connection." in name or "World.run" in name:
                        self.left -= 1
                        if self.left == 0:
                            made.scope.cancel()

            cancel = Cancel()
            trio.lowlevel.add_instrument(cancel)
            await made.stranger.say(hello(), talk.Ping(1, 1, b"\1", ID), proof(1, 100_000))
            made.connection.push((proof(0, 100_000),))
            with trio.move_on_after(0.5):
                await made.ended.wait()
            trio.lowlevel.remove_instrument(cancel)
            if cancel.left > 0:
                return False
            assert made.link.closed is not None
            assert made.connection.why == "this node is stopping"
            await trio.sleep(1)
            assert made.stranger.link.closed is not None
            assert made.stranger.of(talk.Bye) == [talk.Bye(talk.BYE_STOPPING)]
            return True

    after = 1
    while mocked(partial(main, after)):
        after += 1
    assert after > 20
