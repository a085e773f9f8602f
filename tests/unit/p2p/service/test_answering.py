"""Answers: what is said to what, in which order, and how it ends early."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.served import Served
from esper.p2p.limits import MIB, SERVED_BURST, TRANSACTIONS_BYTES
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.service.answering import Answering, NotHere
from esper.p2p.service.connection import Connection
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import ChainRequest, Message
from tests.support.net.service_world import CLAIM, FRAMES, Stranger, linked, mocked, steady, until

ONE, TWO = b"1" * 64, b"2" * 64
PRUNED, LOST, BROKEN = b"p" * 64, b"l" * 64, b"x" * 64
COMPACT = bulk.Compact(0, b"h", b"o", (b"r",), (b"g",), (b"s" * 16,), (bulk.Filled(0, b"t"),))


class Node:
    """What a node has: blocks, recent ones, transactions."""

    def __init__(self) -> None:
        self.body_size = 10
        self.reads = 0
        self.takes_s = 0.0
        self.transaction = b"t" * 100

    async def headers_after(
        self, locator: tuple[bytes, ...], most: int
    ) -> tuple[bytes, tuple[bytes, ...]]:
        return locator[0], (b"header",) * most

    async def body(self, block_id: bytes) -> bytes:
        self.reads += 1
        await trio.sleep(self.takes_s)
        if block_id == BROKEN:
            raise OSError("the disk")
        if block_id == LOST:
            raise NotHere(talk.REFUSED_UNKNOWN)
        return b"b" * self.body_size

    async def proof(self, block_id: bytes) -> bytes:
        if block_id == PRUNED:
            raise NotHere(talk.REFUSED_PRUNED)
        return b"proof"

    def compact_for(self, peer: PeerNumber, block_id: bytes) -> tuple[bulk.Compact, bytes] | None:
        return (COMPACT, b"proof") if block_id == ONE else None

    def transactions_of(
        self, block_id: bytes, indices: tuple[int, ...]
    ) -> tuple[bytes, ...] | None:
        return tuple(bytes([one]) for one in indices) if block_id == ONE else None

    def transaction_for(self, peer: PeerNumber, prefix: bytes) -> bytes | None:
        return self.transaction if prefix[0] % 2 else None


class Quiet:
    """An owner that hears nothing."""

    def received(self, connection: Connection, message: Message, size: int) -> None:
        """Nothing is of interest."""

    def begins(self, connection: Connection, kind: int) -> None:
        """Everything is wanted."""

    def progressed(self, connection: Connection, kind: int, size: int) -> None:
        """Nothing is of interest."""

    def claim(self) -> object:
        return CLAIM


class World:
    def __init__(self) -> None:
        self.node = Node()
        self.served = Served(steady())
        self.answering = Answering(self.served, self.node, self.node, self.node, steady)
        self.connections: dict[PeerNumber, Connection] = {}
        self.strangers: list[Stranger] = []

    async def join(self, nursery: trio.Nursery) -> PeerNumber:
        number = PeerNumber(len(self.connections) + 1)
        link, stranger = await linked()
        made = Connection(number, link, Quiet(), FRAMES, steady, random.Random(1))  # type: ignore[arg-type]
        self.connections[number] = made
        self.strangers.append(stranger)
        self.served.joined(Peer(number, b"p" * 38, outbound=False, group=b"g"), steady())
        nursery.start_soon(link.run)
        nursery.start_soon(stranger.run)
        return number

    def ask(self, number: PeerNumber, request: ChainRequest) -> None:
        assert self.served.asked(number, request, steady()) is None
        self.answering.wake()

    def heard(self, place: int = 0) -> list[Message]:
        return self.strangers[place].heard


@asynccontextmanager
async def world(peers: int = 1) -> AsyncIterator[World]:
    made = World()
    async with trio.open_nursery() as nursery:
        for _ in range(peers):
            await made.join(nursery)
        nursery.start_soon(made.answering.run, made.connections.get)
        yield made
        nursery.cancel_scope.cancel()


def answers(*requests: ChainRequest) -> list[Message]:
    """What one peer hears to its requests."""

    async def main() -> list[Message]:
        async with world() as made:
            for request in requests:
                made.ask(PeerNumber(1), request)
            await trio.sleep(2)
            assert made.served.statistics().answering == 0
            return made.heard()

    return mocked(main)


def test_a_recent_block_comes_as_compact_and_proof() -> None:
    numbered = bulk.Compact(5, b"h", b"o", (b"r",), (b"g",), (b"s" * 16,), (bulk.Filled(0, b"t"),))
    assert answers(talk.GetBlock(5, ONE)) == [numbered, bulk.Proof(5, ONE, b"proof")]
    assert answers(talk.GetBlock(5, TWO)) == [talk.Refuse(5, WHOLE_REST, talk.REFUSED_UNKNOWN)]


def test_its_transactions_come_as_asked() -> None:
    assert answers(talk.GetBlockTxs(1, ONE, (3, 7))) == [bulk.BlockTxs(1, ONE, (b"\3", b"\7"))]
    assert answers(talk.GetBlockTxs(1, TWO, (3,))) == [
        talk.Refuse(1, WHOLE_REST, talk.REFUSED_UNKNOWN)
    ]


def test_transactions_that_are_not_there_are_left_out() -> None:
    asked = talk.GetTxs(1, (b"\1" * 16, b"\2" * 16, b"\3" * 16))
    assert answers(asked) == [bulk.Txs(1, (b"t" * 100,) * 2)]


def test_transactions_end_where_the_frame_does() -> None:
    async def main() -> None:
        async with world() as made:
            made.node.transaction = b"t" * 60_000
            made.ask(PeerNumber(1), talk.GetTxs(1, (b"\1" * 16,) * 12))
            await trio.sleep(1)
            (txs,) = made.heard()
            assert isinstance(txs, bulk.Txs)
            assert len(txs.transactions) == TRANSACTIONS_BYTES // 60_000

    mocked(main)


def test_headers_come_behind_their_fork() -> None:
    assert answers(talk.GetHeaders(1, (TWO, ONE), 3)) == [bulk.Headers(1, TWO, (b"header",) * 3)]


def test_blocks_come_in_order_body_then_proof() -> None:
    both = talk.PART_BODY | talk.PART_PROOF
    assert answers(talk.GetBlocks(1, (ONE, TWO), both)) == [
        bulk.BodyOf(1, ONE, b"b" * 10),
        bulk.Proof(1, ONE, b"proof"),
        bulk.BodyOf(1, TWO, b"b" * 10),
        bulk.Proof(1, TWO, b"proof"),
    ]
    assert answers(talk.GetBlocks(1, (ONE,), talk.PART_BODY)) == [bulk.BodyOf(1, ONE, b"b" * 10)]
    assert answers(talk.GetBlocks(1, (ONE,), talk.PART_PROOF)) == [bulk.Proof(1, ONE, b"proof")]


def test_a_block_that_is_not_here_is_skipped_with_its_reason() -> None:
    assert answers(talk.GetBlocks(1, (LOST, PRUNED, ONE), 3)) == [
        talk.Refuse(1, LOST, talk.REFUSED_UNKNOWN),
        bulk.BodyOf(1, PRUNED, b"b" * 10),
        talk.Refuse(1, PRUNED, talk.REFUSED_PRUNED),
        bulk.BodyOf(1, ONE, b"b" * 10),
        bulk.Proof(1, ONE, b"proof"),
    ]


def test_a_request_that_is_taken_back_ends_behind_the_frame_under_way() -> None:
    async def main() -> None:
        async with world() as made:
            made.node.takes_s = 1.0
            made.ask(PeerNumber(1), talk.GetBlocks(1, (ONE, TWO), talk.PART_BODY))
            await trio.sleep(1.5)
            assert made.served.nevermind(PeerNumber(1), 1) is None
            await trio.sleep(2)
            assert made.heard() == [
                bulk.BodyOf(1, ONE, b"b" * 10),
                talk.Refuse(1, WHOLE_REST, talk.REFUSED_CANCELLED),
            ]
            assert made.served.statistics().answering == 0

    mocked(main)


def test_who_reads_history_slowly_gets_new_blocks_all_the_same() -> None:
    async def main() -> None:
        async with world(peers=2) as made:
            made.node.body_size = 500_000
            slow = made.strangers[0]
            slow.reads_bulk = trio.Event()
            made.ask(PeerNumber(1), talk.GetBlocks(1, (ONE, TWO) * 4, talk.PART_BODY))
            made.ask(PeerNumber(2), talk.GetBlocks(1, (ONE, TWO) * 2, talk.PART_BODY))
            made.ask(PeerNumber(2), talk.GetBlock(2, ONE))
            await trio.sleep(3)
            # One part was read for whoever does not read, and one is in its window.
            assert made.node.reads <= 2 + 4
            assert len([one for one in made.heard(1) if isinstance(one, bulk.BodyOf)]) == 4
            assert bulk.Proof(2, ONE, b"proof") in made.heard(1)
            slow.reads_bulk.set()
            await trio.sleep(3)
            assert len(made.heard(0)) == 8

    mocked(main)


def test_history_waits_for_what_all_together_may_have() -> None:
    async def main() -> None:
        async with world() as made:
            made.node.body_size = MIB
            count = (SERVED_BURST + 2 * 16 * MIB) // MIB
            began = trio.current_time()
            for number in range(1, count + 1):
                await until(
                    lambda number=number: len(made.heard()) >= number - 1  # type: ignore[misc]
                )
                made.ask(PeerNumber(1), talk.GetBlocks(number, (ONE,), talk.PART_BODY))
            await until(lambda: len(made.heard()) == count)
            slowest = trio.current_time() - began
            made.served.sent_history(10 * 16 * MIB, steady())
            made.ask(PeerNumber(1), talk.GetBlocks(count + 1, (ONE,), talk.PART_BODY))
            began = trio.current_time()
            await until(lambda: len(made.heard()) == count + 1)
            assert trio.current_time() - began > 5
            assert slowest < 60

    mocked(main)


def test_a_peer_that_leaves_frees_its_place_and_harms_nobody() -> None:
    async def main() -> None:
        async with world(peers=2) as made:
            made.node.body_size = 500_000
            gone = made.strangers[0]
            gone.reads_bulk = trio.Event()
            made.ask(PeerNumber(1), talk.GetBlocks(1, (ONE,) * 5, talk.PART_BODY))
            made.ask(PeerNumber(1), talk.GetBlocks(2, (ONE,) * 5, talk.PART_BODY))
            await trio.sleep(1)
            made.connections[PeerNumber(1)].link.close()
            made.connections.pop(PeerNumber(1))
            made.served.left(PeerNumber(1))
            made.ask(PeerNumber(2), talk.GetBlocks(1, (ONE,), talk.PART_BODY))
            await trio.sleep(1)
            assert len(made.heard(1)) == 1
            assert made.served.statistics().answering == 0
            assert made.served.statistics().held == 0

    mocked(main)


def test_a_refusal_to_whom_the_link_is_closed_ends_nothing_else() -> None:
    async def main() -> None:
        async with world(peers=2) as made:
            made.connections[PeerNumber(1)].link.close()
            made.ask(PeerNumber(1), talk.GetBlock(1, TWO))
            made.ask(PeerNumber(1), talk.GetBlocks(2, (LOST, ONE), 3))
            await trio.sleep(1)
            made.ask(PeerNumber(2), talk.GetBlock(1, ONE))
            await trio.sleep(1)
            assert len(made.heard(1)) == 2
            assert made.served.statistics().answering == 0

    mocked(main)


def test_each_turn_is_given_back_once_whatever_was_asked() -> None:
    async def main() -> None:
        async with world() as made:
            requests: list[Callable[[int], ChainRequest]] = [
                lambda number: talk.GetBlock(number, TWO),
                lambda number: talk.GetBlocks(number, (LOST,), 3),
                lambda number: talk.GetHeaders(number, (ONE,), 1),
            ]
            for number in range(1, 13):
                made.ask(PeerNumber(1), requests[number % 3](number))
            await trio.sleep(2)
            assert len(made.heard()) == 12 + 0
            statistics = made.served.statistics()
            assert (statistics.waiting, statistics.answering, statistics.held) == (0, 0, 0)

    mocked(main)


def test_an_error_of_ours_is_a_refusal_and_others_are_answered() -> None:
    async def main() -> None:
        async with world(peers=2) as made:
            made.ask(PeerNumber(1), talk.GetBlocks(1, (BROKEN, ONE), 3))
            await trio.sleep(1)
            assert made.connections[PeerNumber(1)].why == ""
            assert made.heard(0)[-1] == talk.Refuse(1, WHOLE_REST, talk.REFUSED_BUSY)
            made.ask(PeerNumber(2), talk.GetBlock(1, ONE))
            await trio.sleep(1)
            assert len(made.heard(1)) == 2
            assert made.served.statistics().held == 0

    mocked(main)
