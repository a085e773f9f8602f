"""One connection's requests: their numbers, and until when each must go on."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum

from esper.p2p.flow.answer_shapes import Shape, shape_of
from esper.p2p.limits import (
    ANSWER_BEGINS_MS,
    BLOCK_WHOLE_MS,
    CLOSING_MS,
    DRIP_BYTES_PER_S,
    DRIP_OVER_MS,
    QUICK_BEGINS_MS,
)
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import Request


class Owner(Enum):
    """The machine that made a request."""

    BLOCKS = "blocks"
    SYNC = "sync"
    TRANSACTIONS = "transactions"
    PACKAGES = "packages"

    @property
    def blames_late(self) -> bool:
        """Whether it counts against a peer that an answer is late.

        Transactions may be gone, and a machine counts who gives none. Chunks of packages are no
        part of following the chain: who is slow with them is asked for fewer, and may stay.
        """
        return self in (Owner.BLOCKS, Owner.SYNC)


def begins_within_ms(request: Request) -> int:
    """How long an answer may take to begin; of a block, to be whole."""
    match request:
        case talk.GetBlock():
            return BLOCK_WHOLE_MS
        case talk.GetTxs() | talk.GetBlockTxs():
            return QUICK_BEGINS_MS
        case _:
            return ANSWER_BEGINS_MS


@dataclass(slots=True)
class OpenRequest:
    """A request that did not end."""

    owner: Owner
    key: Hashable
    shape: Shape
    within_ms: int
    deadline: int
    whole: bool
    """Whether the deadline stands, however fast bytes come."""
    closing: bool = False
    """Whether what comes is thrown away."""
    timer: int = 0
    """When it is looked at; other timers of it count for nothing."""

    @classmethod
    def of(cls, owner: Owner, key: Hashable, request: Request, now: int) -> "OpenRequest":
        """A request that is sent now."""
        within = begins_within_ms(request)
        whole = isinstance(request, talk.GetBlock)
        return cls(owner, key, shape_of(request), within, now + within, whole)

    def went_on(self, now: int) -> None:
        """Something came for it, or on the stream before it."""
        if not self.whole and not self.closing:
            self.deadline = max(self.deadline, now + self.within_ms)

    def close(self, now: int) -> None:
        """From now on what comes is thrown away."""
        self.closing = True
        self.deadline = now + CLOSING_MS

    def begin_anew(self, now: int) -> None:
        """Its time begins now."""
        self.deadline = now + (CLOSING_MS if self.closing else self.within_ms)


@dataclass(slots=True)
class Arriving:
    """A frame of the bulk stream that is under way."""

    kind: int
    check_at: int
    """When it must have brought enough since the last check, ms."""
    size: int = 0
    """Bytes since then."""
    slow: bool = False
    """Whether it was found too slow."""

    def enough(self) -> bool:
        """Whether it went on as fast as it must."""
        return self.size * 1_000 >= DRIP_BYTES_PER_S * DRIP_OVER_MS


@dataclass(slots=True)
class PeerRequests:
    """The requests of one connection."""

    last_number: int = 0
    open: dict[int, OpenRequest] = field(default_factory=dict)
    """By number, ascending; closing ones too."""
    numbers: dict[tuple[Owner, Hashable], int] = field(default_factory=dict)
    """Of those that are not closing."""
    arriving: Arriving | None = None
    frame_timer: bool = False
    """Whether a time is set at which that frame is looked at."""

    def add(self, request: OpenRequest) -> int:
        """Its number. Raises ValueError for a key that its owner uses already."""
        name = (request.owner, request.key)
        if name in self.numbers:
            raise ValueError(f"{request.owner.value} already asked this peer for {request.key!r}")
        self.last_number += 1
        self.open[self.last_number] = request
        self.numbers[name] = self.last_number
        return self.last_number

    def close(self, number: int, now: int) -> None:
        """A request that goes on only to be thrown away."""
        request = self.open[number]
        del self.numbers[request.owner, request.key]
        request.close(now)

    def remove(self, number: int) -> None:
        """A request that ended."""
        request = self.open.pop(number)
        if not request.closing:
            del self.numbers[request.owner, request.key]

    @property
    def closing(self) -> int:
        """How many are thrown away."""
        return len(self.open) - len(self.numbers)
