"""Transactions that were announced and are not here: who has them, and whose turn it is.

Each is at any time in one place: waiting for a better announcer, in the queue of one announcer, or
asked of one.
"""

from dataclasses import dataclass, field
from typing import Final

from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import TX_BURST, TX_PER_S, TX_UNANSWERED, TX_WAIT_FOR_OUTBOUND_MS
from esper.p2p.peer import Peer, PeerNumber

ASK_EVERY_MS: Final = 250
"""Between two requests to one peer: single ones would soon cost it more than it serves."""
WANTED_OF_A_PEER: Final = TX_BURST
"""A peer's announcements that did not come yet; more are ignored, as they could not be asked for
soon. The same for each, so that whoever announces much takes no room from others."""


@dataclass(slots=True)
class Asked:
    """One request for transactions."""

    sizes: dict[bytes, int]
    """By prefix, in the order asked, what its announcer said of its size."""


@dataclass(slots=True, eq=False)
class Announcer:
    """A peer that has transactions which are not here."""

    peer: Peer
    budget: TokenBucket
    asked_at: int
    """When it was last asked, ms; who is new comes behind all who wait."""
    listed: dict[bytes, int] = field(default_factory=dict)
    """All that it announced and that is still wanted: by prefix the size it said."""
    waiting: dict[bytes, int] = field(default_factory=dict)
    """Until when an outbound announcer is waited for, ms; looked at in this order."""
    queue: dict[bytes, int] = field(default_factory=dict)
    """What is to be asked of it, with the time since when, ascending."""
    asked: dict[int, Asked] = field(default_factory=dict)
    """By key of the request."""
    flying: int = 0
    """Transactions asked of it or being admitted."""
    flying_bytes: int = 0
    """Their bytes, as it said."""
    unanswered: int = 0
    """What it did not give when asked, less what it gave."""
    given: int = 0
    """What it gave since it last failed to, at most ``TX_UNANSWERED``."""
    silent_until: int = 0
    """Not asked before, ms."""
    wake: int | None = None
    """When its queue is looked at, ms."""

    @classmethod
    def of(cls, peer: Peer, now: int) -> "Announcer":
        """One that just joined."""
        return cls(peer, TokenBucket(TX_PER_S, TX_BURST, now), now - ASK_EVERY_MS)

    def wake_by(self, at: int) -> None:
        """Its queue is looked at at that time or before."""
        self.wake = at if self.wake is None else min(self.wake, at)

    def gave(self) -> None:
        """It gave what it was asked for."""
        self.unanswered = max(0, self.unanswered - 1)
        self.given = min(TX_UNANSWERED, self.given + 1)

    def gave_not(self) -> None:
        """It did not."""
        self.unanswered += 1
        self.given = 0

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Less is better: outbound, then whoever gave what it was asked for.

        So a swarm of fresh peers that give nothing comes behind one that gave something, and each
        of them keeps a transaction waiting once.
        """
        return not self.peer.outbound, self.unanswered, -self.given

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
            outbound = announcer.peer.outbound
            until = None if outbound else now + TX_WAIT_FOR_OUTBOUND_MS
            self._hold(wanted, prefix, announcer, now, until)
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
        self,
        wanted: Wanted,
        prefix: bytes,
        announcer: Announcer,
        now: int,
        until: int | None = None,
    ) -> None:
        """It is to be asked of this one, not before ``until``."""
        wanted.holder, wanted.asked = announcer.peer.number, False
        if until is not None:
            announcer.waiting[prefix] = until
        else:
            announcer.queue[prefix] = now
        announcer.wake_by(now if until is None else until)

    def _improve(self, wanted: Wanted, prefix: bytes, announcer: Announcer, now: int) -> None:
        """Whether a new announcer is better than the one in whose queue it stands."""
        holder = self.announcers[wanted.holder]
        shorter = announcer.rank == holder.rank and announcer.backlog < holder.backlog // 2
        if announcer.rank >= holder.rank and not shorter:
            return
        until = holder.waiting.pop(prefix, None)
        holder.queue.pop(prefix, None)
        if announcer.peer.outbound:
            until = None
        self._hold(wanted, prefix, announcer, now, until)

    def _to_next(self, wanted: Wanted, prefix: bytes, now: int) -> None:
        numbers = wanted.announcers
        if not numbers:
            self.forget(prefix)
            return
        chosen = min((self.announcers[one] for one in numbers), key=lambda one: one.rank)
        self._hold(wanted, prefix, chosen, now)

    def _unlist(self, number: PeerNumber, prefix: bytes) -> None:
        announcer = self.announcers[number]
        announcer.listed.pop(prefix, None)
        announcer.waiting.pop(prefix, None)
        announcer.queue.pop(prefix, None)
