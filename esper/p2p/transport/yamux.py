"""Heads of Yamux frames, version 0, as the specification of hashicorp/yamux has them."""

import struct
from typing import Final, NamedTuple

HEAD_BYTES: Final = 12
FIRST_WINDOW: Final = 256 * 1024
"""Bytes that either side may send on a new stream."""

DATA: Final = 0
WINDOW_UPDATE: Final = 1
PING: Final = 2
GO_AWAY: Final = 3

SYN: Final = 1
ACK: Final = 2
FIN: Final = 4
RST: Final = 8
ALL_FLAGS: Final = SYN | ACK | FIN | RST

_HEAD: Final = struct.Struct("!BBHII")


class Head(NamedTuple):
    """The first twelve bytes of a frame."""

    version: int
    kind: int
    flags: int
    stream: int
    """0: the connection."""
    length: int
    """Bytes that follow (data), bytes granted, a ping's number, or why the peer goes away."""


def head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """The bytes of a head."""
    return _HEAD.pack(0, kind, flags, stream, length)


def read_head(data: bytes, at: int = 0) -> Head:
    """The head whose bytes begin at ``at``."""
    return Head(*_HEAD.unpack_from(data, at))
