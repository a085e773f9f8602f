"""Two answers to one turn: two records of a session's turn that one provider signed.

target = the digest of the first record
"""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import MAX_KEY_BYTES, MAX_SIGNATURE_BYTES
from esper.market.records.record import MARKET_RECORD, MarketRecord
from esper.primitives.codec import Record, VarBytes, decode, encode

DOUBLE_SUBJECT: Final = 6
"""Of a Prove."""
DOUBLE_LIMIT: Final = 24_576
"""Bytes of both with key and signatures, at most."""


@dataclass(frozen=True, slots=True)
class TwoRecords:
    """What shows that a provider signed twice."""

    first: MarketRecord
    first_signature: bytes
    """By the provider's key, suite 1."""
    second: MarketRecord
    second_signature: bytes
    """By the same key."""
    key: bytes
    """The provider's public key."""


TWO_RECORDS: Final = Record(
    TwoRecords,
    None,
    (
        ("first", MARKET_RECORD),
        ("first_signature", VarBytes(MAX_SIGNATURE_BYTES)),
        ("second", MARKET_RECORD),
        ("second_signature", VarBytes(MAX_SIGNATURE_BYTES)),
        ("key", VarBytes(MAX_KEY_BYTES)),
    ),
)


def read_two_records(data: bytes) -> TwoRecords:
    """Both from their bytes. Raises CodecError."""
    return decode(TWO_RECORDS, data, limit=DOUBLE_LIMIT, what="two records of one turn")


def two_records_bytes(shown: TwoRecords) -> bytes:
    """The canonical bytes."""
    return encode(TWO_RECORDS, shown)
