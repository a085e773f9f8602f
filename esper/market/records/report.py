"""What a verifier says of a reply that it replayed; its digest is a leaf of its Beat."""

from dataclasses import dataclass
from typing import Final

from esper.market.records.digests import digest
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Record, decode, encode
from esper.primitives.hashing import HASH_BYTES

REPORT_VERSION: Final = 1
REPORT_LIMIT: Final = 256
"""Bytes of a report, at most."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came out of one replay. The verifier's Beat signs it."""

    genesis_hash: bytes
    """64 bytes: which network."""
    verifier: bytes
    """33 bytes: address of the provider that replayed."""
    record: bytes
    """64 bytes: digest of the record."""
    trace: bytes
    """64 bytes: root of the trace that the verifier computed."""

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode(REPLAY_REPORT, self)

    @property
    def digest(self) -> bytes:
        """64 bytes: what stands in the verifier's Beat. Computed anew at every call."""
        return digest(self.to_bytes())


REPLAY_REPORT: Final = Record(
    ReplayReport,
    REPORT_VERSION,
    (
        ("genesis_hash", FixedBytes(HASH_BYTES)),
        ("verifier", FixedBytes(ADDRESS_BYTES)),
        ("record", FixedBytes(HASH_BYTES)),
        ("trace", FixedBytes(HASH_BYTES)),
    ),
)


def decode_report(data: bytes) -> ReplayReport:
    """Read a report. Raises CodecError."""
    return decode(REPLAY_REPORT, data, limit=REPORT_LIMIT, what="report of a replay")
