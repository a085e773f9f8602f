"""Outbound peers that fell behind are replaced, one at a time: the network page, section 9.

A peer that claims less than our tip and has brought nothing new for 20 minutes is stuck, or keeps
news from us; its place is worth more to another. A network that finds no blocks blames nobody: then
nobody claims less than our tip.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from esper.p2p.peer import PeerNumber
from esper.p2p.peers.places.connections import Connection, Kind

BEHIND_MS: Final = 20 * 60_000
BETWEEN_MS: Final = 120_000
"""After a replacement the next waits at least so long: the newcomer's headers may tell more."""


@dataclass(frozen=True, slots=True)
class CareStatistics:
    """Care in numbers."""

    watched: int
    """Outbound peers whose claims are followed."""
    replaced: int
    """Since the start."""


@dataclass(slots=True)
class _Watched:
    weight: int
    """The greatest it claimed."""
    news_ms: int
    """When it last was not behind, or brought a block."""


class OutboundCare:
    """Watches the claims of outbound peers."""

    def __init__(self) -> None:
        self._watched: dict[PeerNumber, _Watched] = {}
        self._rests_until_ms = 0
        self._replaced = 0

    def claims(self, number: PeerNumber, weight: int, now_ms: int) -> None:
        """An outbound peer says the weight of its chain, in hello, pong or announcement."""
        watched = self._watched.get(number)
        if watched is None:
            self._watched[number] = _Watched(weight, now_ms)
        elif weight > watched.weight:
            watched.weight = weight

    def brought_block(self, number: PeerNumber, weight: int, now_ms: int) -> None:
        """An outbound peer gave a block that was new here and proven, of such a total weight."""
        watched = self._watched.get(number)
        if watched is not None:
            watched.news_ms = now_ms
            watched.weight = max(weight, watched.weight)

    def left(self, number: PeerNumber) -> None:
        """A peer is gone."""
        self._watched.pop(number, None)

    def choose(
        self, connections: Collection[Connection], our_weight: int, now_ms: int
    ) -> PeerNumber | None:
        """Whose connection is closed for another; None if there is nobody, or one was just now.

        To be asked every few seconds: whoever claims as much as we have is seen not to be behind,
        and his 20 minutes begin anew. Static peers stay: the operator chose them.
        """
        for watched in self._watched.values():
            if watched.weight >= our_weight:
                watched.news_ms = now_ms
        if now_ms < self._rests_until_ms:
            return None
        stuck = [
            (self._watched[one.number].news_ms, one.number)
            for one in connections
            if one.kind in (Kind.FULL, Kind.BLOCKS_ONLY)
            and not one.static
            and one.number in self._watched
            and now_ms - self._watched[one.number].news_ms >= BEHIND_MS
        ]
        if not stuck:
            return None
        self._rests_until_ms = now_ms + BETWEEN_MS
        self._replaced += 1
        return min(stuck)[1]

    def statistics(self) -> CareStatistics:
        """Counts."""
        return CareStatistics(len(self._watched), self._replaced)
