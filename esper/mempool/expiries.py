"""What expires when."""

import heapq

from esper.primitives.ids import Txid
from esper.vm.transaction import Transaction

_SLACK = 64
"""Outdated heights that are always tolerated."""


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
