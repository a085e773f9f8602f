"""Kinds of fields that several messages share, and the values that stand in them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper.p2p.limits import AGENT_BYTES, PREFIX_BYTES, WEIGHT_BYTES
from esper.primitives.codec import FixedBytes, Record, Unsigned, VarBytes
from esper.primitives.hashing import HASH_BYTES

ID: Final = FixedBytes(HASH_BYTES)
PREFIX: Final = FixedBytes(PREFIX_BYTES)
PEER_ID_BYTES: Final = 38
PEER_ID: Final = FixedBytes(PEER_ID_BYTES)
IP_BYTES: Final = 16
IP: Final = FixedBytes(IP_BYTES)
"""IPv4 addresses are mapped into IPv6."""
NUMBER: Final = Unsigned(32)
"""Of a request; 0 marks a push."""
WEIGHT: Final = VarBytes(WEIGHT_BYTES)
AGENT: Final = VarBytes(AGENT_BYTES)
MOST_WEIGHT: Final = (1 << 512) - 1


def weight_bytes(weight: int) -> bytes:
    """A weight as it is sent: big-endian without leading zeros, capped at 2^512 - 1."""
    capped = min(weight, MOST_WEIGHT)
    return capped.to_bytes((capped.bit_length() + 7) // 8, "big")


def check_weight(weight: bytes) -> None:
    """Raises ValueError for a weight with leading zeros: it would have two encodings."""
    if weight[:1] == b"\0":
        raise ValueError("weight begins with a zero byte")


def check_ascending(values: tuple[int, ...], what: str) -> None:
    """Raises ValueError unless each value exceeds the one before it."""
    if any(left >= right for left, right in pairwise(values)):
        raise ValueError(f"{what} must ascend")


def check_count(values: tuple[object, ...], what: str) -> None:
    """Raises ValueError for an empty list where there must be something."""
    if not values:
        raise ValueError(f"{what} must not be empty")


@dataclass(frozen=True, slots=True)
class Claim:
    """The tip that a peer says it stands on."""

    height: int
    """Its height."""
    weight: int
    """Sum of the weights of its chain, at most 2^512 - 1."""
    tip: bytes
    """64 bytes: its block id."""


@dataclass(frozen=True, slots=True)
class KnownAddress:
    """One line of an addrs message."""

    ip: bytes
    """16 bytes."""
    port: int
    """1 to 65535."""
    peer_id: bytes
    """38 bytes."""
    services: int
    """Bits, as the peer said them."""
    seen_min: int
    """Minutes since 1970."""

    def __post_init__(self) -> None:
        if self.port == 0:
            raise ValueError("port must not be 0")


KNOWN_ADDRESS: Final = Record(
    KnownAddress,
    None,
    (
        ("ip", IP),
        ("port", Unsigned(16)),
        ("peer_id", PEER_ID),
        ("services", Unsigned(32)),
        ("seen_min", Unsigned(32)),
    ),
)
