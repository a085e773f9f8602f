"""Transactions that were announced and are not here: who has them, and whose turn it is.

Each is at any time in one place: waiting for a better announcer, in the queue of one announcer, or
asked of one.
"""

from dataclasses import dataclass, field
from typing import Final

from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import TX_BURST, TX_PER_S, TX_WAIT_FOR_OUTBOUND_MS
from esper.p2p.peer import Peer, PeerNumber

WANTED_OF_A_PEER: Final = TX_BURST
"""A peer's announcements that did not come yet; more are ignored, as they could not be asked for
soon. The same for each, so that whoever announces much takes no room from others."""


@dataclass(slots=True)
class Asked:
    """One request for transactions."""

    sizes: dict[bytes, int]
    """By prefix, in the order asked, what its announcer said of its size."""


@dataclass(slots=True)
class Announcer:
    """A peer that has transactions which are not here."""

    peer: Peer
    budget: TokenBucket
    listed: dict[bytes, int] = field(default_factory=dict)
    """All that it announced and that is still wanted: by prefix the size it said."""
    waiting: dict[bytes, int] = field(default_factory=dict)
    """Until when an outbound announcer is waited for, ms, ascending."""
    queue: dict[bytes, int] = field(default_factory=dict)
    """What is to be asked of it, with the time since when, ascending."""
    asked: dict[int, Asked] = field(default_factory=dict)
    """By key of the request."""
    flying: int = 0
    """Transactions asked of it or being admitted."""
    flying_bytes: int = 0
    """Their bytes, as it said."""
    unanswered: int = 0
    silent_until: int = 0
    """Not asked before, ms."""
    asked_at: int = -(1 << 62)
    """When it was last asked, ms."""
    wake: int | None = None
    """When its queue is looked at, ms."""

    @classmethod
    def of(cls, peer: Peer, now: int) -> "Announcer":
        """One that just joined."""
        return cls(peer, TokenBucket(TX_PER_S, TX_BURST, now))

    def wake_by(self, at: int) -> None:
        """Its queue is looked at at that time or before."""
        self.wake = at if self.wake is None else min(self.wake, at)

    @property
    def backlog(self) -> int:
        """How much stands before what it announces now."""
        return len(self.queue) + len(self.waiting)


@dataclass(slots=True)
class Wanted:
    """A transaction that is not here."""

    holder: PeerNumber
    """In whose queue it is, or of whom it was asked."""
    announcers: dict[PeerNumber, None] = field(default_factory=dict)
    """All that have it and were not asked in vain; the holder is one."""
    asked: bool = False
    """Whether its holder was asked."""


class WantedTransactions:
    """All that is wanted, and all who announced it."""

    def __init__(self) -> None:
        self.announcers: dict[PeerNumber, Announcer] = {}
        self._wanted: dict[bytes, Wanted] = {}

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, prefix: bytes) -> bool:
        return prefix in self._wanted

    def add(self, announcer: Announcer, prefix: bytes, size: int, now: int) -> None:
        """A peer announces a transaction that is not here; beyond its room it is ignored."""
        if prefix in announcer.listed or len(announcer.listed) >= WANTED_OF_A_PEER:
            return
        announcer.listed[prefix] = size
        number = announcer.peer.number
        wanted = self._wanted.get(prefix)
        if wanted is None:
            wanted = self._wanted[prefix] = Wanted(number)
            self._hold(wanted, prefix, announcer, now, first=True)
        elif not wanted.asked:
            self._improve(wanted, prefix, announcer, now)
        wanted.announcers[number] = None

    def ask(self, announcer: Announcer, prefix: bytes) -> None:
        """It is asked of its holder now."""
        del announcer.queue[prefix]
        self._wanted[prefix].asked = True

    def failed(self, number: PeerNumber, prefix: bytes, now: int) -> None:
        """A peer did not give what it announced, or is gone: the next is asked, outbound first."""
        wanted = self._wanted.get(prefix)
        if wanted is None or number not in wanted.announcers:
            return
        del wanted.announcers[number]
        self._unlist(number, prefix)
        if wanted.holder == number:
            self._to_next(wanted, prefix, now)

    def pass_on(self, announcer: Announcer, prefix: bytes, now: int) -> None:
        """What waits too long in a queue goes to another announcer's, if there is one."""
        wanted = self._wanted[prefix]
        if len(wanted.announcers) == 1:
            return
        number = announcer.peer.number
        # Behind all others, so that it comes to each of them before it comes here again.
        del wanted.announcers[number]
        del announcer.queue[prefix]
        self._to_next(wanted, prefix, now)
        wanted.announcers[number] = None

    def forget(self, prefix: bytes) -> None:
        """It is here, or nobody wants it any more."""
        wanted = self._wanted.pop(prefix, None)
        if wanted is None:
            return
        for number in wanted.announcers:
            self._unlist(number, prefix)

    def ready(self, announcer: Announcer, now: int) -> None:
        """Moves into a peer's queue what has waited for outbound announcers."""
        for prefix, until in tuple(announcer.waiting.items()):
            if until > now:
                announcer.wake_by(until)
                return
            del announcer.waiting[prefix]
            announcer.queue[prefix] = now

    def _hold(
        self, wanted: Wanted, prefix: bytes, announcer: Announcer, now: int, first: bool
    ) -> None:
        wanted.holder, wanted.asked = announcer.peer.number, False
        if first and not announcer.peer.outbound:
            announcer.waiting[prefix] = now + TX_WAIT_FOR_OUTBOUND_MS
            announcer.wake_by(now + TX_WAIT_FOR_OUTBOUND_MS)
        else:
            announcer.queue[prefix] = now
            announcer.wake_by(now)

    def _improve(self, wanted: Wanted, prefix: bytes, announcer: Announcer, now: int) -> None:
        """Whether a new announcer is better than the one in whose queue it stands."""
        holder = self.announcers[wanted.holder]
        if holder.peer.outbound != announcer.peer.outbound:
            better = announcer.peer.outbound
        else:
            better = announcer.backlog < holder.backlog // 2
        if not better or (prefix in holder.waiting and not announcer.peer.outbound):
            return
        holder.waiting.pop(prefix, None)
        holder.queue.pop(prefix, None)
        self._hold(wanted, prefix, announcer, now, first=False)

    def _to_next(self, wanted: Wanted, prefix: bytes, now: int) -> None:
        numbers = wanted.announcers
        if not numbers:
            self.forget(prefix)
            return
        outbound = (one for one in numbers if self.announcers[one].peer.outbound)
        chosen = next(outbound, next(iter(numbers)))
        self._hold(wanted, prefix, self.announcers[chosen], now, first=False)

    def _unlist(self, number: PeerNumber, prefix: bytes) -> None:
        announcer = self.announcers[number]
        announcer.listed.pop(prefix, None)
        announcer.waiting.pop(prefix, None)
        announcer.queue.pop(prefix, None)
