"""Peers as givers of packages: what each says it has, how fast it is, and when it is let alone.

Nothing here is an offence. Who is silent or slow is asked for less and later, and who is quick for
more; who gives what is wrong is blamed by whoever finds it.
"""

from dataclasses import dataclass, field

from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import (
    BUSY_ASIDE_MS,
    CHUNKS_OF_A_PEER,
    CLAIMS_BROKEN,
    MOST_ASIDE_MS,
    MOST_BUSY_ASIDE_MS,
    PACKAGE_ASK_BURST,
    PACKAGE_ASKS_PER_S,
    QUICK_CHUNK_MS,
    SLOW_ASIDE_MS,
)
from esper.p2p.peer import Peer

UNKNOWN_PACE_MS = 3_000
"""A peer that gave nothing yet is taken for one that needs so long for a chunk."""
MOST_DOUBLINGS = 6
FOR_EVER = 1 << 62


@dataclass(slots=True)
class View:
    """What a peer says of one package."""

    chunks: int | None = None
    """What it has; None: it did not say."""
    count: int = 0
    """Chunks of the package, as it says."""
    asking: bool = False
    """Whether it was asked and did not answer yet."""
    again_at: int | None = 0
    """When it is to be asked what it has; None: it has all that is missing."""
    list_from: int = 0
    """When it may be asked for the list of digests."""
    broken: int = 0
    """Chunks that it said it has, and refused."""


@dataclass(slots=True)
class Source:
    """A peer that may be asked about packages."""

    peer: Peer
    lot: float
    """Its place among equals."""
    asks: TokenBucket
    """How often it is asked anything."""
    window: int = 1
    """Chunks that may be out at once."""
    in_flight: int = 0
    """Chunks that are."""
    given: int = 0
    """Chunks of it that were right."""
    pace_ms: int = UNKNOWN_PACE_MS
    """From asking to the last byte, evened out."""
    late_times: int = 0
    late_until: int = 0
    """When it is asked again after it was late."""
    busy_times: int = 0
    aside_until: int = 0
    views: dict[bytes, View] = field(default_factory=dict)
    """By root."""

    @classmethod
    def of(cls, peer: Peer, lot: float, now: int) -> "Source":
        """A peer that just joined."""
        return cls(peer, lot, TokenBucket(PACKAGE_ASKS_PER_S, PACKAGE_ASK_BURST, now))

    @property
    def rank(self) -> tuple[int, bool, float]:
        """The least is asked first: the quickest, outbound ones first among equals."""
        return (self.pace_ms, not self.peer.outbound, self.lot)

    def view(self, root: bytes) -> View:
        """What it says of a package that is wanted."""
        return self.views.setdefault(root, View())

    def is_aside(self, now: int) -> bool:
        """Whether it is let alone for now."""
        return now < self.aside_until

    def ends(self) -> None:
        """It is blamed, or gone: nothing more is asked of it."""
        self.aside_until = FOR_EVER

    def gave(self, took_ms: int) -> None:
        """A chunk of it was right."""
        self.given += 1
        self.busy_times = 0
        self.late_times = max(0, self.late_times - 1)
        self.pace_ms = (self.pace_ms + took_ms) // 2
        quick = took_ms <= QUICK_CHUNK_MS
        self.window = min(CHUNKS_OF_A_PEER, max(1, self.window + (1 if quick else -1)))

    def was_late(self, now: int) -> None:
        """Something did not come in time: the next pause is twice as long.

        Of what is late together the first counts.
        """
        self.window = 1
        if now < self.late_until:
            return
        pause = min(SLOW_ASIDE_MS << min(self.late_times, MOST_DOUBLINGS), MOST_ASIDE_MS)
        self.late_times += 1
        self.pace_ms = max(self.pace_ms, 2 * UNKNOWN_PACE_MS)
        self.late_until = now + pause
        self._aside(pause, now)

    def was_busy(self, now: int) -> None:
        """It has no time: of refusals that come together the first counts."""
        if self.is_aside(now):
            return
        pause = min(BUSY_ASIDE_MS << min(self.busy_times, MOST_DOUBLINGS), MOST_BUSY_ASIDE_MS)
        self.busy_times += 1
        self.window = max(1, self.window // 2)
        self._aside(pause, now)

    def broke_claim(self, root: bytes, index: int, now: int) -> None:
        """It refused a chunk that it said it has: its disk may have lost it, or it lied."""
        view = self.view(root)
        if view.chunks is not None:
            view.chunks &= ~(1 << index)
        view.broken += 1
        if view.broken >= CLAIMS_BROKEN:
            view.broken = 0
            self.was_late(now)

    def _aside(self, pause_ms: int, now: int) -> None:
        self.aside_until = max(self.aside_until, now + pause_ms)
