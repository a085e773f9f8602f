"""Executing a block's transactions on a view of its parent's state.

1. start of the block: credits accrue, unbonded stake is released, unanswered lanes lapse, what the
   DAO has confirmed acts and its proposals go on, the market notes its beacon and drawn height
2. each transaction in order: rules in isolation, rules in context, fee and nonce, its own effect
3. all signatures at once
4. invariant: no coins were made or lost

The coinbase, the beacon and matured rewards are not transactions of this kind: they are the
caller's, before and after.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, NoReturn

from esper.crypto.signatures import SignatureClaim
from esper.primitives.errors.block_errors import CoinsViolation, RejectedTransactionViolation
from esper.primitives.errors.call_errors import AnswerCountViolation
from esper.primitives.errors.transaction_errors import SignatureViolation, TransactionViolation
from esper.vm.context import Answer, ExecutionContext
from esper.vm.credits import totals_at_block
from esper.vm.envelope_rules import charge, check_in_context, check_isolated
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.governance.stepping import begin_block
from esper.vm.lanes import lapse_lanes
from esper.vm.ledger import Ledger
from esper.vm.market.market_start import begin_market
from esper.vm.payload import Inclusion
from esper.vm.receipt import Receipt
from esper.vm.round_outcome import RoundOutcome
from esper.vm.settled_bond import SettledBond
from esper.vm.transaction import Transaction
from esper.vm.view import Change, Overlay, StateView


class ExecutedTransactions(NamedTuple):
    """What a block's transactions do."""

    changes: tuple[Change, ...]
    """Every record that differs afterwards, by ascending path."""
    receipts: tuple[Receipt, ...]
    """One per transaction, in their order."""
    destroyed: int = 0
    """Units of bonds that nobody has any more."""
    settled: tuple[SettledBond, ...] = ()
    """What became of coins that proposals held, in order."""
    rounds: tuple[RoundOutcome, ...] = ()
    """What rounds of hidden sets came to, in order."""
    penalties: tuple[TakenPenalty, ...] = ()
    """What evidence took from gateways, in order."""

    @property
    def fees(self) -> int:
        """Units that the coinbase may claim."""
        return sum(receipt.fee for receipt in self.receipts)

    @property
    def burned(self) -> int:
        """B: micro-credits burned in the block."""
        return sum(receipt.burned for receipt in self.receipts)


class TransactionRun:
    """Transactions of one block, executed one after the other on a view that stays as it is."""

    def __init__(self, view: StateView, context: ExecutionContext) -> None:
        """The start of the block has happened. Raises CreditIssueViolation for a broken state."""
        self._overlay = Overlay(view)
        self._ledger = Ledger(self._overlay)
        self._context = context
        self._receipts: list[Receipt] = []
        start_block(self._ledger, context)

    @property
    def view(self) -> StateView:
        """The state as the next transaction finds it."""
        return self._overlay

    def apply(self, transaction: Transaction, answer: Answer | None = None) -> SignatureClaim:
        """Execute the next transaction; returns the claim left to check.

        Raises a TransactionViolation; the run is of no use afterwards.
        """
        receipt, claim = apply_transaction(transaction, self._ledger, self._context, answer)
        self._receipts.append(receipt)
        return claim

    def offer(
        self,
        transaction: Transaction,
        answer: Answer | None = None,
        judge: Callable[[StateView], None] | None = None,
    ) -> SignatureClaim:
        """The same, but one that raises a TransactionViolation has changed nothing.

        Nor has one on which ``judge`` raises anything, who sees the state behind it.
        """
        above = Overlay(self._overlay)
        ledger = Ledger(above)
        receipt, claim = apply_transaction(transaction, ledger, self._context, answer)
        if judge is not None:
            judge(above)
        self._overlay.absorb(above.changes())
        self._ledger.coins += ledger.coins
        self._ledger.burned += ledger.burned
        self._ledger.settled += ledger.settled
        self._ledger.penalties += ledger.penalties
        self._receipts.append(receipt)
        return claim

    def result(self) -> ExecutedTransactions:
        """What all of them do. Raises CoinsViolation."""
        destroyed = self._ledger.burned
        result = ExecutedTransactions(
            self._overlay.changes(),
            tuple(self._receipts),
            destroyed,
            tuple(self._ledger.settled),
            tuple(self._ledger.rounds),
            tuple(self._ledger.penalties),
        )
        if self._ledger.coins != -result.fees - destroyed:
            raise CoinsViolation(self._ledger.coins, result.fees + destroyed)
        return result


def execute_transactions(
    view: StateView, transactions: Sequence[Transaction], context: ExecutionContext
) -> ExecutedTransactions:
    """Execute decoded transactions; the view stays as it is.

    Raises AnswerCountViolation unless there is one answer per call; RejectedTransactionViolation,
    caused by the broken rule, for the first transaction that breaks one, signatures being looked at
    when all else is in order; CreditIssueViolation or CoinsViolation for a state that was broken
    before.
    """
    calls = sum(transaction.payload.TAKES_ANSWER for transaction in transactions)
    if len(context.answers) != calls:
        raise AnswerCountViolation(len(context.answers), calls)
    answers = iter(context.answers)

    run = TransactionRun(view, context)
    claims: list[SignatureClaim] = []
    for index, transaction in enumerate(transactions):
        answer = next(answers) if transaction.payload.TAKES_ANSWER else None
        try:
            claims.append(run.apply(transaction, answer))
        except TransactionViolation as error:
            _reject(index, transaction, error)

    failed = context.signatures.first_invalid(claims)
    if failed is not None:
        violation = SignatureViolation(transactions[failed].txid)
        _reject(failed, transactions[failed], violation)
    return run.result()


def start_block(ledger: Ledger, context: ExecutionContext) -> None:
    """What happens before the first transaction.

    Credits accrue, unbonded stake is released, lanes lapse, the DAO and the market go on.
    """
    ledger.set_totals(totals_at_block(ledger.totals, context.height, context.params.credits))
    for entry in ledger.take_unbondings(context.height):
        account = ledger.account(entry.owner)
        ledger.set_account(entry.owner, replace(account, balance=account.balance + entry.amount))
    lapse_lanes(context.height, ledger)
    begin_block(ledger, context)
    begin_market(ledger, context)


def apply_transaction(
    transaction: Transaction,
    ledger: Ledger,
    context: ExecutionContext,
    answer: Answer | None = None,
) -> tuple[Receipt, SignatureClaim]:
    """All rules but the signature, and the effect; returns the receipt and the claim left to check.

    ``answer`` is for calls: None leaves one open. Raises a TransactionViolation; some of the effect
    may then be in the ledger, so use one on an overlay that can be dropped.
    """
    check_isolated(transaction)
    claim = check_in_context(transaction, ledger, context)
    charge(transaction, ledger)
    txid = transaction.txid
    inclusion = Inclusion(txid, answer)
    effect = transaction.payload.apply(transaction.sender, ledger, context, inclusion)
    receipt = Receipt(
        kind=transaction.kind,
        txid=txid,
        sender=transaction.sender,
        fee=transaction.fee,
        burned=effect.burned,
        locked=effect.locked,
        paid_tokens=effect.paid_tokens,
        own=int((effect.payer or transaction.sender) == context.payee),
    )
    return receipt, claim


def _reject(index: int, transaction: Transaction, violation: TransactionViolation) -> NoReturn:
    raise RejectedTransactionViolation(
        index, transaction.txid, violation.rule, str(violation)
    ) from violation
