"""One package that is wanted: what is here, what is out with whom, and which chunk is next."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from esper.p2p.limits import ASKERS_OF_A_CHUNK, DOUBLE_AFTER_MS
from esper.p2p.packages import bits
from esper.p2p.packages.events import Stage
from esper.p2p.packages.ports import Known
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Random

LEVELS: Final = 3
"""Chunks with more holders than so many are equally common."""
PACE_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Asking:
    """A chunk that a peer was asked for."""

    peer: PeerNumber
    since: int
    """When, ms."""


@dataclass(slots=True)
class Pace:
    """Bytes of the last seconds."""

    came: deque[tuple[int, int]] = field(default_factory=deque)
    """Second and bytes, at most one entry a second."""

    def note(self, size: int, now: int) -> None:
        """So many bytes were kept."""
        self._forget(now)
        second = now // 1_000
        if self.came and self.came[-1][0] == second:
            size += self.came.pop()[1]
        self.came.append((second, size))

    def bytes_per_s(self, now: int) -> int:
        """Over the last ten seconds."""
        self._forget(now)
        return sum(size for _, size in self.came) // PACE_SECONDS

    def _forget(self, now: int) -> None:
        while self.came and self.came[0][0] <= now // 1_000 - PACE_SECONDS:
            self.came.popleft()


@dataclass(slots=True)
class Listing:
    """A list of digests that a peer is asked for."""

    giver: PeerNumber
    until: int
    """When it must be whole, ms."""
    count: int = 0
    """Digests, as its first page says."""
    pages: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Download:
    """A package that is wanted."""

    root: bytes
    priority: int
    """The greatest is served first."""
    serial: int
    """Of the order in which downloads began; names one among those of a root."""
    stage: Stage = Stage.LOOKING
    count: int = 0
    """Chunks of the package; 0 while they are unknown."""
    missing: int = 0
    """Chunks that may be put and are not here."""
    done: int = 0
    """Chunks that are here."""
    writing: int = 0
    """Chunks that came and are being checked and written."""
    kept: int = 0
    """Chunks that were written since it began, or since its last trouble."""
    out: dict[int, list[Asking]] = field(default_factory=dict)
    """Chunks that are asked for, the one that is out the longest first."""
    out_set: int = 0
    """The same as a set."""
    listing: Listing | None = None
    again_at: int = 0
    """When it goes on, in WAITING."""
    trouble: str = ""
    pace: Pace = field(default_factory=Pace)
    common: list[int] | None = None
    """Chunks with more than 1, 2, 3 holders; None: to be found out anew."""

    @property
    def lacking(self) -> int:
        """Chunks that must still come."""
        return self.missing & ~self.writing

    @property
    def is_written(self) -> bool:
        """Whether all came that might."""
        return not self.missing and not self.writing

    def learn(self, known: Known) -> None:
        """What is here, as the store says."""
        self.count, self.missing, self.common = known.count, known.missing, None
        self.done = known.here.bit_count()

    def next_for(
        self, peer: PeerNumber, has: int, holders: Iterable[int], now: int, random: Random
    ) -> int | None:
        """The chunk to ask a peer for: a rare one by chance, or one that is out too long elsewhere.

        ``holders``: what each peer has; it is read only after that changed.
        """
        free = has & self.lacking & ~self.out_set
        if free:
            if self.common is None:
                self.common = bits.held_by_more_than(holders, LEVELS)
            for common in self.common:
                if rare := free & ~common:
                    return bits.pick(rare, self.count, random)
            return bits.pick(free, self.count, random)
        for index, askings in self.out.items():
            if (
                has >> index & 1
                and len(askings) < ASKERS_OF_A_CHUNK
                and askings[0].peer != peer
                and askings[0].since + DOUBLE_AFTER_MS <= now
            ):
                return index
        return None

    def ask(self, index: int, peer: PeerNumber, now: int) -> None:
        """A peer is asked for a chunk."""
        self.out.setdefault(index, []).append(Asking(peer, now))
        self.out_set |= 1 << index

    def take_off(self, index: int, peer: PeerNumber) -> Asking | None:
        """A peer is not asked for a chunk any more; None if it was not."""
        askings = self.out.get(index, [])
        for place, one in enumerate(askings):
            if one.peer == peer:
                del askings[place]
                if not askings:
                    del self.out[index]
                    self.out_set &= ~(1 << index)
                return one
        return None

    def came(self, index: int) -> None:
        """A chunk is being checked and written."""
        self.writing |= 1 << index

    def wrote(self, index: int, kept: bool) -> None:
        """It was, or was not."""
        bit = 1 << index
        self.writing &= ~bit
        if kept and self.missing & bit:
            self.missing &= ~bit
            self.kept |= bit
            self.done += 1

    def doubles_at(self) -> list[int]:
        """When chunks that are out may be asked of a second peer."""
        return [
            one[0].since + DOUBLE_AFTER_MS
            for one in self.out.values()
            if len(one) < ASKERS_OF_A_CHUNK
        ]
