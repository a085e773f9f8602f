"""Frames: where a message begins and ends on a stream.

    frame = length u32 big-endian | type u8 | record       length: of type and record, at least 3

Length and type are held against the limits before anything else is read, and no room is made for
what has not come.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import FRAME_HEAD_BYTES
from esper.p2p.wire.messages import FrameLimits, Message, StreamKind, encode_message

LEAST_LENGTH: Final = 3
"""A type and the shortest record, `[1]`: 0x91 0x01."""
_HEAD: Final = FRAME_HEAD_BYTES + 1


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame."""

    kind: int
    """Its type."""
    record: bytes
    """Its record."""

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return _HEAD + len(self.record)


def frame_bytes(message: Message) -> bytes:
    """A message as it is sent. Raises ValueError for values outside its schema."""
    record = encode_message(message)
    return (1 + len(record)).to_bytes(FRAME_HEAD_BYTES, "big") + bytes((message.TYPE,)) + record


class FrameReader:
    """Takes bytes as they come, and gives whole frames."""

    def __init__(
        self,
        stream: StreamKind,
        limits: FrameLimits,
        may_begin: Callable[[int], None] | None = None,
    ) -> None:
        """``limits`` are the network's; ``may_begin`` raises Fault for a type not wanted now."""
        self._stream = stream
        self._limits = limits
        self._may_begin = may_begin
        self._held = bytearray()
        self._wanted = _HEAD
        self._kind = -1

    @property
    def held(self) -> int:
        """Bytes of a frame that is not whole; 0 between two frames."""
        return len(self._held)

    @property
    def kind(self) -> int | None:
        """The type of the frame that is under way; None between two, and within a head."""
        return self._kind if self._kind >= 0 else None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with these bytes; take them all before the next call.

        Raises Fault (CODEC) at a head that no frame may have, or what ``may_begin`` raises; nothing
        can be read after it.
        """
        position = 0
        while position < len(data):
            part = data[position : position + self._wanted - len(self._held)]
            position += len(part)
            self._held += part
            if len(self._held) < self._wanted:
                return
            if self._kind < 0:
                self._read_head()
                continue
            frame = Frame(self._kind, bytes(memoryview(self._held)[_HEAD:]))
            self._held, self._wanted, self._kind = bytearray(), _HEAD, -1
            yield frame

    def _read_head(self) -> None:
        length = int.from_bytes(self._held[:FRAME_HEAD_BYTES], "big")
        kind = self._held[FRAME_HEAD_BYTES]
        if length < LEAST_LENGTH:
            raise Fault(Offence.CODEC, f"a frame of {length} bytes, at least {LEAST_LENGTH}")
        most = self._limits.most(kind, self._stream)
        if length - 1 > most:
            raise Fault(
                Offence.CODEC, f"message of type {kind} has {length - 1} bytes, at most {most}"
            )
        if self._may_begin is not None:
            self._may_begin(kind)
        self._kind, self._wanted = kind, FRAME_HEAD_BYTES + length
