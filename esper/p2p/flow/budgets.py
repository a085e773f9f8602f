"""Budgets: how much may come or go a second, and how much at once.

A budget "in all" keeps one part in three for outbound peers, which this node chose itself: whoever
fills the rest with inbound connections does not stop it. The network page, section 5.
"""

from typing import Final

from esper.p2p.limits import OUTBOUND_PART

_MS: Final = 1_000


class TokenBucket:
    """Fills at a rate up to a burst, and is taken from.

    Levels are kept in thousandths, so a rate a second is the same number of thousandths a
    millisecond, and nothing is ever rounded.
    """

    __slots__ = ("_burst", "_level", "_rate", "_seen")

    def __init__(self, rate: int, burst: int, now: int) -> None:
        """``rate`` a second, at least 1; full at first; ``now`` in ms."""
        self._rate = rate
        self._burst = burst * _MS
        self._level = self._burst
        self._seen = now

    def take(self, cost: int, now: int, keep: int = 0) -> bool:
        """Takes ``cost`` if so much is there beside ``keep``, else nothing."""
        if self.wait_ms(cost, now, keep):
            return False
        self._level -= cost * _MS
        return True

    def charge(self, cost: int, now: int) -> None:
        """Takes ``cost`` even below zero: what is sent has a size that is known only then."""
        self._fill(now)
        self._level -= cost * _MS

    def give_back(self, cost: int) -> None:
        """What was taken for something that did not happen."""
        self._level = min(self._burst, self._level + cost * _MS)

    def wait_ms(self, cost: int, now: int, keep: int = 0) -> int:
        """Milliseconds until ``cost`` can be taken and ``keep`` stays; 0: now.

        Of a cost beyond the burst the answer is when the bucket is full, though that does not do.
        """
        self._fill(now)
        wanted = (cost + keep) * _MS
        if wanted <= self._level:
            return 0
        return max(1, -(-(min(wanted, self._burst) - self._level) // self._rate))

    def level(self, now: int) -> int:
        """What is there, rounded down; below zero after charges."""
        self._fill(now)
        return self._level // _MS

    def _fill(self, now: int) -> None:
        if now > self._seen:
            self._level = min(self._burst, self._level + (now - self._seen) * self._rate)
            self._seen = now


class SharedBucket:
    """A bucket of all peers together; the last third of it is for outbound peers only."""

    __slots__ = ("_bucket", "_kept")

    def __init__(self, rate: int, burst: int, now: int) -> None:
        """As ``TokenBucket``."""
        self._bucket = TokenBucket(rate, burst, now)
        self._kept = burst // OUTBOUND_PART

    def take(self, cost: int, outbound: bool, now: int) -> bool:
        """Takes ``cost`` if a peer of that kind may have it, else nothing."""
        return self._bucket.take(cost, now, self._keep(outbound))

    def charge(self, cost: int, now: int) -> None:
        """Takes ``cost`` even below zero."""
        self._bucket.charge(cost, now)

    def give_back(self, cost: int) -> None:
        """What was taken for something that did not happen."""
        self._bucket.give_back(cost)

    def wait_ms(self, cost: int, outbound: bool, now: int) -> int:
        """Milliseconds until a peer of that kind may have ``cost``; 0: now."""
        return self._bucket.wait_ms(cost, now, self._keep(outbound))

    def _keep(self, outbound: bool) -> int:
        return 0 if outbound else self._kept


class SharedRoom:
    """How much is held at once by all peers together; a third is for outbound peers only."""

    __slots__ = ("_inbound", "_most", "_outbound")

    def __init__(self, most: int) -> None:
        """``most`` at once."""
        self._most = most
        self._inbound = 0
        self._outbound = 0

    @property
    def held(self) -> int:
        """What is held now."""
        return self._inbound + self._outbound

    def has(self, amount: int, outbound: bool) -> bool:
        """Whether a peer of that kind may hold so much more."""
        if self.held + amount > self._most:
            return False
        kept = self._most // OUTBOUND_PART
        return outbound or self._inbound + amount <= self._most - kept

    def take(self, amount: int, outbound: bool) -> bool:
        """Holds so much more if there is room for it."""
        if not self.has(amount, outbound):
            return False
        if outbound:
            self._outbound += amount
        else:
            self._inbound += amount
        return True

    def free(self, amount: int, outbound: bool) -> None:
        """Gives back what was taken."""
        if outbound:
            self._outbound -= amount
        else:
            self._inbound -= amount
