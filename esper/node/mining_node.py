"""A node that mines: takes transactions in, plans, mines, checks and stores block by block."""

from collections.abc import Callable
from dataclasses import dataclass

from esper.consensus.chain import BlockBytes
from esper.node.chain_manager import Arrival, ChainManager
from esper.node.inbox import Inbox
from esper.node.miner import Clock, MinedBlock, Miner
from esper.node.pending import PendingTransactions, QueueFullError
from esper.node.planner import Planned, Planner
from esper.primitives.transaction_errors import TransactionViolation
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

Refusal = Callable[[bytes, str], None]
"""Told the txid of a transaction that is dropped, and why."""


@dataclass(frozen=True, slots=True)
class NewBlock:
    """A block that the node mined and stored."""

    mined: MinedBlock
    """The block and what it took."""
    planned: Planned
    """What went into it and what did not."""
    arrival: Arrival
    """What it did to the chain."""
    store_ms: int
    """Time of checking it again, all proofs included, and of storing it."""


class MiningNode:
    """Wires queue, planner, miner and chain together; one block at a time."""

    def __init__(
        self,
        manager: ChainManager,
        miner: Miner,
        planner: Planner,
        inbox: Inbox,
        clock: Clock,
        refusal: Refusal,
    ) -> None:
        self._manager = manager
        self._miner = miner
        self._planner = planner
        self._inbox = inbox
        self._clock = clock
        self._refusal = refusal
        self._pending = PendingTransactions(manager.params)
        self._seen: set[bytes] = set()

    @property
    def manager(self) -> ChainManager:
        """The chain."""
        return self._manager

    def submit(self, data: bytes) -> Transaction:
        """Queue a transaction in this process.

        Raises an IsolatedTransactionViolation or QueueFullError.
        """
        return self._pending.add(data)

    def next_block(self) -> NewBlock:
        """Mine until a block is found and stored; a transaction that arrives starts it anew."""
        while True:
            self._take_in()
            chain, state = self._manager.context, self._manager.state
            planned = self._planner.plan(chain, state, self._pending)
            for txid, violation in planned.refused.items():
                self._drop(txid, f"{violation.rule}: {violation}")
            found = self._miner.mine(
                chain, state, self._clock, planned.plan, interrupted=self._something_new
            )
            if found is None:
                continue
            began = self._clock()
            arrival = self._manager.submit(BlockBytes.of(found.block), now_ms=began)
            took = self._clock() - began
            self._clean_up(planned)
            return NewBlock(found, planned, arrival, took)

    def _something_new(self) -> bool:
        return any(txid not in self._seen for txid, _ in self._inbox)

    def _take_in(self) -> None:
        for txid, data in self._inbox:
            self._seen.add(txid)
            try:
                self._pending.add(data)
            except TransactionViolation as violation:
                self._drop(txid, f"{violation.rule}: {violation}")
            except QueueFullError:
                # Seen all the same: what has no place must not start the search anew for ever.
                continue

    def _clean_up(self, planned: Planned) -> None:
        """Drop what the chain has, and what it can never take any more."""
        included = [transaction.txid for transaction in planned.plan.transactions]
        for txid in included:
            self._forget(txid)
        self._planner.settled(included)
        ledger = Ledger(Overlay(self._manager.state))
        height = self._manager.context.height
        for transaction in self._pending:
            if transaction.nonce < ledger.account(transaction.sender).nonce:
                self._drop(transaction.txid, "another transaction has used its nonce")
            elif transaction.expiry <= height:
                self._drop(transaction.txid, f"it was valid up to block {transaction.expiry}")

    def _drop(self, txid: bytes, reason: str) -> None:
        self._refusal(txid, reason)
        self._forget(txid)
        self._planner.settled([txid])

    def _forget(self, txid: bytes) -> None:
        self._pending.remove(txid)
        self._inbox.remove(txid)
        self._seen.discard(txid)
