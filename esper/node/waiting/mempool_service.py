"""The mempool beside the chain: admission, what a change of chain does, and its journal.

Everything that is admitted is in the journal before anybody is told so; everything that leaves is
told to whoever keeps something for it.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from esper.consensus.block import decode_body
from esper.consensus.block_isolation import read_content
from esper.consensus.header import decode_header
from esper.mempool.call_queue import CallBudget, CallPolicy, MeasuredSpeed
from esper.mempool.errors import CallAnsweredError
from esper.mempool.journal import JournalError, Kept, MempoolJournal
from esper.mempool.memory import Departure, Dropped
from esper.mempool.pool import Admission, Mempool
from esper.node.calls.call_book import CallsWorkedFor
from esper.node.chain.chain_manager import Arrival, ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.events import Events, TransactionAdmitted, TransactionGone
from esper.node.waiting.mempool_start import take_up
from esper.primitives.params import NetworkParameters
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction, decode_transaction

LOG: Final = logging.getLogger("esper.mempool")
CANDIDATES: Final = 2_000
"""Transactions looked at for one template: a few times what a body holds."""
BLOCKS_AHEAD: Final = 2
"""Calls are answered for so many blocks."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A transaction that waits."""

    txid: bytes
    """64 bytes."""
    replaced: bytes | None
    """64 bytes: the transaction whose place it took."""


class MempoolService:
    """One mempool, kept in step with one chain."""

    def __init__(
        self,
        chain: ChainService,
        mempool: Mempool,
        journal: MempoolJournal,
        params: NetworkParameters,
        clock: Clock,
        calls: CallPolicy,
        worked_for: CallsWorkedFor,
        events: Events,
    ) -> None:
        """Calls that are ``worked_for`` are not replaced; ``events`` tell what waits or left."""
        self._chain = chain
        self.pool = mempool
        """For reading; it changes on the event loop, while the chain stands still."""
        self._journal = journal
        self._params = params
        self._clock = clock
        self._calls = calls
        self.speed = MeasuredSpeed()
        """What this machine was measured to do."""
        self._worked_for = worked_for
        self._events = events

    def load(self, manager: ChainManager) -> int:
        """Take in what waited before, as far as it is still valid; how many. Call it once.

        That is what the journal kept, and what blocks beside the chain hold: see ``mempool_start``.
        """
        take_up(self.pool, self._journal, manager, now_ms=self._clock())
        self._compact()
        return len(self.pool)

    async def submit(self, data: bytes) -> "Taken":
        """Take a transaction in. Raises a TransactionViolation or PolicyError."""
        transaction = decode_transaction(data, self._params.limits.transaction_bytes)
        async with self._chain.reading() as manager:
            known = transaction.txid in self.pool
            now_ms = self._clock()
            self._check_not_held(transaction)
            admission = self.pool.add(transaction, manager.state, manager.context, now_ms=now_ms)
            if not known:
                self._keep(data, manager.context.height, now_ms)
                self._compact_if_worth()
        self._tell_gone([gone_as(one) for one in admission.gone])
        if not known:
            LOG.info("%s %s waits", type(transaction.payload).__name__, transaction.txid.hex()[:16])
            self._tell_admitted(transaction.txid, data, admission)
        return Taken(transaction.txid, admission.replaced)

    def chain_changed(self, manager: ChainManager, arrival: Arrival) -> None:
        """Drop what the chain has or can never take; take back what it gave up."""
        included: list[Transaction] = []
        for block_id in arrival.applied:
            included += self._transactions(manager, block_id)
        ids = {transaction.txid for transaction in included}
        returned = [
            transaction
            for block_id in reversed(arrival.undone)
            for transaction in self._transactions(manager, block_id)
            if transaction.txid not in ids
        ]
        dropped = self.pool.on_chain_change(
            manager.state,
            manager.context,
            included=ids,
            returned=returned,
            # Where blocks were undone, anybody may have less than before. Where credits lapse, the
            # pool knows who uses any: to judge all of it takes seconds.
            touched=None if arrival.undone else {one.sender for one in included},
            now_ms=self._clock(),
        )
        waiting = [one for one in returned if one.txid in self.pool]
        for transaction in waiting:
            self._keep(transaction.to_bytes(), manager.context.height, self._clock())
        for drop in dropped:
            LOG.info("transaction %s dropped: %s", drop.txid.hex()[:16], drop.reason)
        included_now = (TransactionGone(txid, Departure.INCLUDED) for txid in ids)
        self._tell_gone([*included_now, *(gone_as(drop) for drop in dropped)])
        self._compact_if_worth()
        for transaction in waiting:
            self._tell_admitted(transaction.txid, transaction.to_bytes(), Admission())

    def selection(
        self, height: int, answered: Collection[bytes] | None = None
    ) -> list[Transaction]:
        """What a block at ``height`` may hold, in an order that respects everybody's nonces.

        Of calls those alone whose txids are ``answered``, all if it is None: calls go first, and
        thousands that no answer is there for would leave no room for what pays fees.
        """
        rows = self._params.limits.body_bytes
        unlimited = CallBudget(rows=rows, rows_per_call=1, answered=answered)
        return list(islice(self.pool.select(height, unlimited), CANDIDATES))

    def next_calls(
        self, height: int, taken: frozenset[bytes], declined: frozenset[bytes] = frozenset()
    ) -> list[Transaction]:
        """Calls worth answering for the next blocks, the best first, but those ``taken``.

        ``declined`` are left to others, and what their senders sent behind them with them.
        """
        rules = self._params.calls
        budget = CallBudget(
            rows=rules.rows_per_group * rules.groups_per_block * BLOCKS_AHEAD,
            rows_per_call=rules.rows_per_call,
            policy=self._calls,
            speed=self.speed,
            models=(self._params.model.model_id,),
            declined=declined,
        )
        chosen = islice(self.pool.select(height, budget), CANDIDATES)
        return [
            found
            for found in chosen
            if isinstance(found.payload, LlmCall) and found.txid not in taken
        ]

    def observe_answer(self, tokens: int, ms: int) -> None:
        """So many tokens were answered in so much time."""
        self.speed.observe_answer(tokens, ms)

    def observe_proof(self, rows: int, ms: int) -> None:
        """So many rows were proven in so much time."""
        self.speed.observe_proof(rows, ms)

    def close(self) -> None:
        """Write the journal anew and close it."""
        self._compact()
        self._journal.close()

    def _transactions(self, manager: ChainManager, block_id: bytes) -> list[Transaction]:
        limits = self._params.limits
        data = manager.block(block_id)
        header = decode_header(data.header, limits.header_bytes)
        body = decode_body(data.body, limits.body_bytes)
        return list(read_content(body, header.pre, limits).transactions)

    def _check_not_held(self, new: Transaction) -> None:
        """What is replaced leaves, and what follows it may: no call among it may be held.

        A block takes the call that was answered as well as another, but a group of proven calls is
        lost if one of them leaves, and replacing costs nothing. Raises CallAnsweredError.
        """
        line = self.pool.pending_of(new.sender)
        old = next((one for one in line if one.nonce == new.nonce), None)
        if old is None or old.txid == new.txid:
            return
        for one in line:
            if one.nonce >= new.nonce and self._worked_for.works_for(one.txid):
                raise CallAnsweredError(one.nonce)

    @property
    def _waiting_bytes(self) -> int:
        numbers = self.pool.statistics()
        return numbers.fee_bytes + numbers.call_bytes

    def _keep(self, data: bytes, height: int, now_ms: int) -> None:
        try:
            self._journal.append(data, height, now_ms)
        except JournalError as error:
            LOG.error("%s", error)

    def _compact_if_worth(self) -> None:
        if self._journal.is_worth_rewriting(self._waiting_bytes):
            self._compact()

    def _compact(self) -> None:
        kept = (Kept(one.to_bytes(), height, ms) for one, height, ms in self.pool.kept())
        try:
            self._journal.rewrite(kept)
        except JournalError as error:
            LOG.error("%s", error)

    def _tell_gone(self, gone: Sequence[TransactionGone]) -> None:
        """On the event loop's thread. Work for them ends before anybody hears of it."""
        self._worked_for.settled(one.txid for one in gone)
        for one in gone:
            self._events.publish(one)

    def _tell_admitted(self, txid: bytes, data: bytes, admission: Admission) -> None:
        """On the event loop's thread."""
        self._events.publish(TransactionAdmitted(txid, data, admission.replaced, admission.evicted))


def gone_as(dropped: Dropped) -> TransactionGone:
    """What is told of a transaction that left without being in a block."""
    return TransactionGone(dropped.txid, dropped.why, dropped.rule, dropped.reason)
