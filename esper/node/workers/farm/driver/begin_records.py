"""What a driver and a worker that begins say to each other, as records."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from esper.primitives.codec import Record, Unsigned, VarBytes, decode, encode

BEGIN_VERSION: Final = 1
BEGUN_BYTES: Final = 1 << 12
HEAD_BYTES: Final = 64


class State(IntEnum):
    """How far a worker is."""

    READY = 0
    """It has loaded what it needs; data: a WorkerFace."""
    LACKING = 1
    """Files of its entry do not lie on its machine."""
    UNFIT = 2
    """It cannot begin; data: a sentence in UTF-8."""


@dataclass(frozen=True, slots=True)
class Begun:
    """How far a worker is."""

    state: State
    """Which of them."""
    data: bytes = b""
    """By state."""


def _begun(state: int, data: bytes) -> Begun:
    return Begun(State(state), data)


BEGUN: Final = Record(
    _begun, BEGIN_VERSION, (("state", Unsigned(8)), ("data", VarBytes(BEGUN_BYTES)))
)


def begun_bytes(begun: Begun) -> bytes:
    """The record as it is sent."""
    return encode(BEGUN, begun)


def decode_begun(data: bytes) -> Begun:
    """How far a worker says it is. Raises CodecError."""
    return decode(BEGUN, data, limit=2 * BEGUN_BYTES, what="worker's begin")


@dataclass(frozen=True, slots=True)
class ChunkHead:
    """Where a chunk of a file belongs."""

    file: int
    """Its place in ``FILES``."""
    offset: int
    """Bytes of the file before it."""


CHUNK_HEAD: Final = Record(
    ChunkHead, BEGIN_VERSION, (("file", Unsigned(8)), ("offset", Unsigned(63)))
)


def head_bytes(head: ChunkHead) -> bytes:
    """The record as it is sent."""
    return encode(CHUNK_HEAD, head)


def decode_head(data: bytes) -> ChunkHead:
    """Where a chunk belongs. Raises CodecError."""
    return decode(CHUNK_HEAD, data, limit=HEAD_BYTES, what="chunk's head")
