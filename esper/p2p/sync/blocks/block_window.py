"""Blocks of one branch between being wanted and being part of the tree.

    missing --ask--> asked --whole--> here --judge--> judging --> proven --adopt--> gone
       ^               | all failed                     | bytes unlike the header
       +---------------+--------------------------------+

A block counts at its limit for each peer that it is asked of, and at its size once it is here.
"""

from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from typing import Final

from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Proven

SECOND_ASKER_MS: Final = 2_000
"""So long the lowest missing block is left to one peer."""
ASKERS: Final = 2
MOST_ADOPTED: Final = 16
"""Blocks that are given to the chain at once, for one commit."""


@dataclass(slots=True)
class Buffer:
    """Bytes of blocks that sync holds or has asked for, over all branches."""

    limit: int
    """Never exceeded."""
    used: int = 0
    """Reserved or held."""

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more fit."""
        return self.used + size <= self.limit


class Place(Enum):
    """Where a block stands."""

    MISSING = "missing"
    ASKED = "asked"
    HERE = "here"
    JUDGING = "judging"
    PROVEN = "proven"


@dataclass(slots=True)
class Wanted:
    """A block of the window."""

    place: Place = Place.MISSING
    askers: dict[PeerNumber, int] = field(default_factory=dict)
    """When it was asked of whom."""
    bodies: dict[PeerNumber, bytes] = field(default_factory=dict)
    """What came of askers whose proof is still to come."""
    counted: int = 0
    """Bytes of the buffer."""
    body: bytes = b""
    proof: bytes = b""
    sender: PeerNumber | None = None
    """Who gave both, once it is here."""
    arrived_ms: int = 0
    proven: Proven | None = None


class BlockWindow:
    """The blocks above a branch's base, and who was asked for which."""

    __slots__ = ("_buffer", "_here", "_limit", "_lowest", "_missing", "_wanted", "judging", "used")

    def __init__(self, buffer: Buffer, limit: int, base: int) -> None:
        """``limit`` is a block at its largest, bytes; ``base`` the height below the first."""
        self._buffer = buffer
        self._limit = limit
        self._wanted: dict[int, Wanted] = {}
        self._missing: list[int] = []
        self._here: list[int] = []
        self._lowest = base + 1
        self.judging = 0
        """Blocks that are being judged."""
        self.used = 0
        """Bytes of the buffer."""

    def __len__(self) -> int:
        return len(self._wanted)

    def get(self, height: int) -> Wanted | None:
        """The block at a height, None where none is wanted."""
        return self._wanted.get(height)

    def want(self, height: int) -> None:
        """A header is here: its block is missing."""
        self._wanted[height] = Wanted()
        heappush(self._missing, height)

    def next_missing(self) -> int | None:
        """The lowest block that nobody was asked for."""
        while self._missing:
            wanted = self._wanted.get(self._missing[0])
            if wanted is not None and wanted.place is Place.MISSING:
                return self._missing[0]
            heappop(self._missing)
        return None

    def has_room(self, spare: int, part: int) -> bool:
        """Whether one more may be asked for, with room for ``spare`` others left.

        ``part``: branches that share the buffer evenly.
        """
        size = self._limit
        own = self.used + size <= self._buffer.limit // part or self.used == 0
        return own and self._buffer.has_room(size * (1 + spare))

    def ask(self, height: int, peer: PeerNumber, now: int) -> None:
        """It is being asked of a peer: room is reserved."""
        wanted = self._wanted[height]
        wanted.place = Place.ASKED
        wanted.askers[peer] = now
        self._count(wanted, self._limit)

    def slow(self, now: int) -> int | None:
        """The lowest block that is not here, if one peer alone has been asked for it too long."""
        due = self.slow_at()
        return self._lowest if due is not None and due <= now else None

    def slow_at(self) -> int | None:
        """When the lowest block that is not here is to be asked of a second."""
        wanted = self._lowest_absent()
        if wanted is None or wanted.place is not Place.ASKED or len(wanted.askers) >= ASKERS:
            return None
        return min(wanted.askers.values()) + SECOND_ASKER_MS

    @property
    def waits_for_peers(self) -> bool:
        """Whether the next block to be proven has not come, though somebody could be asked.

        Nobody is where blocks of other branches leave no room: those of a visit for minutes.
        """
        wanted = self._lowest_absent()
        if wanted is None or (self._lowest - 1) in self._wanted:
            return False
        return wanted.place is Place.ASKED or self._buffer.has_room(2 * self._limit)

    def body(self, height: int, peer: PeerNumber, body: bytes) -> None:
        """A body came; of blocks that are here already it is thrown away."""
        wanted = self._wanted.get(height)
        if wanted is not None and peer in wanted.askers:
            wanted.bodies[peer] = body

    def whole(
        self, height: int, peer: PeerNumber, proof: bytes, now: int
    ) -> tuple[PeerNumber, ...]:
        """A block's last part came; the other peers that it was asked of."""
        wanted = self._wanted.get(height)
        if wanted is None or peer not in wanted.askers:
            return ()
        others = tuple(other for other in wanted.askers if other != peer)
        wanted.body, wanted.proof = wanted.bodies.get(peer, b""), proof
        wanted.sender, wanted.arrived_ms = peer, now
        wanted.place = Place.HERE
        wanted.askers.clear()
        wanted.bodies.clear()
        self._count(wanted, len(wanted.body) + len(wanted.proof) - wanted.counted)
        heappush(self._here, height)
        return others

    def failed(self, height: int, peer: PeerNumber) -> None:
        """A peer gives it not: it is missing again, unless another was asked too."""
        wanted = self._wanted.get(height)
        if wanted is None or wanted.askers.pop(peer, None) is None:
            return
        wanted.bodies.pop(peer, None)
        self._count(wanted, -self._limit)
        if not wanted.askers:
            self._miss(height, wanted)

    def next_here(self) -> int | None:
        """The lowest block that is here and waits to be judged."""
        while self._here:
            wanted = self._wanted.get(self._here[0])
            if wanted is not None and wanted.place is Place.HERE:
                return self._here[0]
            heappop(self._here)
        return None

    def lend(self, height: int) -> int:
        """Its bytes are counted by a job from now on; how many they are."""
        wanted = self._wanted[height]
        size = wanted.counted
        wanted.counted = 0
        self.used -= size
        return size

    def take_back(self, height: int, size: int) -> None:
        """A job that counted its bytes came back."""
        wanted = self._wanted.get(height)
        if wanted is None:
            self._buffer.used -= size
        else:
            wanted.counted += size
            self.used += size

    def judge(self, height: int) -> Wanted:
        """It is being judged."""
        wanted = self._wanted[height]
        wanted.place = Place.JUDGING
        self.judging += 1
        return wanted

    def judged(self, height: int, proven: Proven) -> None:
        """It is proven."""
        self.judging -= 1
        wanted = self._wanted.get(height)
        if wanted is None or wanted.place is not Place.JUDGING:
            return
        wanted.place = Place.PROVEN
        wanted.proven = proven
        wanted.body = wanted.proof = b""

    def unjudged(self, height: int, *, keep: bool) -> PeerNumber | None:
        """It could not be judged, or its bytes are wrong; who gave them.

        ``keep``: they are to be judged again.
        """
        self.judging -= 1
        wanted = self._wanted.get(height)
        if wanted is None or wanted.place is not Place.JUDGING:
            return None
        if keep:
            wanted.place = Place.HERE
            heappush(self._here, height)
            return wanted.sender
        sender = wanted.sender
        wanted.body, wanted.proof, wanted.sender = b"", b"", None
        self._count(wanted, -wanted.counted)
        self._miss(height, wanted)
        return sender

    def proven_from(self, height: int) -> tuple[Proven, ...]:
        """Proven blocks in order, from a height on."""
        found: list[Proven] = []
        while len(found) < MOST_ADOPTED:
            wanted = self._wanted.get(height + len(found))
            if wanted is None or wanted.proven is None:
                break
            found.append(wanted.proven)
        return tuple(found)

    def remove(self, height: int) -> tuple[PeerNumber, ...]:
        """It is part of the tree; who is still asked for it."""
        wanted = self._wanted.pop(height, None)
        if wanted is None:
            return ()
        self._count(wanted, -wanted.counted)
        self._lowest = max(self._lowest, height + 1)
        return tuple(wanted.askers)

    def close(self) -> None:
        """The branch is left: nothing is wanted any more."""
        self._wanted.clear()
        self._buffer.used -= self.used
        self.used = 0

    def _count(self, wanted: Wanted, size: int) -> None:
        wanted.counted += size
        self.used += size
        self._buffer.used += size

    def _miss(self, height: int, wanted: Wanted) -> None:
        wanted.place = Place.MISSING
        self._lowest = min(self._lowest, height)
        heappush(self._missing, height)

    def _lowest_absent(self) -> Wanted | None:
        while True:
            wanted = self._wanted.get(self._lowest)
            if wanted is None or wanted.place in (Place.MISSING, Place.ASKED):
                return wanted
            self._lowest += 1
