"""Headers whose time has not come: they wait for it, a few of them.

A block of a clock that is a little fast is good in a moment, and nobody announces it twice. At most
2 a peer and 16 in all wait, the nearest, not longer than 10 minutes, and a third of the room is for
peers that this node dialled. The network page, section 6, step 1.
"""

from dataclasses import dataclass

from esper.p2p.limits import FUTURE_HEADERS, FUTURE_HEADERS_OF_A_PEER, FUTURE_MS, OUTBOUND_PART
from esper.p2p.peer import Peer, PeerNumber
from esper.primitives.ids import BlockId


@dataclass(frozen=True, slots=True)
class FutureHeader:
    """A header that waits."""

    due_ms: int
    """When its time has come."""
    peer: PeerNumber
    """Who announced it."""
    outbound: bool
    """Whether this node dialled that peer."""
    block_id: BlockId
    """64 bytes."""
    header: bytes
    """Canonical header."""


class Futures:
    """The headers that wait."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[PeerNumber, BlockId], FutureHeader] = {}

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def held_bytes(self) -> int:
        """Their bytes."""
        return sum(len(one.header) for one in self._waiting.values())

    def add(self, peer: Peer, block_id: BlockId, header: bytes, wait_ms: int, now: int) -> bool:
        """Lets a header wait, if it is near enough to find room; another may have to go for it."""
        key = (peer.number, block_id)
        if wait_ms > FUTURE_MS or key in self._waiting:
            return False
        new = FutureHeader(now + wait_ms, peer.number, peer.outbound, block_id, header)
        own = [one for one in self._waiting.values() if one.peer == peer.number]
        inbound = [one for one in self._waiting.values() if not one.outbound]
        rivals: list[FutureHeader] = []
        if len(own) >= FUTURE_HEADERS_OF_A_PEER:
            rivals = own
        elif not peer.outbound and len(inbound) >= FUTURE_HEADERS - FUTURE_HEADERS // OUTBOUND_PART:
            rivals = inbound
        elif len(self._waiting) >= FUTURE_HEADERS:
            rivals = list(self._waiting.values())
        if rivals:
            farthest = max(rivals, key=lambda one: one.due_ms)
            if farthest.due_ms <= new.due_ms:
                return False
            del self._waiting[farthest.peer, farthest.block_id]
        self._waiting[key] = new
        return True

    def left(self, number: PeerNumber) -> None:
        """Forgets what a peer announced."""
        for key in [key for key in self._waiting if key[0] == number]:
            del self._waiting[key]

    def take_due(self, now: int) -> list[FutureHeader]:
        """Those whose time has come, the earliest first; they wait no more."""
        ready = [one for one in self._waiting.values() if one.due_ms <= now]
        for one in ready:
            del self._waiting[one.peer, one.block_id]
        return sorted(ready, key=lambda one: one.due_ms)

    def due(self) -> int | None:
        """When the next one's time comes."""
        return min((one.due_ms for one in self._waiting.values()), default=None)
