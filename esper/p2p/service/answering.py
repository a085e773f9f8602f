"""Answering requests: whose turn it is comes from ``flow.served``, what it says from the chain.

A part of an answer is read when it is about to be sent, so a slow reader holds one part and one of
the few places; who waits for a place waits behind others of its kind.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.served import Served, Turn
from esper.p2p.limits import DRIP_BYTES_PER_S, TRANSACTIONS_BYTES
from esper.p2p.peer import PeerNumber
from esper.p2p.service.connection import Connection
from esper.p2p.transport.link import LinkClosed
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import Answer
from esper.saying import complain

READS_OVER_S: Final = 3.0
"""Over so long a reader of history is measured."""
LOOK_AGAIN_S: Final = 1.0
"""Who waits too long for its turn is told after so long at the latest."""
LOG: Final = logging.getLogger("esper.network")
LOOK_AGAIN_MS: Final = 1_000
"""Whoever waits to read looks so often whether the peer is still there."""
ITEM_HEAD: Final = 5
"""Bytes of a byte string's head in a list."""


class NotHere(Exception):
    """What was asked for is not served; ``code`` is the refusal's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class BlockSource(Protocol):
    """Blocks of this node, from any branch, read in threads."""

    async def headers_after(
        self, locator: tuple[bytes, ...], most: int
    ) -> tuple[bytes, tuple[bytes, ...]]:
        """The first block of the locator on the chain, and the headers above it."""

    async def body(self, block_id: bytes) -> bytes:
        """A body. Raises NotHere."""

    async def proof(self, block_id: bytes) -> bytes:
        """A proof. Raises NotHere."""


class RecentBlocks(Protocol):
    """Blocks that were just relayed, in memory."""

    def compact_for(self, peer: PeerNumber, block_id: bytes) -> tuple[bulk.Compact, bytes] | None:
        """The compact block for a peer, with number 0, and the proof; None: not recent."""

    def transactions_of(
        self, block_id: bytes, indices: tuple[int, ...]
    ) -> tuple[bytes, ...] | None:
        """Transactions by place; None: not recent, or no such place."""


class TransactionSource(Protocol):
    """Transactions that a peer was told of."""

    def transaction_for(self, peer: PeerNumber, prefix: bytes) -> bytes | None:
        """Its bytes; None: gone, or never announced to this peer."""


class Answering:
    """Answers what peers ask."""

    def __init__(
        self,
        served: Served,
        blocks: BlockSource,
        recent: RecentBlocks,
        transactions: TransactionSource,
        steady: Callable[[], int],
    ) -> None:
        self._served = served
        self._blocks = blocks
        self._recent = recent
        self._transactions = transactions
        self._steady = steady
        self._wanted = trio.Event()

    def wake(self) -> None:
        """Somebody asked, or a place became free."""
        self._wanted.set()

    async def run(self, connection_of: Callable[[PeerNumber], Connection | None]) -> None:
        """Begin what has its turn, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wanted = trio.Event()
                for turn in self._served.waited_too_long(self._steady()):
                    connection = connection_of(turn.peer)
                    if connection is not None:
                        refuse = talk.Refuse(turn.number, WHOLE_REST, talk.REFUSED_BUSY)
                        connection.send(refuse)
                for turn in self._served.turns():
                    nursery.start_soon(self._answer, turn, connection_of(turn.peer))
                with trio.move_on_after(LOOK_AGAIN_S):
                    await self._wanted.wait()

    async def _answer(self, turn: Turn, connection: Connection | None) -> None:
        try:
            if connection is not None:
                await self._answer_to(turn, connection)
        except NotHere as refusal:
            if connection is not None:
                await self._refuse(connection, talk.Refuse(turn.number, WHOLE_REST, refusal.code))
        except LinkClosed:
            # Its connection says so itself.
            return
        except Exception as error:
            # A disk that fails, say. Others are answered on.
            complain(
                LOG,
                "answer_failed",
                "an answer to a peer failed by an error of this node: {reason}",
                reason=f"{type(error).__name__}: {error}",
            )
            if connection is not None:
                refuse = talk.Refuse(turn.number, WHOLE_REST, talk.REFUSED_BUSY)
                await self._refuse(connection, refuse)
        finally:
            self._served.done(turn)
            self.wake()

    async def _answer_to(self, turn: Turn, connection: Connection) -> None:
        match turn.request:
            case talk.GetBlock() as request:
                await self._send_recent(turn, connection, request)
            case talk.GetBlockTxs() as request:
                found = self._recent.transactions_of(request.block_id, request.indices)
                if found is None:
                    raise NotHere(talk.REFUSED_UNKNOWN)
                await self._send(
                    turn, connection, bulk.BlockTxs(turn.number, request.block_id, found)
                )
            case talk.GetTxs() as request:
                await self._send_transactions(turn, connection, request)
            case talk.GetHeaders() as request:
                if await self._may_read(turn, connection):
                    fork, headers = await self._blocks.headers_after(request.locator, request.most)
                    answer = bulk.Headers(turn.number, fork, headers)
                    await self._send_history(turn, connection, answer)
            case talk.GetBlocks() as request:
                await self._send_blocks(turn, connection, request)

    async def _send_recent(
        self, turn: Turn, connection: Connection, request: talk.GetBlock
    ) -> None:
        found = self._recent.compact_for(connection.number, request.block_id)
        if found is None:
            raise NotHere(talk.REFUSED_UNKNOWN)
        compact, proof = found
        numbered = bulk.Compact(
            turn.number,
            compact.header,
            compact.outputs,
            compact.results,
            compact.groups,
            compact.shorts,
            compact.filled,
        )
        if await self._send(turn, connection, numbered):
            await self._send(turn, connection, bulk.Proof(turn.number, request.block_id, proof))

    async def _send_transactions(
        self, turn: Turn, connection: Connection, request: talk.GetTxs
    ) -> None:
        found, size = [], ITEM_HEAD * 3
        for prefix in request.prefixes:
            one = self._transactions.transaction_for(connection.number, prefix)
            if one is None:
                continue
            size += len(one) + ITEM_HEAD
            if size > TRANSACTIONS_BYTES:
                break
            found.append(one)
        await self._send(turn, connection, bulk.Txs(turn.number, tuple(found)))

    async def _send_blocks(
        self, turn: Turn, connection: Connection, request: talk.GetBlocks
    ) -> None:
        for block_id in request.block_ids:
            try:
                if request.parts & talk.PART_BODY:
                    if not await self._may_read(turn, connection):
                        return
                    body = await self._blocks.body(block_id)
                    answer: Answer = bulk.BodyOf(turn.number, block_id, body)
                    if not await self._send_history(turn, connection, answer):
                        return
                if request.parts & talk.PART_PROOF:
                    if not await self._may_read(turn, connection):
                        return
                    proof = await self._blocks.proof(block_id)
                    answer = bulk.Proof(turn.number, block_id, proof)
                    if not await self._send_history(turn, connection, answer):
                        return
            except NotHere as refusal:
                refuse = talk.Refuse(turn.number, block_id, refusal.code)
                await connection.send_bulk(frame_bytes(refuse))

    async def _may_read(self, turn: Turn, connection: Connection) -> bool:
        """Wait until a part of history may be read; False if the answer is wanted no more.

        Nothing is held meanwhile: whoever asks, leaves and comes back would fill the memory.
        """
        while not self._served.is_cancelled(turn):
            wait = self._served.history_wait_ms(turn, self._steady())
            if not wait:
                return True
            await trio.sleep(min(wait, LOOK_AGAIN_MS) / 1000)
        await self._refuse_cancelled(turn, connection)
        return False

    async def _send_history(self, turn: Turn, connection: Connection, answer: Answer) -> bool:
        frame = frame_bytes(answer)
        self._served.sent_history(len(frame), self._steady())
        went_on = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, turn, connection)
            with suppress(LinkClosed):
                went_on = await self._send_frame(turn, connection, frame)
            nursery.cancel_scope.cancel()
        return went_on

    async def _watch(self, turn: Turn, connection: Connection) -> None:
        await end_slow_reader(connection, lambda: self._served.others_wait(turn), "history")

    async def _send(self, turn: Turn, connection: Connection, answer: Answer) -> bool:
        return await self._send_frame(turn, connection, frame_bytes(answer))

    async def _send_frame(self, turn: Turn, connection: Connection, frame: bytes) -> bool:
        """Whether the answer goes on behind this frame."""
        if self._served.is_cancelled(turn):
            await self._refuse_cancelled(turn, connection)
            return False
        await connection.send_bulk(frame)
        return True

    async def _refuse_cancelled(self, turn: Turn, connection: Connection) -> None:
        refuse = talk.Refuse(turn.number, WHOLE_REST, talk.REFUSED_CANCELLED)
        await self._refuse(connection, refuse)

    async def _refuse(self, connection: Connection, refuse: talk.Refuse) -> None:
        try:
            await connection.send_bulk(frame_bytes(refuse))
        except LinkClosed:
            return


async def end_slow_reader(
    connection: Connection, others_wait: Callable[[], bool], what: str
) -> None:
    """Until cancelled: who reads more slowly than it may be given loses its place to who waits."""
    while True:
        before = connection.link.statistics().bytes_out
        await trio.sleep(READS_OVER_S)
        read = connection.link.statistics().bytes_out - before
        if read < DRIP_BYTES_PER_S * READS_OVER_S and others_wait():
            fault = Fault(Offence.LATE, f"it reads {what} slowly while others wait for it")
            connection.end(fault, talk.BYE_FAULT)
            return
