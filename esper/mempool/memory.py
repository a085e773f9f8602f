"""Small indexes beside the lines: what is coming to whom, what expires when, what was dropped."""

import enum
import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass

from esper.primitives.ids import Txid
from esper.primitives.params import NetworkParameters
from esper.vm.records import account_path
from esper.vm.transaction import Transaction

_SLACK = 64
"""Outdated heights that are always tolerated."""


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


class Expiries:
    """Transactions by their last height."""

    def __init__(self) -> None:
        self._at: dict[int, set[Txid]] = {}
        self._heights: list[int] = []

    def copy(self) -> "Expiries":
        """Another of the same contents, which changes by itself."""
        copied = Expiries()
        copied._at = {height: txids.copy() for height, txids in self._at.items()}
        copied._heights = self._heights.copy()
        return copied

    def add(self, transaction: Transaction) -> None:
        """Count one."""
        height = transaction.expiry
        if height not in self._at:
            self._at[height] = set()
            heapq.heappush(self._heights, height)
        self._at[height].add(transaction.txid)

    def remove(self, transaction: Transaction) -> None:
        """Count it no longer."""
        txids = self._at.get(transaction.expiry, set())
        txids.discard(transaction.txid)
        if not txids:
            self._at.pop(transaction.expiry, None)
        if len(self._heights) > 2 * len(self._at) + _SLACK:
            self._heights = sorted(self._at)

    def take_before(self, height: int) -> list[Txid]:
        """The txids that are no longer valid at ``height``."""
        gone: list[Txid] = []
        while self._heights and self._heights[0] < height:
            gone += sorted(self._at.pop(heapq.heappop(self._heights), ()))
        return gone


class Incoming:
    """What waiting transfers bring to whom, and which of them need the receiver's account."""

    def __init__(self, params: NetworkParameters) -> None:
        self._params = params
        self._dust = params.limits.dust
        self._credit_dust = params.credits.starting_allowance
        self._units: Counter[bytes] = Counter()
        self._needed_by: dict[bytes, set[Txid]] = {}
        self._needed_at: dict[bytes, bytes] = {}

    def copy(self) -> "Incoming":
        """Another of the same contents, which changes by itself."""
        copied = Incoming(self._params)
        copied._units = self._units.copy()
        copied._needed_by = {address: txids.copy() for address, txids in self._needed_by.items()}
        copied._needed_at = self._needed_at.copy()
        return copied

    def units(self, address: bytes) -> int:
        """Units that waiting transfers bring to an address."""
        return self._units.get(address, 0)

    def needed_at(self, path: bytes) -> bytes | None:
        """The address with this account path if some transaction needs its account."""
        return self._needed_at.get(path)

    def needed_by(self, address: bytes) -> list[Txid]:
        """Txids that are invalid if the address has no account: they bring it less than dust."""
        return sorted(self._needed_by.get(address, ()))

    def add(self, transaction: Transaction) -> None:
        """Count a transaction."""
        for receiver in self._small(transaction):
            if receiver not in self._needed_by:
                self._needed_by[receiver] = set()
                self._needed_at[account_path(receiver)] = receiver
            self._needed_by[receiver].add(transaction.txid)
        for output in transaction.payload.payments:
            self._units[output.receiver] += output.amount

    def remove(self, transaction: Transaction) -> None:
        """Count it no longer."""
        for receiver in self._small(transaction):
            needed = self._needed_by.get(receiver, set())
            needed.discard(transaction.txid)
            if not needed and self._needed_by.pop(receiver, None) is not None:
                del self._needed_at[account_path(receiver)]
        for output in transaction.payload.payments:
            self._units[output.receiver] -= output.amount
            if not self._units[output.receiver]:
                del self._units[output.receiver]

    def _small(self, transaction: Transaction) -> list[bytes]:
        payload = transaction.payload
        units = [one.receiver for one in payload.payments if one.amount < self._dust]
        return units + [one.receiver for one in payload.gifts if one.amount < self._credit_dust]
