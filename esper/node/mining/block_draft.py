"""A block that grows transaction by transaction on the parent's state."""

from typing import Final

from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState
from esper.vm.context import Answer, ExecutionContext
from esper.vm.envelope_rules import check_in_context, check_isolated, check_signature
from esper.vm.execute import apply_transaction, start_block
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

BODY_RESERVE: Final = 64 * 1024
"""Bytes of a body left for the work's outputs and the lists around the transactions."""


class BlockDraft:
    """Transactions that fit together, and how much room is left."""

    def __init__(self, chain: ChainContext, state: ChainState, payee: bytes) -> None:
        self._context: ExecutionContext = chain.execution_context(payee)
        self._overlay = Overlay(state)
        self.room = chain.params.limits.body_bytes - BODY_RESERVE
        """Bytes left for transactions and groups."""
        self.transactions: list[Transaction] = []
        """In order of execution."""
        self.answers: list[Answer | None] = []
        """One for each call among them."""
        start_block(Ledger(self._overlay), self._context)

    def nonce(self, address: bytes) -> int:
        """The next nonce of an address."""
        return Ledger(self._overlay).account(address).nonce

    def has_room(self, transaction: Transaction) -> bool:
        """Whether its bytes fit."""
        return len(transaction.to_bytes()) <= self.room

    def check(self, transaction: Transaction) -> None:
        """All that can be judged before a call is answered. Raises a TransactionViolation."""
        check_isolated(transaction)
        ledger = Ledger(Overlay(self._overlay))
        check_signature(transaction, check_in_context(transaction, ledger, self._context))

    def add(self, transaction: Transaction, answer: Answer | None = None) -> None:
        """Execute a transaction on what is there. Raises a TransactionViolation and adds nothing.

        ``answer`` is for calls; None leaves one open. Its signature must have been checked.
        """
        below = Overlay(self._overlay)
        apply_transaction(transaction, Ledger(below), self._context, answer)
        self._overlay.absorb(below.changes())
        self.room -= len(transaction.to_bytes())
        self.transactions.append(transaction)
        if transaction.payload.TAKES_ANSWER:
            self.answers.append(answer)
