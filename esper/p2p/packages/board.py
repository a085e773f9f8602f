"""What the parts of the machine of packages share: givers, downloads, budgets, actions."""

from dataclasses import dataclass
from typing import Final

from esper.p2p.actions import Ask, Blame, Cancel
from esper.p2p.faults import Offence
from esper.p2p.flow.budgets import SharedRoom, TokenBucket
from esper.p2p.limits import (
    CHUNK_BYTES,
    CHUNKS_HELD,
    CROWDED_MS,
    LEAST_IN_FLIGHT,
    PACKAGE_BURST,
)
from esper.p2p.packages.download import Download
from esper.p2p.packages.sources import Source
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Random
from esper.p2p.wire.messages import PackageRequest

IN_FLIGHT_AT_FIRST: Final = 4


@dataclass(frozen=True, slots=True)
class DigestsKey:
    """A request for a page of a list."""

    root: bytes
    page: int


@dataclass(frozen=True, slots=True)
class HoldingsKey:
    """A request for what a peer has."""

    root: bytes


@dataclass(frozen=True, slots=True)
class ChunkKey:
    """A request for a chunk."""

    root: bytes
    index: int


Key = DigestsKey | HoldingsKey | ChunkKey


class Board:
    """State that the parts work on."""

    def __init__(self, random: Random, now: int, down_per_s: int) -> None:
        self.random = random
        self.sources: dict[PeerNumber, Source] = {}
        self.downloads: dict[bytes, Download] = {}
        """By root."""
        self.room = SharedRoom(CHUNKS_HELD)
        """Of chunks that are asked for or being written; a third is for outbound peers."""
        self.in_flight = 0
        """Chunks that are asked for."""
        self.limit = IN_FLIGHT_AT_FIRST
        """How many may be: this node's own line may be what is slow."""
        self._narrowed_at = now - CROWDED_MS
        self._down = TokenBucket(down_per_s, max(down_per_s, PACKAGE_BURST), now)
        self.actions: list[object] = []
        """What the machine wants, in order."""

    @property
    def by_priority(self) -> list[Download]:
        """The most wanted first."""
        return sorted(self.downloads.values(), key=lambda one: (-one.priority, one.serial))

    def ask(self, peer: PeerNumber, key: Key, request: PackageRequest) -> None:
        """Ask a peer."""
        self.actions.append(Ask(peer, key, request))

    def take_back(self, peer: PeerNumber, key: Key) -> None:
        """Nothing more is heard of what a peer was asked."""
        self.actions.append(Cancel(peer, key))

    def blame(self, peer: PeerNumber, offence: Offence, reason: str) -> None:
        """A peer gave what is wrong; it is asked nothing more, whatever becomes of it."""
        self.actions.append(Blame(peer, offence, reason))
        if peer in self.sources:
            self.sources[peer].ends()

    def take_place(self, source: Source, now: int) -> int:
        """Take room, rate and a place for one more chunk of a peer.

        0 if that was done; else when to try again, ms, or -1: after something else has happened.
        """
        if self.in_flight >= self.limit or not self.room.has(1, source.peer.outbound):
            return -1
        wait = max(source.asks.wait_ms(1, now), self._down.wait_ms(CHUNK_BYTES, now))
        if wait:
            return now + wait
        source.asks.take(1, now)
        self._down.take(CHUNK_BYTES, now)
        self.room.take(1, source.peer.outbound)
        source.in_flight += 1
        self.in_flight += 1
        return 0

    def arrived(self, source: Source, size: int) -> None:
        """A chunk of so many bytes came; its room is held until it is written."""
        source.in_flight -= 1
        self.in_flight -= 1
        self._down.give_back(CHUNK_BYTES - size)
        self.limit = min(CHUNKS_HELD, self.limit + 1)

    def did_not_come(self, source: Source) -> None:
        """A chunk that was asked for does not come."""
        source.in_flight -= 1
        self.in_flight -= 1
        self._down.give_back(CHUNK_BYTES)
        self.room.free(1, source.peer.outbound)

    def written(self, outbound: bool) -> None:
        """A chunk of a peer of that kind is held no more."""
        self.room.free(1, outbound)

    def crowded(self, now: int) -> None:
        """A chunk is late, perhaps because too many come at once."""
        if now - self._narrowed_at >= CROWDED_MS:
            self._narrowed_at = now
            self.limit = max(LEAST_IN_FLIGHT, self.limit // 2)
