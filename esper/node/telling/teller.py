"""The service that tells the log and ZeroMQ what happens, in the order in which it happened.

chain, mempool, desk ─▶ Events ─▶ Teller ─▶ EventLog ─▶ sockets, streams, get_events
                                    `─────▶ Publisher ─▶ ZeroMQ
"""

import logging
import struct
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

import trio

from esper.consensus.block import decode_body
from esper.consensus.chain import BlockBytes
from esper.events.log import EventLog
from esper.mempool.departures import Departure
from esper.node.events import (
    CallAnswered,
    CallReady,
    Events,
    Missed,
    NodeEvent,
    TransactionAdmitted,
    TransactionGone,
)
from esper.node.telling import words
from esper.node.telling.joined import ChainChanged, JoinedBlock
from esper.primitives.ids import BlockId, Txid
from esper.primitives.params import NetworkParameters
from esper.saying import complain
from esper.storage.errors import StorageError
from esper.vm.answers import answer_bytes
from esper.vm.transaction import decode_transaction

LOG: Final = logging.getLogger("esper.events")
ROOM: Final = 16_384
"""Events of the node that may wait here: several full blocks come at once."""
AT_ONCE: Final = 8
"""Entries appended before others have their turn: whoever keeps up takes them meanwhile."""
BLOCK_BYTES: Final = frozenset({"rawblock", "rawtx", "hashtx"})
"""Topics for which a block is read again."""


class Publishing(Protocol):
    """Whoever publishes, as ``esper.events.zmq_publisher`` does."""

    def wants(self, topics: Collection[str]) -> bool:
        """Whether any of these topics is published."""

    def publish(self, topic: str, body: bytes) -> None:
        """Send, without waiting."""

    def skip(self) -> None:
        """Something was lost."""


class Teller:
    """Feeds one log and one publisher."""

    def __init__(
        self,
        events: Events,
        log: EventLog,
        publisher: Publishing | None,
        params: NetworkParameters,
        *,
        block_bytes: Callable[[BlockId], BlockBytes],
        waiting: Callable[[], Iterable[Txid]],
    ) -> None:
        """``block_bytes`` reads a block in any thread, with an empty proof if that was pruned.

        ``waiting``: what is in the mempool now.
        """
        self._events = events
        self._log = log
        self._publisher = publisher
        self._params = params
        self._block_bytes = block_bytes
        self._now_waiting = waiting
        self._waiting: set[Txid] = set()
        """What others were told to wait: of blocks' transactions those alone are told to leave."""
        self._changes = 0
        """Of the mempool, as ``sequence`` counts them."""
        self._appended = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell until cancelled."""
        kinds = (ChainChanged, TransactionAdmitted, TransactionGone, CallAnswered, CallReady)
        with self._events.subscribe(*kinds, room=ROOM) as heard:
            self._waiting = set(self._now_waiting())
            task_status.started()
            async for event in heard:
                await self._tell(event)

    async def _tell(self, event: NodeEvent | Missed) -> None:
        match event:
            case Missed():
                self._lost(event.count)
            case ChainChanged():
                await self._chain(event)
            case TransactionAdmitted():
                await self._admitted(event)
            case TransactionGone():
                await self._gone(event)
            case CallAnswered() | CallReady():
                await self._append(words.call(event))

    async def _append(self, said: words.Said) -> None:
        self._log.append(*said)
        self._appended += 1
        if self._appended % AT_ONCE == 0:
            await trio.lowlevel.checkpoint()

    def _publish(self, topic: str, body: bytes) -> None:
        if self._publisher is not None:
            self._publisher.publish(topic, body)

    def _lost(self, count: int) -> None:
        self._log.skip(count)
        if self._publisher is not None:
            self._publisher.skip()
        self._waiting = set(self._now_waiting())

    async def _chain(self, change: ChainChanged) -> None:
        if change.rerooted:
            self._lost(0)
        for block_id, height in change.undone:
            await self._append(words.undone(block_id, height))
            self._publish("sequence", block_id + b"D")
        for one in change.joined:
            await self._append(words.block(one, self._params))
            for said in one.said:
                await self._append(words.said(said, one))
            await self._publish_block(one)

    async def _publish_block(self, one: JoinedBlock) -> None:
        if self._publisher is None:
            return
        self._publish("hashblock", one.block_id)
        self._publish("sequence", one.block_id + b"C")
        for said in one.said:
            if said.answer is not None:
                self._publish("llmresult", said.call_id + answer_bytes(said.answer))
        if not self._publisher.wants(BLOCK_BYTES):
            return
        try:
            whole = await trio.to_thread.run_sync(self._block_bytes, one.block_id)
        except StorageError as error:
            # It may have left the chain again, and been forgotten.
            complain(
                LOG,
                "block_not_published",
                "block {short} is not published: {reason}",
                short=one.block_id.hex()[:16],
                reason=str(error),
            )
            self._publisher.skip()
            return
        self._publish("rawblock", raw_block(whole))
        transactions = decode_body(whole.body, self._params.limits.body_bytes).transactions
        for txid, data in zip(one.txids, transactions, strict=False):
            self._publish("hashtx", txid)
            self._publish("rawtx", data)
            await trio.lowlevel.checkpoint()

    async def _admitted(self, event: TransactionAdmitted) -> None:
        self._waiting.add(event.txid)
        limit = self._params.limits.transaction_bytes
        transaction = decode_transaction(event.data, limit)
        for said in words.waits(transaction, event, self._params):
            await self._append(said)
        self._changes += 1
        self._publish("hashtx", event.txid)
        self._publish("rawtx", event.data)
        self._publish("sequence", event.txid + b"A" + struct.pack("<Q", self._changes))

    async def _gone(self, event: TransactionGone) -> None:
        if event.txid not in self._waiting:
            return
        self._waiting.discard(event.txid)
        await self._append(words.gone(event))
        self._changes += 1
        if event.why is not Departure.INCLUDED:
            self._publish("sequence", event.txid + b"R" + struct.pack("<Q", self._changes))


def raw_block(block: BlockBytes) -> bytes:
    """Header, body and proof, each behind its length as u32 LE."""
    parts = (block.header, block.body, block.proof)
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)
