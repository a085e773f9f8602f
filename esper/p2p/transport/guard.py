"""How fast a peer's frames may come, and what breaking the multiplexer's rules is called.

A small frame costs some 50 microseconds of the event loop, so that one connection could take half a
core. Who sends too many is not read for a while: TCP holds the peer back. The network page,
section 2.
"""

from typing import Final

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import OUTBOUND_PART

FRAMES_PER_S: Final = 200
FRAMES_BURST: Final = 2_000
FRAMES_PER_S_IN_ALL: Final = 4_000
FRAMES_BURST_IN_ALL: Final = 4_000
DATA_PER_FRAME: Final = 4096
"""Bytes of data that earn one frame more: whoever sends full frames is never held back."""
LONGEST_PAUSE_MS: Final = 5_000
"""After so long the budgets are looked at again."""
INBOUND_FLOOR: Final = FRAMES_BURST_IN_ALL // OUTBOUND_PART
"""What inbound peers leave to outbound ones."""

_PARTS: Final = 1_000
"""Of a frame: then rates a second are parts a millisecond."""


def violation(reason: str) -> Fault:
    """The fault of a peer that breaks the multiplexer's rules."""
    return Fault(Offence.GUARD, reason)


class _Bucket:
    """Frames that may come, in thousandths; below zero they have come already.

    Its clock is that of the first who asks: a start that was told by another clock, years ahead of
    this one, would let nothing be refilled.
    """

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_ms = per_s
        self._most = burst * _PARTS
        self._level = self._most
        self._then_ms: int | None = None

    def add(self, frames: int, data: int, now_ms: int) -> None:
        """Count ``frames`` frames with ``data`` bytes of data in them."""
        self._refill(now_ms)
        earned = data * _PARTS // DATA_PER_FRAME
        # What is beyond the most is taken off before anything is counted again.
        self._level += earned - frames * _PARTS

    def wait_ms(self, floor: int, now_ms: int) -> int:
        """Until ``floor`` frames may come."""
        self._refill(now_ms)
        missing = floor * _PARTS - self._level
        return -(-missing // self._per_ms) if missing > 0 else 0

    def _refill(self, now_ms: int) -> None:
        then = now_ms if self._then_ms is None else self._then_ms
        passed = max(0, now_ms - then)
        self._level = min(self._most, self._level + passed * self._per_ms)
        self._then_ms = max(now_ms, then)


class SharedFrameBudget:
    """Frames of all connections: 4,000 a second, a third of the reserve for outbound peers."""

    def __init__(self) -> None:
        self._bucket = _Bucket(FRAMES_PER_S_IN_ALL, FRAMES_BURST_IN_ALL)

    def add(self, frames: int, data: int, now_ms: int) -> None:
        """Count ``frames`` frames with ``data`` bytes of data in them."""
        self._bucket.add(frames, data, now_ms)

    def pause_ms(self, outbound: bool, now_ms: int) -> int:
        """How long a peer's next frames must wait."""
        return self._bucket.wait_ms(0 if outbound else INBOUND_FLOOR, now_ms)


class FrameBudget:
    """Frames of one connection: 200 a second and one for each 4 KiB of data, 2,000 at once."""

    def __init__(self, shared: SharedFrameBudget, outbound: bool) -> None:
        self._own = _Bucket(FRAMES_PER_S, FRAMES_BURST)
        self._shared = shared
        self._outbound = outbound

    def add(self, frames: int, data: int, now_ms: int) -> None:
        """Count ``frames`` frames with ``data`` bytes of data in them."""
        self._own.add(frames, data, now_ms)
        self._shared.add(frames, data, now_ms)

    def pause_ms(self, now_ms: int) -> int:
        """How long not to read, at most 5,000; then ask again. 0: go on."""
        own = self._own.wait_ms(0, now_ms)
        return min(LONGEST_PAUSE_MS, max(own, self._shared.pause_ms(self._outbound, now_ms)))
