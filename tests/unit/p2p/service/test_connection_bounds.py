"""A connection at its bounds: what still waits, what still counts, and ends that come twice."""

from __future__ import annotations

import pytest
import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import PONG_MS, TALK_BURST, TALK_QUEUE_BYTES
from esper.p2p.peers.own_fault import TICKER_LATE_MS
from esper.p2p.service.connection import (
    BYE_S,
    JOINED_BYTES,
    LISTED_COST,
    MESSAGE_COST_BYTES,
    PUSHED_COST,
    _cost,
    _Lane,
)
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import Message, StreamKind
from tests.support.net.service_world import FRAMES, mocked, steady
from tests.unit.p2p.service.test_connection import ID, World, proof, world

COMPACT = bulk.Compact(0, b"h", b"o", (), (), (bytes(16),), ())
SAID = talk.Announce(bytes(300))
SIZE = len(frame_bytes(SAID))


# Sending.


@pytest.mark.parametrize(("more", "joined"), [(0, 2), (1, 1)])
def test_so_many_bytes_are_sent_together(more: int, joined: int) -> None:
    async def main() -> None:
        lane = _Lane()
        frames = [bytes(JOINED_BYTES - 1_000), bytes(1_000 + more), b"x"]
        for frame in frames:
            lane.put(frame)
        assert await lane.next() == b"".join(frames[:joined])
        assert lane.queued == sum(map(len, frames[joined:]))
        rest = b""
        while lane.queued:
            rest += await lane.next()
        assert rest == b"".join(frames[joined:])

    mocked(main)


def fill(made: World, kind: StreamKind, size: int) -> None:
    """Let so many bytes wait that nobody reads."""
    made.connection._lanes[kind].put(bytes(size))


@pytest.mark.parametrize("more", [0, 1])
def test_who_reads_too_slowly_is_left_at_the_last_byte(more: int) -> None:
    async def main() -> None:
        async with world(polite=False, reads=False) as made:
            fill(made, StreamKind.TALK, TALK_QUEUE_BYTES - SIZE + more)
            before = made.connection.statistics().queued
            made.connection.send(SAID)
            assert bool(made.connection.why) is bool(more)
            # What was too much does not wait.
            assert made.connection.statistics().queued - before == (0 if more else SIZE)

    mocked(main)


@pytest.mark.parametrize("more", [0, 1])
def test_beside_a_pushed_block_short_messages_wait_too(more: int) -> None:
    async def main() -> None:
        async with world(polite=False, reads=False) as made:
            said = bulk.Txs(1, (bytes(300),))
            most = TALK_QUEUE_BYTES + FRAMES.limits.fetch
            fill(made, StreamKind.BULK, most - len(frame_bytes(said)) + more)
            made.connection.send(said)
            assert bool(made.connection.why) is bool(more)

    mocked(main)


@pytest.mark.parametrize("more", [0, 1])
def test_a_block_is_pushed_while_half_of_what_may_wait_does(more: int) -> None:
    async def main() -> None:
        async with world(polite=False, reads=False) as made:
            half = TALK_QUEUE_BYTES // 2
            head = len(frame_bytes(proof(0, half))) - half
            made.connection.push_on((proof(0, half - head + more),))
            assert made.connection.statistics().queued == half + more
            assert made.connection.push((COMPACT,)) is not bool(more)

    mocked(main)


# Ends.


def test_the_last_words_of_who_does_not_read_are_cut_short_also_if_it_is_cancelled() -> None:
    async def main() -> None:
        async with world(polite=False, reads=False) as made:
            for _ in range(3):
                await trio.sleep(0.1)
                fill(made, StreamKind.TALK, TALK_QUEUE_BYTES)
            assert made.connection.why == ""
            await trio.sleep(0.1)
            began = trio.current_time()
            made.scope.cancel()
            await made.ended.wait()
            assert 0 < trio.current_time() - began <= BYE_S + 0.1
            assert made.link.closed is not None

    mocked(main)


def test_a_reason_given_before_is_not_that_of_the_stop() -> None:
    async def main() -> None:
        async with world() as made:
            made.connection.end(None, talk.BYE_FULL, "no room")
            made.scope.cancel()
            await made.ended.wait()
            assert made.connection.why == "no room"

    mocked(main)


def test_a_side_that_is_ended_in_order_ends_the_connection() -> None:
    async def main() -> None:
        async with world() as made:

            async def nothing(most: int) -> bytes:
                return b""

            made.link.talk.receive_some = nothing  # type: ignore[method-assign]
            await made.stranger.say(talk.Prefer(1))
            await made.ended.wait()
            assert made.connection.why == "the peer closed the connection"
            assert made.connection.fault is None

    mocked(main)


# Pings.


@pytest.mark.parametrize("late_ms", [TICKER_LATE_MS, TICKER_LATE_MS + 1])
def test_no_pong_counts_unless_this_node_slept(late_ms: int) -> None:
    async def main() -> None:
        async with world(polite=False) as made:
            await trio.sleep(1)
            # The clock of the machine goes on while it sleeps, that of its tasks does not.
            made.connection._steady = lambda: steady() + late_ms
            waited = trio.current_time()
            with trio.move_on_after(PONG_MS / 1000):
                await made.ended.wait()
            assert made.ended.is_set() is (late_ms <= TICKER_LATE_MS)
            assert trio.current_time() - waited <= PONG_MS / 1000

    mocked(main)


def test_a_clock_that_goes_back_makes_no_time_below_nothing() -> None:
    async def main() -> None:
        async with world(polite=False) as made:
            await trio.sleep(1)
            made.connection._steady = lambda: steady() - 5_000
            await made.stranger.say(talk.Pong(made.stranger.of(talk.Ping)[0].nonce, 1, b"\1", ID))
            await trio.sleep(1)
            assert made.connection.ping_ms == 0

    mocked(main)


def test_a_pong_ends_no_ping_but_its_own() -> None:
    async def main() -> None:
        async with world(polite=False) as made:
            await trio.sleep(1)
            nonce = made.stranger.of(talk.Ping)[0].nonce
            with pytest.raises(Fault) as caught:
                made.connection.pong(talk.Pong(nonce ^ 1, 1, b"\1", ID))
            assert caught.value.offence is Offence.UNASKED
            made.connection.pong(talk.Pong(nonce, 1, b"\1", ID))
            with pytest.raises(Fault):
                made.connection.pong(talk.Pong(nonce, 1, b"\1", ID))

    mocked(main)


# Costs.


@pytest.mark.parametrize(
    ("kind", "message", "cost"),
    [
        (StreamKind.BULK, COMPACT, 1_600 // PUSHED_COST),
        (StreamKind.BULK, proof(0, 9), 1_600 // PUSHED_COST),
        (StreamKind.BULK, proof(1, 9), 0),
        (StreamKind.BULK, bulk.Txs(1, ()), 0),
        (
            StreamKind.TALK,
            talk.HaveTxs((talk.Announced(bytes(16), 5),)),
            MESSAGE_COST_BYTES + LISTED_COST * 1_600,
        ),
        (StreamKind.TALK, talk.Addrs(()), MESSAGE_COST_BYTES + LISTED_COST * 1_600),
        (StreamKind.TALK, talk.Prefer(1), MESSAGE_COST_BYTES + 1_600),
        (StreamKind.TALK, None, MESSAGE_COST_BYTES + 1_600),
        (StreamKind.BULK, None, MESSAGE_COST_BYTES + 1_600),
    ],
)
def test_what_was_asked_for_costs_its_peer_nothing(
    kind: StreamKind, message: Message | None, cost: int
) -> None:
    assert _cost(kind, message, 1_600) == cost


def test_an_answer_is_read_on_while_the_rate_is_spent() -> None:
    async def main() -> None:
        async with world() as made:
            await trio.sleep(1)
            made.connection._price_of(2 * TALK_BURST)
            began = trio.current_time()
            for number in range(1, 20):
                await made.stranger.say(proof(number, 10))
            while len([one for one in made.owner.got if isinstance(one, bulk.Proof)]) < 19:
                await trio.sleep(0.01)
            assert trio.current_time() - began < 1

    mocked(main)


# Reading.


def test_of_a_frame_that_ends_and_begins_within_what_was_read_the_beginning_is_told() -> None:
    async def main() -> None:
        async with world() as made:
            first, second = frame_bytes(proof(1, 1_000)), frame_bytes(proof(2, 1_000))
            await made.stranger.link.bulk.send_all(first + second[:300])
            await trio.sleep(0.5)
            assert made.owner.progress == [(bulk.Proof.TYPE, 300)]
            await made.stranger.link.bulk.send_all(second[300:400])
            await trio.sleep(0.5)
            assert made.owner.progress == [(bulk.Proof.TYPE, 300), (bulk.Proof.TYPE, 100)]

    mocked(main)


def test_of_the_talk_stream_no_progress_is_told() -> None:
    async def main() -> None:
        async with world(polite=False) as made:
            await made.stranger.link.talk.send_all(frame_bytes(talk.Announce(bytes(2_000)))[:900])
            await trio.sleep(0.5)
            assert made.connection.statistics().frames_held == 900
            assert made.owner.progress == []

    mocked(main)
