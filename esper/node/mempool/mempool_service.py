"""The mempool beside the chain: admission, what a change of chain does, and its journal.

Everything that is admitted is in the journal before anybody is told so; everything that leaves is
told to whoever keeps something for it.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

import trio

from esper.consensus.context import ChainContext
from esper.mempool.call_queue import CallBudget, CallPolicy, MeasuredSpeed
from esper.mempool.departures import Departure, Dropped
from esper.mempool.errors import CallAnsweredError, PolicyError
from esper.mempool.journal import JournalError, Kept, MempoolJournal
from esper.mempool.pool import Admission, Mempool, Prepared
from esper.mempool.verdict import Outcome, Verdict
from esper.node.calls.call_book import CallsWorkedFor
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.clock import Clock
from esper.node.events import Events, TransactionAdmitted, TransactionGone
from esper.node.mempool.mempool_start import InChain, nothing_known, take_up
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import ModelId, Txid
from esper.primitives.params import NetworkParameters
from esper.saying import complain, say, warn
from esper.storage.errors import StorageError
from esper.vm.llm_call import LlmCall
from esper.vm.records import account_path
from esper.vm.transaction import Transaction, decode_transaction

LOG: Final = logging.getLogger("esper.mempool")
JOURNAL_FILE: Final = "mempool.dat"
"""In the data directory: what waits, also while no node runs."""
CANDIDATES: Final = 2_000
"""Transactions looked at for one template: a few times what a body holds."""
BLOCKS_AHEAD: Final = 2
"""Calls are answered for so many blocks."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A transaction that waits."""

    txid: Txid
    """64 bytes."""
    replaced: Txid | None
    """64 bytes: the transaction whose place it took."""
    new: bool = True
    """Whether it did not wait before."""


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
        """For reading on the event loop, where alone it changes, while the chain stands still."""
        self._journal = journal
        self._params = params
        self._clock = clock
        self._calls = calls
        self.speed = MeasuredSpeed()
        """What this machine was measured to do."""
        self._worked_for = worked_for
        self._events = events

    def load(self, manager: ChainManager, in_chain: InChain = nothing_known) -> int:
        """Take in what waited before, as far as it is still valid; how many. Call it once.

        That is what the journal kept, and what blocks beside the chain hold: see ``mempool_start``.
        """
        take_up(self.pool, self._journal, manager, now_ms=self._clock(), in_chain=in_chain)
        self._compact(self.pool.kept())
        return len(self.pool)

    async def admit(self, data: bytes) -> Verdict:
        """Take in what a peer sent; a refusal is an answer.

        A txid that waits already stays as it is, whatever signature comes with it.
        """
        try:
            transaction = decode_transaction(data, self._params.limits.transaction_bytes)
        except TransactionViolation as violation:
            return Verdict.of_refusal(violation)
        try:
            taken = await self._take(transaction, data, None)
        except (TransactionViolation, PolicyError) as refusal:
            return Verdict.of_refusal(refusal, transaction.txid)
        return Verdict(Outcome.ACCEPTED if taken.new else Outcome.KNOWN, transaction.txid)

    def by_prefix(self, prefix: bytes) -> bytes | None:
        """What waits and is named by the first 16 bytes of its wtxid, None if nothing is."""
        return self.pool.by_prefix(prefix)

    async def submit(self, data: bytes, replaces: Collection[Txid] | None = None) -> Taken:
        """Take a transaction in; ``replaces`` are the only ones whose place it may take, None: any.

        Raises a TransactionViolation or PolicyError.
        """
        transaction = decode_transaction(data, self._params.limits.transaction_bytes)
        return await self._take(transaction, data, replaces)

    async def _take(
        self, transaction: Transaction, data: bytes, replaces: Collection[Txid] | None
    ) -> Taken:
        async with self._chain.standing_still() as view:
            known = transaction.txid in self.pool
            now_ms = self._clock()
            self._check_not_held(transaction)
            admission = self.pool.add(
                transaction, view.state, view.context, now_ms=now_ms, replaces=replaces
            )
            if not known:
                self._keep(data, view.context.height, now_ms)
                if self._is_worth_compacting():
                    await trio.to_thread.run_sync(self._compact, self.pool.kept())
        self._tell_gone([gone_as(one) for one in admission.gone])
        if not known:
            say(
                LOG,
                "transaction_waits",
                "{kind} {short} waits",
                kind=transaction.payload.NAME,
                short=transaction.txid.hex()[:16],
                txid=transaction.txid.hex(),
            )
            self._tell_admitted(transaction.txid, data, admission)
        return Taken(transaction.txid, admission.replaced, not known)

    def prepare(self, change: ChainChange) -> Commit:
        """Drop what the chain has or can never take; take back what it gave up."""
        arrival, view, now_ms = change.arrival, change.view, self._clock()
        ids: set[Txid] = set()
        senders: set[bytes] = set()
        # Block by block: those of a long branch do not fit into memory together.
        for block_id in arrival.applied:
            for one in change.content(block_id).content.transactions:
                ids.add(one.txid)
                senders.add(one.sender)
        returned = self._given_back(change, ids)
        # Blocks make nobody poorer but those who sent something, unless others are undone for them.
        touched: Collection[bytes] | None = arrival.touched
        if arrival.rerooted:
            touched = None
        elif not arrival.undone:
            touched = {account_path(sender) for sender in senders}
        prepared = self.pool.prepared(
            view.state,
            view.context,
            included=ids,
            returned=returned,
            touched=touched,
            now_ms=now_ms,
        )
        waiting = [one for one in returned if one.txid in prepared]
        for transaction in waiting:
            self._keep(transaction.to_bytes(), view.context.height, now_ms)
        if self._journal.is_worth_rewriting(prepared.counted_bytes):
            self._compact(prepared.kept())
        for drop in prepared.dropped:
            say(
                LOG,
                "transaction_dropped",
                "transaction {short} waits no longer: {reason}",
                short=drop.txid.hex()[:16],
                txid=drop.txid.hex(),
                reason=drop.reason,
            )
        return partial(self._put_in_place, prepared, ids, waiting)

    def _given_back(self, change: ChainChange, included: Collection[Txid]) -> list[Transaction]:
        """What the blocks that left held and the new ones lack, the lowest blocks first.

        As much as the mempool has room for at all: their senders have the rest.
        """
        numbers = self.pool.statistics()
        room = numbers.fee_limit + numbers.call_limit
        found: list[Transaction] = []
        for block_id in reversed(change.arrival.undone):
            try:
                held = change.content(block_id).content.transactions
            except StorageError as error:
                # A chain that could not move for this would be worse.
                complain(
                    LOG,
                    "block_unreadable",
                    "what block {short} held does not wait again: {reason}",
                    short=block_id.hex()[:16],
                    block=block_id.hex(),
                    reason=str(error),
                )
                continue
            for one in held:
                if one.txid in included:
                    continue
                room -= len(one.to_bytes())
                if room < 0:
                    warn(
                        LOG,
                        "no_room_for_returned",
                        "the blocks that left the chain held more than the mempool has room for; "
                        "what does not fit its senders have to send again",
                    )
                    return found
                found.append(one)
        return found

    def _put_in_place(
        self, prepared: Prepared, included: Collection[Txid], returned: Sequence[Transaction]
    ) -> None:
        self.pool.put_in_place(prepared)
        in_blocks = (TransactionGone(txid, Departure.INCLUDED) for txid in included)
        self._tell_gone([*in_blocks, *map(gone_as, prepared.dropped)])
        for transaction in returned:
            self._tell_admitted(transaction.txid, transaction.to_bytes(), Admission())

    def selection(self, height: int, answered: Collection[Txid] | None = None) -> list[Transaction]:
        """What a block at ``height`` may hold, in an order that respects everybody's nonces.

        Of calls those alone whose txids are ``answered``, all if it is None: calls go first, and
        thousands that no answer is there for would leave no room for what pays fees.
        """
        rows = self._params.limits.body_bytes
        unlimited = CallBudget(rows=rows, rows_per_call=1, answered=answered)
        return list(islice(self.pool.select(height, unlimited), CANDIDATES))

    async def listing(self, height: int) -> list[Transaction]:
        """``selection`` of everything, in a thread: a full mempool takes tens of milliseconds."""
        # As other readers: however many ask, blocks find a thread.
        return await self._chain.in_thread(lambda _: self.selection(height))

    async def next_calls(
        self,
        chain: ChainContext,
        taken: frozenset[Txid],
        declined: frozenset[Txid] = frozenset(),
        models: Collection[ModelId] | None = None,
    ) -> list[Transaction]:
        """Calls worth answering for the blocks after a chain, the best first, but those ``taken``.

        ``declined`` are left to others, and what their senders sent behind them with them; so are
        calls to other ``models`` than these. They are chosen in a thread; all of them wait when
        this returns.
        """
        rules = self.pool.params.calls
        budget = CallBudget(
            rows=rules.rows_per_group * rules.groups_per_block * BLOCKS_AHEAD,
            rows_per_call=rules.rows_per_call,
            policy=self._calls,
            speed=self.speed,
            models=models,
            declined=declined,
        )
        found = await trio.to_thread.run_sync(self._calls_of, chain.height + 1, budget)
        return [one for one in found if one.txid not in taken and one.txid in self.pool]

    def _calls_of(self, height: int, budget: CallBudget) -> list[Transaction]:
        chosen = islice(self.pool.select(height, budget), CANDIDATES)
        return [one for one in chosen if isinstance(one.payload, LlmCall)]

    def observe_answer(self, tokens: int, ms: int) -> None:
        """So many tokens were answered in so much time."""
        self.speed.observe_answer(tokens, ms)

    def observe_proof(self, rows: int, ms: int) -> None:
        """So many rows were proven in so much time."""
        self.speed.observe_proof(rows, ms)

    def close(self) -> None:
        """Write the journal anew and close it."""
        self._compact(self.pool.kept())
        self._journal.close()

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

    def _keep(self, data: bytes, height: int, now_ms: int) -> None:
        try:
            self._journal.append(data, height, now_ms)
        except JournalError as error:
            complain(LOG, "journal_failed", "{reason}", reason=str(error))

    def _is_worth_compacting(self) -> bool:
        numbers = self.pool.statistics()
        return self._journal.is_worth_rewriting(numbers.fee_bytes + numbers.call_bytes)

    def _compact(self, waiting: Iterable[tuple[Transaction, int, int]]) -> None:
        kept = (Kept(one.to_bytes(), height, ms) for one, height, ms in waiting)
        try:
            self._journal.rewrite(kept)
        except JournalError as error:
            complain(LOG, "journal_failed", "{reason}", reason=str(error))

    def _tell_gone(self, gone: Sequence[TransactionGone]) -> None:
        """On the event loop's thread. Work for them ends before anybody hears of it."""
        self._worked_for.settled(one.txid for one in gone)
        for one in gone:
            self._events.publish(one)

    def _tell_admitted(self, txid: Txid, data: bytes, admission: Admission) -> None:
        """On the event loop's thread."""
        self._events.publish(TransactionAdmitted(txid, data, admission.replaced, admission.evicted))


def gone_as(dropped: Dropped) -> TransactionGone:
    """What is told of a transaction that left without being in a block."""
    return TransactionGone(dropped.txid, dropped.why, dropped.rule, dropped.reason)
