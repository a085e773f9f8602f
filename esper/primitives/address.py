"""Addresses: a signature suite and the hash of a key.

hash    = H32(esper/address/v1, suite as u8 || public key)
on wire = suite as u8 || hash                                   33 bytes
as text = bech32m(prefix of the network, the same 33 bytes)
"""

from dataclasses import dataclass
from typing import Final

from esper.primitives.bech32m import Bech32Error, bech32m_decode, bech32m_encode
from esper.primitives.hashing import HASH32_BYTES, make_tag, tagged_hash32
from esper.primitives.networks import network_of_prefix

TAG_ADDRESS: Final = make_tag("esper/address/v1")

SUITE_ML_DSA_65: Final = 1
"""FIPS 204, the default."""
SUITE_SLH_DSA_128S: Final = 2
"""FIPS 205, SHA2-128s: hashes only, larger and slower."""
SUITES: Final = frozenset({SUITE_ML_DSA_65, SUITE_SLH_DSA_128S})

ADDRESS_BYTES: Final = 1 + HASH32_BYTES


class AddressError(ValueError):
    """A text or byte string that is no address of this network, with the reason."""


@dataclass(frozen=True, slots=True)
class Address:
    """Who is paid. Raises AddressError for an unknown suite or a hash of another length."""

    suite: int
    """Which signature scheme the key belongs to."""
    key_hash: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        if self.suite not in SUITES:
            raise AddressError(f"address suite {self.suite} is unknown, must be one of 1, 2")
        if len(self.key_hash) != HASH32_BYTES:
            raise AddressError(
                f"address hash has {len(self.key_hash)} bytes, must have {HASH32_BYTES}"
            )

    @classmethod
    def of_key(cls, suite: int, public_key: bytes) -> "Address":
        """The address of a public key in its suite's encoding."""
        return cls(suite, tagged_hash32(TAG_ADDRESS, bytes([suite]), public_key))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Address":
        """Read the 33 bytes of the wire."""
        if len(data) != ADDRESS_BYTES:
            raise AddressError(f"address has {len(data)} bytes, must have {ADDRESS_BYTES}")
        return cls(data[0], data[1:])

    @classmethod
    def from_text(cls, text: str, prefix: str) -> "Address":
        """Read an address of the network with this prefix."""
        try:
            found, data = bech32m_decode(text)
        except Bech32Error as error:
            raise AddressError(f"address {text!r}: {error}") from error
        if found != prefix:
            raise AddressError(
                f"address {text!r} begins with {_told(found)}; this network's begin with "
                f"{_told(prefix)}"
            )
        return cls.from_bytes(data)

    def to_bytes(self) -> bytes:
        """The 33 bytes of the wire."""
        return bytes([self.suite]) + self.key_hash

    def to_text(self, prefix: str) -> str:
        """The text under a network's prefix."""
        return bech32m_encode(prefix, self.to_bytes())


def _told(prefix: str) -> str:
    """A prefix and, where there is one, the network whose it is."""
    name = network_of_prefix(prefix)
    return repr(prefix) if name is None else f"{prefix!r} ({name})"
