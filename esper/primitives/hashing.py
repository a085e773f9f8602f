"""Tagged hashing: the only way bytes become identifiers.

Every use has its own tag, so that bytes hashed for one purpose can never stand for another:

    H(tag, x)   = SHA3-512(tag padded with zero bytes to 32 bytes || x)      64 bytes
    H32(tag, x) = SHA3-256(tag padded with zero bytes to 32 bytes || x)      32 bytes
    XOF(tag, x) = SHAKE256(tag padded with zero bytes to 32 bytes || x)      stream

H is the rule. H32 serves the state tree, whose nodes are then 96 bytes, inside SHA3-256's rate of
136, and cost one permutation; and the VRF tree and addresses, for their size. Integers inside
hashed bytes are unsigned and big-endian, of fixed width; variable parts carry their length.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NewType

from esper._native import sha3_512_many

Tag = NewType("Tag", bytes)
"""32 bytes: an ASCII name such as ``esper/work/v1``, padded with zero bytes."""

TAG_BYTES: Final = 32
HASH_BYTES: Final = 64
HASH32_BYTES: Final = 32


def make_tag(name: str) -> Tag:
    """Pad ``name`` to a 32-byte tag.

    Raises ValueError if the name is empty, longer than 32 bytes or not printable ASCII: a zero byte
    inside would make two names pad to one tag.
    """
    if not name or len(name) > TAG_BYTES or not all("!" <= c <= "~" for c in name):
        raise ValueError(
            f"tag {name!r} must be 1 to {TAG_BYTES} printable ASCII characters without blanks"
        )
    return Tag(name.encode("ascii").ljust(TAG_BYTES, b"\0"))


def tagged_hash(tag: Tag, *parts: bytes) -> bytes:
    """H(tag, parts joined): 64 bytes of SHA3-512. The caller makes the joining unambiguous."""
    h = hashlib.sha3_512(tag)
    for part in parts:
        h.update(part)
    return h.digest()


def tagged_hashes(tag: Tag, messages: Sequence[bytes]) -> list[bytes]:
    """H(tag, message) of each message, in their order: several at once in the extension."""
    return sha3_512_many(tag, messages)


def tagged_hash32(tag: Tag, *parts: bytes) -> bytes:
    """H32(tag, parts joined): 32 bytes of SHA3-256. For state and VRF trees and addresses."""
    h = hashlib.sha3_256(tag)
    for part in parts:
        h.update(part)
    return h.digest()


class Xof:
    """SHAKE256(tag || parts) as a stream that is read once, front to back.

    hashlib's SHAKE cannot continue a squeeze, so the stream is produced again at twice the length
    whenever it runs out; reading n bytes costs at most about 4 n bytes of squeezing.
    """

    __slots__ = ("_buffer", "_position", "_shake")

    def __init__(self, tag: Tag, *parts: bytes) -> None:
        self._shake = hashlib.shake_256(tag)
        for part in parts:
            self._shake.update(part)
        self._buffer = b""
        self._position = 0

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes of the stream."""
        end = self._position + size
        if end > len(self._buffer):
            self._buffer = self._shake.digest(max(end, 2 * len(self._buffer), 136))
        chunk = self._buffer[self._position : end]
        self._position = end
        return chunk

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), bound <= 2^64.

        Takes big-endian u64 words and rejects those at or above floor(2^64 / bound) * bound, so
        that no residue is favoured. Raises ValueError if the bound is outside [1, 2^64].
        """
        if not 1 <= bound <= 1 << 64:
            raise ValueError(f"bound {bound} must be in [1, 2^64]")
        limit = (1 << 64) // bound * bound
        while True:
            word = int.from_bytes(self.read(8), "big")
            if word < limit:
                return word % bound


def u16(value: int) -> bytes:
    """Two bytes, big-endian. Raises OverflowError outside [0, 2^16)."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Four bytes, big-endian. Raises OverflowError outside [0, 2^32)."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Eight bytes, big-endian. Raises OverflowError outside [0, 2^64)."""
    return value.to_bytes(8, "big")
