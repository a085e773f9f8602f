"""A sender as its waiting transactions leave it.

What others do meanwhile can only help: they may give the sender units and credits, and make
accounts that it pays to. So one sender's line is judged by itself, and stays valid in any mixture.
"""

from dataclasses import replace

from esper.crypto.signatures import SignatureClaim
from esper.mempool.next_block import NextBlock
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.credits import given, settled, taken
from esper.vm.envelope_rules import check_in_context
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.records import Account, CreditTotals, KnownKey
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.vm.view import Overlay

_EXISTS = Account(balance=1)
"""Stands for an account that an earlier transaction of the sender makes."""


class Projection:
    """A sender's account after some transactions on the next block's state. It changes."""

    __slots__ = ("_created", "_key", "account", "sender", "tip_id")

    def __init__(self, sender: bytes, next_block: NextBlock, key: KnownKey | None = None) -> None:
        """Before the first of them; ``key`` is the sender's if one that waits carries it."""
        self.sender = sender
        """33 bytes."""
        self.account = Ledger(Overlay(next_block)).account(sender)
        """What it would hold."""
        self.tip_id = next_block.tip_id
        """64 bytes: the tip that it stands on, empty if it is outdated whatever the tip. The state
        itself is not kept alive."""
        self._key = key
        self._created: set[bytes] = set()

    def outdate(self) -> None:
        """Some of its transactions are gone: it has to be made anew before it is used."""
        self.tip_id = b""

    def before_all(self, next_block: NextBlock) -> "Projection":
        """The sender without its waiting transactions, its key apart."""
        return Projection(self.sender, next_block, self._key)

    def check(
        self, transaction: Transaction, next_block: NextBlock, *, beyond_gap: bool = False
    ) -> SignatureClaim:
        """The rules in context; returns the claim that is left to check.

        The window is not judged: a transaction may wait for its beginning. ``beyond_gap`` takes the
        nonce as it is. Raises a TransactionViolation.
        """
        account = self.account
        if beyond_gap:
            account = replace(account, nonce=transaction.nonce)
        context = next_block.context
        if transaction.not_before > context.height:
            context = replace(context, height=transaction.not_before)
        ledger = _SenderLedger(next_block, self.sender, account, self._key, self._created)
        return check_in_context(transaction, ledger, context)

    def apply(self, transaction: Transaction, next_block: NextBlock) -> None:
        """Let a transaction that was checked happen, a call with its longest answer."""
        account, payload, sender = self.account, transaction.payload, self.sender
        match payload:
            case Transfer():
                kept = sum(o.amount for o in payload.outputs if o.receiver == sender)
                account = replace(account, balance=account.balance - payload.outlay + kept)
                self._created.update(output.receiver for output in payload.outputs)
            case Stake():
                account, _ = settled(account, next_block.totals)
                account = replace(
                    account,
                    balance=account.balance - payload.amount,
                    stake=account.stake + payload.amount,
                )
            case Unstake():
                account, _ = settled(account, next_block.totals)
                account = replace(account, stake=account.stake - payload.amount)
            case CreditTransfer():
                account, portions = taken(settled(account, next_block.totals)[0], payload.amount)
                if payload.receiver == sender:
                    account = given(account, portions)
                self._created.add(payload.receiver)
            case LlmCall():
                account, _ = taken(settled(account, next_block.totals)[0], payload.reserve)
        self.account = replace(
            account, nonce=account.nonce + 1, balance=account.balance - transaction.fee
        )
        if transaction.key:
            self._key = KnownKey(transaction.suite, transaction.key)


class _SenderLedger(Ledger):
    """A ledger to read, in which the sender's own transactions have happened."""

    __slots__ = ("_account", "_created", "_key", "_next", "_sender")

    def __init__(
        self,
        next_block: NextBlock,
        sender: bytes,
        account: Account,
        key: KnownKey | None,
        created: set[bytes],
    ) -> None:
        super().__init__(Overlay(next_block))
        self._next = next_block
        self._sender = sender
        self._account = account
        self._key = key
        self._created = created

    @property
    def totals(self) -> CreditTotals:
        return self._next.totals

    def account(self, address: bytes) -> Account:
        if address == self._sender:
            return self._account
        return _EXISTS if address in self._created else super().account(address)

    def known_key(self, address: bytes) -> KnownKey | None:
        return self._key or super().known_key(address)
