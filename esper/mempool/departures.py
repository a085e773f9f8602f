"""Why transactions left the mempool, remembered for a while."""

import enum
from collections import OrderedDict
from dataclasses import dataclass

from esper.primitives.ids import Txid


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


class DropMemory:
    """Why the last dropped transactions were dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._reasons: OrderedDict[Txid, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._reasons)

    def copy(self) -> "DropMemory":
        """Another of the same contents, which changes by itself."""
        copied = DropMemory(self._limit)
        copied._reasons = self._reasons.copy()
        return copied

    def add(self, dropped: Dropped) -> None:
        """Remember one; the oldest is forgotten beyond the limit."""
        self._reasons.pop(dropped.txid, None)
        self._reasons[dropped.txid] = dropped.reason
        if len(self._reasons) > self._limit:
            self._reasons.popitem(last=False)

    def forget(self, txid: Txid) -> None:
        """It waits again, or is in a block."""
        self._reasons.pop(txid, None)

    def reason(self, txid: Txid) -> str | None:
        """Why it was dropped, None if it was not lately."""
        return self._reasons.get(txid)
