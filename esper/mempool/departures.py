"""Why transactions left the mempool, remembered for a while."""

import enum
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from esper.primitives.ids import Txid
from esper.vm.transaction import Transaction


class Departure(enum.Enum):
    """Why a transaction waits no more."""

    INCLUDED = "included"
    """A block of the chain has it."""
    REPLACED = "replaced"
    """Another of the same sender and nonce took its place."""
    EVICTED = "evicted"
    """It paid too little to stay in a full mempool."""
    DROPPED = "dropped"
    """It can never be in a block as the chain is now, or what it follows is gone."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is kept of a transaction that is gone: its envelope, of a few bytes."""

    kind: str
    """Name of its payload's kind."""
    sender: bytes
    """33 bytes."""
    nonce: int
    """Of the sender's."""
    fee: int
    """Units."""
    not_before: int
    """The first height that it was valid at."""
    expiry: int
    """The last one."""
    size: int
    """Bytes of the wire."""

    @classmethod
    def of(cls, transaction: Transaction) -> "Outline":
        """The outline of a transaction."""
        return cls(
            kind=transaction.payload.NAME,
            sender=transaction.sender,
            nonce=transaction.nonce,
            fee=transaction.fee,
            not_before=transaction.not_before,
            expiry=transaction.expiry,
            size=len(transaction.to_bytes()),
        )


UNKNOWN: Final = Outline("", b"", 0, 0, 0, 0, 0)
"""Of a transaction that nobody has described."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A transaction that left without being in a block."""

    txid: Txid
    """64 bytes."""
    reason: str
    """A sentence."""
    why: Departure = Departure.DROPPED
    """What became of it."""
    rule: str | None = None
    """Class name of the rule or refusal that says so; None if it is no single one."""
    outline: Outline = UNKNOWN
    """What it was."""
    replaced_by: Txid | None = None
    """The transaction that took its place; None where none did."""


class DropMemory:
    """The last dropped transactions: what they were, and why they were dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._gone: OrderedDict[Txid, Dropped] = OrderedDict()

    def __len__(self) -> int:
        return len(self._gone)

    def copy(self) -> "DropMemory":
        """Another of the same contents, which changes by itself."""
        copied = DropMemory(self._limit)
        copied._gone = self._gone.copy()
        return copied

    def add(self, dropped: Dropped) -> None:
        """Remember one; the oldest is forgotten beyond the limit."""
        self._gone.pop(dropped.txid, None)
        self._gone[dropped.txid] = dropped
        if len(self._gone) > self._limit:
            self._gone.popitem(last=False)

    def forget(self, txid: Txid) -> None:
        """It waits again, or is in a block."""
        self._gone.pop(txid, None)

    def get(self, txid: Txid) -> Dropped | None:
        """What is remembered of a transaction, None if it was not dropped lately."""
        return self._gone.get(txid)

    def reason(self, txid: Txid) -> str | None:
        """Why it was dropped, None if it was not lately."""
        found = self._gone.get(txid)
        return None if found is None else found.reason

    def txids(self) -> list[Txid]:
        """Of all that are remembered, the oldest first."""
        return list(self._gone)
