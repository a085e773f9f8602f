"""Who pushes new blocks to whom, without being asked.

At most two peers are told to, one of them at least dialled by this node: those that deliver new
blocks first. Who was first with 3 of the last 8 replaces who was with fewer. The network page,
section 6.
"""

from collections import deque

from esper.p2p.actions import Send
from esper.p2p.limits import FIRST_IN, FIRST_OF, PREFER_GRACE_MS, PREFERRED, PREFERRERS
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.wire.talk_messages import Prefer


class Preference:
    """The peers that are to push to us."""

    def __init__(self) -> None:
        self._preferred: dict[PeerNumber, Peer] = {}
        self._grace: dict[PeerNumber, int] = {}
        self._firsts: deque[PeerNumber] = deque(maxlen=FIRST_OF)

    @property
    def preferred(self) -> tuple[PeerNumber, ...]:
        """Who is to push, the longest first."""
        return tuple(self._preferred)

    def may_push(self, number: PeerNumber, now: int) -> bool:
        """Whether a push of this peer was asked for, or is still on its way."""
        return number in self._preferred or now < self._grace.get(number, now)

    def delivered(self, peer: Peer, now: int) -> list[Send]:
        """A peer was the first with a new block."""
        self._firsts.append(peer.number)
        if peer.number in self._preferred:
            return []
        others = list(self._preferred.values())
        if not peer.outbound and any(not one.outbound for one in others):
            # One may be inbound, not both: two whom anybody can be would hold back what they like.
            others = [one for one in others if not one.outbound]
        elif len(others) < PREFERRED:
            return self._prefer(peer)
        firsts = self._firsts.count(peer.number)
        weakest = min(others, key=lambda one: self._firsts.count(one.number))
        if firsts < FIRST_IN or self._firsts.count(weakest.number) >= firsts:
            return []
        return [*self.lose(weakest.number, now), *self._prefer(peer)]

    def lose(self, number: PeerNumber, now: int) -> list[Send]:
        """A peer is not to push any more: others may be first."""
        if self._preferred.pop(number, None) is None:
            return []
        self._grace[number] = now + PREFER_GRACE_MS
        return [Send(number, Prefer(0))]

    def left(self, number: PeerNumber) -> None:
        """A peer is gone."""
        self._preferred.pop(number, None)
        self._grace.pop(number, None)

    def _prefer(self, peer: Peer) -> list[Send]:
        self._preferred[peer.number] = peer
        self._grace.pop(peer.number, None)
        return [Send(peer.number, Prefer(1))]


class Preferrers:
    """The peers that asked us to push to them."""

    def __init__(self) -> None:
        self._asked: dict[PeerNumber, None] = {}

    @property
    def count(self) -> int:
        """How many asked."""
        return len(self._asked)

    def set(self, number: PeerNumber, push: bool) -> None:
        """What a peer said; who says it again keeps its place."""
        if push:
            self._asked.setdefault(number)
        else:
            self._asked.pop(number, None)

    def first_of(self, lacking: dict[PeerNumber, None]) -> list[PeerNumber]:
        """The oldest ones among those that lack a block, at most 10."""
        return [number for number in self._asked if number in lacking][:PREFERRERS]
