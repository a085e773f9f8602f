"""A block that grows transaction by transaction on the parent's state."""

from collections.abc import Callable
from typing import Final

from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution, OpenBlock
from esper.consensus.ports import ChainState
from esper.crypto.signatures import SignatureClaim
from esper.dao.registry import Entry
from esper.vm.context import Answer
from esper.vm.execute import TransactionRun
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay, StateView

BODY_RESERVE: Final = 64 * 1024
"""Bytes of a body left for the work's outputs and the lists around the transactions."""


class BlockDraft:
    """Transactions that fit together, each executed once, and how much room is left.

    No signature is checked: those of what waits were when it was admitted, and the whole block is
    judged when it is submitted.
    """

    def __init__(
        self, chain: ChainContext, state: ChainState, payee: bytes, mined: Entry | None = None
    ) -> None:
        """``mined`` is the entry that the block will be of, the first tier's own if None."""
        self.context = context = chain.execution_context(state, payee, mined=mined)
        """What it is executed in."""
        self._block = OpenBlock(state, chain.tip_work, context)
        self._run = TransactionRun(self._block.view, context)
        self.params = context.params
        """Those in force."""
        self.room = chain.params.limits.body_bytes - BODY_RESERVE
        """Bytes left for transactions and groups."""
        self.transactions: list[Transaction] = []
        """In order of execution."""
        self.answers: list[Answer | None] = []
        """One for each call among them."""

    @property
    def view(self) -> StateView:
        """The state behind what was added."""
        return self._run.view

    def nonce(self, address: bytes) -> int:
        """The next nonce of an address."""
        return Ledger(Overlay(self._run.view)).account(address).nonce

    def has_room(self, transaction: Transaction) -> bool:
        """Whether its bytes fit."""
        return len(transaction.to_bytes()) <= self.room

    def add(
        self,
        transaction: Transaction,
        answer: Answer | None = None,
        judge: Callable[[StateView], None] | None = None,
    ) -> SignatureClaim:
        """Execute a transaction on what is there. Raises a TransactionViolation and adds nothing.

        ``answer`` is for calls; None leaves one open. Its signature must have been checked, or is
        by the claim that comes back. What ``judge`` raises, of the state behind it, adds nothing
        either.
        """
        claim = self._run.offer(transaction, answer, judge)
        self.room -= len(transaction.to_bytes())
        self.transactions.append(transaction)
        if transaction.payload.TAKES_ANSWER:
            self.answers.append(answer)
        return claim

    def close(self) -> BlockExecution:
        """What the block does, once nothing is added any more.

        Raises CoinsViolation or SupplyViolation.
        """
        return self._block.close(self._run.result())
