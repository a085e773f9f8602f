"""A sender as its waiting transactions leave it.

What others do meanwhile can only help: they may give the sender units and credits, and make
accounts that it pays to. So one sender's line is judged by itself, and stays valid in any mixture.
"""

from dataclasses import replace
from typing import TypeVar, cast

from esper.crypto.signatures import SignatureClaim
from esper.dao.snapshot import Voter
from esper.mempool.lines.next_block import NextBlock
from esper.primitives.codec import Record
from esper.primitives.ids import BlockId, Txid
from esper.vm.envelope_rules import charge, check_in_context
from esper.vm.governance.dao_ledger import NO_VOTER
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion
from esper.vm.records import (
    NO_ACCOUNT,
    Account,
    CreditTotals,
    KnownKey,
    Lane,
    Unbonding,
    voter_path,
)
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

R = TypeVar("R")
_EXISTS = Account(balance=1)
"""Stands for an account that an earlier transaction of the sender makes."""


class Projection:
    """A sender's account after some transactions on the next block's state. It changes."""

    __slots__ = ("_created", "_key", "_voter", "account", "sender", "tip_id")

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
        self._voter: Voter | None = None
        """What it would have told the DAO and noted for it, None if that is as in the state."""

    def outdate(self) -> None:
        """Some of its transactions are gone: it has to be made anew before it is used."""
        self.tip_id = BlockId(b"")

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
        ledger = _SenderLedger(
            next_block, self.sender, account, self._key, self._created, self._voter
        )
        return check_in_context(transaction, ledger, context)

    def apply(self, transaction: Transaction, next_block: NextBlock) -> None:
        """Let a transaction that was checked happen, a call with its longest answer."""
        ledger = _OwnEffects(
            next_block, self.sender, self.account, self._key, self._created, self._voter
        )
        charge(transaction, ledger)
        inclusion = Inclusion(transaction.txid)
        transaction.payload.apply(self.sender, ledger, next_block.context, inclusion)
        self.account, self._key = ledger.sender_account, ledger.key
        self._voter = ledger.voter


class _SenderLedger(Ledger):
    """A ledger to read, in which the sender's own transactions have happened."""

    __slots__ = ("_created", "_next", "_sender", "_voter_path", "key", "sender_account", "voter")

    def __init__(
        self,
        next_block: NextBlock,
        sender: bytes,
        account: Account,
        key: KnownKey | None,
        created: set[bytes],
        voter: Voter | None,
    ) -> None:
        super().__init__(Overlay(next_block))
        self._next = next_block
        self._sender = sender
        self.sender_account = account
        """The sender's."""
        self.key = key
        """The sender's, where a waiting transaction carries it."""
        self._created = created
        self.voter = voter
        """The sender's, where something that waits has changed it."""
        self._voter_path = voter_path(sender)

    def read(self, codec: Record[R], path: bytes) -> R | None:
        if path == self._voter_path and self.voter is not None:
            return cast(R, self.voter)
        return super().read(codec, path)

    def write(self, codec: Record[R], path: bytes, value: R | None) -> None:
        if path == self._voter_path:
            self.voter = NO_VOTER if value is None else cast(Voter, value)
        super().write(codec, path, value)

    @property
    def totals(self) -> CreditTotals:
        return self._next.totals

    def account(self, address: bytes) -> Account:
        if address == self._sender:
            return self.sender_account
        found = super().account(address)
        return _EXISTS if found == NO_ACCOUNT and address in self._created else found

    def known_key(self, address: bytes) -> KnownKey | None:
        return self.key or super().known_key(address)


class _OwnEffects(_SenderLedger):
    """A ledger in which a transaction happens for its sender alone.

    What it does to others is not looked up: a payment to hundreds of accounts reads none of them.
    What comes due at a later height is for the block there, and the limits on it are the block's.
    """

    __slots__ = ()

    def account(self, address: bytes) -> Account:
        return self.sender_account if address == self._sender else _EXISTS

    def set_account(self, address: bytes, account: Account) -> None:
        if address == self._sender:
            self.sender_account = account
        else:
            self._created.add(address)

    def set_known_key(self, address: bytes, key: KnownKey) -> None:
        self.key = key

    def set_totals(self, totals: CreditTotals) -> None:
        """The next block's stay."""

    def add_unbonding(self, height: int, entry: Unbonding) -> None:
        """Not the sender's before ``height``."""

    def lanes_due(self, height: int) -> int:
        return 0

    def add_lane(self, call_id: Txid, lane: Lane) -> None:
        """Its credits are off the sender's account."""
