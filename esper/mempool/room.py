"""How much room a pool has, and who leaves when it has none.

A sender's transactions go in the order of their nonces, so the last one leaves first, and a line is
worth what the cheapest of it offers: one well-paid transaction behind 31 poor ones keeps nobody
else out.
"""

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from esper.mempool.lines.sender_line import SenderLine
from esper.mempool.policy import MempoolPolicy
from esper.mempool.rate_floor import RateFloor
from esper.mempool.waiting import Waiting
from esper.vm.llm_call import LlmCall

_SLACK = 64
"""Outdated entries that are always tolerated."""


class _Bid(NamedTuple):
    """What a sender's line is worth, as of its ``stamp``."""

    worth: int
    newest: int
    """Negated order of arrival of the last transaction: of equals the newest leaves."""
    sender: bytes
    stamp: int


class Victims(NamedTuple):
    """Who would have to leave."""

    leaving: list[Waiting]
    """In the order of leaving: no transaction before those that follow it."""
    worth: int
    """The most that a line was worth that loses some."""


class Room:
    """One pool: either of transactions with a fee, or of calls."""

    def __init__(self, limit: int, policy: MempoolPolicy, *, calls: bool) -> None:
        self.limit = limit
        """Most bytes."""
        self.bytes = 0
        """Bytes taken, what the policy counts beside those of the wire included."""
        self.floor = RateFloor(policy.floor_half_life_ms)
        """What the last evictions left behind."""
        self._calls = calls
        self._policy = policy
        self._bids: list[_Bid] = []
        self._stamps: dict[bytes, int] = {}
        self._last_stamp = 0

    def copy(self) -> "Room":
        """Another of the same contents, which changes by itself."""
        copied = Room(self.limit, self._policy, calls=self._calls)
        copied.bytes = self.bytes
        copied.floor = self.floor.copy()
        copied._bids = self._bids.copy()
        copied._stamps = self._stamps.copy()
        copied._last_stamp = self._last_stamp
        return copied

    def holds(self, waiting: Waiting) -> bool:
        """Whether a transaction belongs into this pool."""
        return waiting.is_call == self._calls

    def weight(self, waiting: Waiting) -> int:
        """Bytes that a transaction takes."""
        policy, payload = self._policy, waiting.transaction.payload
        extra = policy.entry_bytes
        if payload.payments:
            extra += policy.output_bytes * (len(payload.payments) - 1)
        if isinstance(payload, LlmCall):
            extra += policy.token_bytes * len(payload.prompt)
        return waiting.size + extra

    def least_rate(self, now_ms: int) -> int:
        """What a newcomer has to offer; nothing in particular while the pool is half empty."""
        return self.floor.at(now_ms) if 2 * self.bytes > self.limit else 0

    def taken_by(self, waiting: Iterable[Waiting]) -> int:
        """Bytes that a line takes in this pool."""
        return sum(self.weight(one) for one in waiting if self.holds(one))

    def take(self, waiting: Waiting) -> None:
        """Count a transaction."""
        if self.holds(waiting):
            self.bytes += self.weight(waiting)

    def free(self, waiting: Waiting) -> None:
        """Count it no longer."""
        if self.holds(waiting):
            self.bytes -= self.weight(waiting)

    def changed(self, sender: bytes, line: SenderLine | None) -> None:
        """A sender's line has become this one; None: nothing of it waits."""
        bid = self._bid(sender, list(line or ()))
        if bid is None:
            self._stamps.pop(sender, None)
            return
        heapq.heappush(self._bids, bid)
        if len(self._bids) > 2 * len(self._stamps) + _SLACK:
            self._bids = [bid for bid in self._bids if self._stamps.get(bid.sender) == bid.stamp]
            heapq.heapify(self._bids)

    def worth(self, waiting: Iterable[Waiting]) -> int | None:
        """What a line is worth in this pool, None if nothing of it is in it."""
        return min((one.rate for one in waiting if self.holds(one)), default=None)

    def victims(
        self,
        excess: int,
        below: int | None,
        spared: bytes | None,
        lines: Mapping[bytes, SenderLine],
    ) -> Victims | None:
        """Who leaves so that at least ``excess`` bytes come free, the last of each line first.

        Only lines worth less than ``below`` lose any, and never ``spared``'s. None if that is not
        enough. Nothing changes yet.
        """
        seen: list[_Bid] = []
        cut: dict[bytes, list[Waiting]] = {}
        queue: list[_Bid] = []
        leaving: list[Waiting] = []
        worth = 0
        try:
            while excess > 0:
                bid = self._cheapest(queue, seen)
                if bid is None or (below is not None and bid.worth >= below):
                    return None
                if bid.sender == spared:
                    continue
                worth = bid.worth
                rest = cut.setdefault(bid.sender, list(lines[bid.sender]))
                excess -= self._cut_last(rest, leaving)
                again = self._worth_of(bid.sender, rest, bid.stamp)
                if again is not None:
                    heapq.heappush(queue, again)
        finally:
            for bid in seen:
                heapq.heappush(self._bids, bid)
        return Victims(leaving, worth)

    def least(self) -> int:
        """What the cheapest line is worth, 0 if there is none."""
        self._forget_outdated()
        return self._bids[0].worth if self._bids else 0

    def _forget_outdated(self) -> None:
        while self._bids and self._stamps.get(self._bids[0].sender) != self._bids[0].stamp:
            heapq.heappop(self._bids)

    def _cut_last(self, rest: list[Waiting], leaving: list[Waiting]) -> int:
        """Take off the line's last one of this pool and what follows it; the bytes that frees."""
        while True:
            last = rest.pop()
            leaving.append(last)
            if self.holds(last):
                return self.weight(last)

    def _cheapest(self, queue: list[_Bid], seen: list[_Bid]) -> _Bid | None:
        self._forget_outdated()
        if queue and (not self._bids or queue[0] < self._bids[0]):
            return heapq.heappop(queue)
        if not self._bids:
            return None
        bid = heapq.heappop(self._bids)
        seen.append(bid)
        return bid

    def _bid(self, sender: bytes, line: list[Waiting]) -> _Bid | None:
        self._last_stamp += 1
        bid = self._worth_of(sender, line, self._last_stamp)
        if bid is not None:
            self._stamps[sender] = bid.stamp
        return bid

    def _worth_of(self, sender: bytes, line: list[Waiting], stamp: int) -> _Bid | None:
        worth = self.worth(line)
        if worth is None:
            return None
        newest = max(one.order for one in line if self.holds(one))
        return _Bid(worth, -newest, sender, stamp)
