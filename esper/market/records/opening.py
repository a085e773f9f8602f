"""What a Settle shows: a claim under its Beat, and of picked draws the record and the report."""

from dataclasses import dataclass
from typing import Final

from esper.market.records.acks import MAX_ACK_PATH
from esper.market.records.beat import BEAT_PATH, BeatPath
from esper.market.records.claim import SESSION_CLAIM, SessionClaim
from esper.market.records.record import MARKET_RECORD, MarketRecord
from esper.market.records.windows import SALT_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode
from esper.primitives.hashing import HASH_BYTES

OPENING_LIMIT: Final = 8192
"""Bytes of an opening, at most."""
SHOWN_LIMIT: Final = 2048
"""Bytes of a claim that is shown, at most."""


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """A claim with its way to a Beat's root."""

    claim: SessionClaim
    beat: int
    """Slot of the Beat."""
    path: BeatPath
    """From the leaf of the session's place."""


SHOWN_CLAIM: Final = Record(
    ShownClaim, None, (("claim", SESSION_CLAIM), ("beat", Unsigned(32)), ("path", BEAT_PATH))
)


@dataclass(frozen=True, slots=True)
class DrawOpening:
    """An answered draw: the record that it hit, and the report of the verifier that agreed."""

    record: MarketRecord
    acked: tuple[bytes, ...]
    """64-byte hashes from the record to the acks; its turn says from where."""
    salt: bytes
    """32 bytes: the seal's."""
    trace: bytes
    """64 bytes: root of the trace."""
    beat: int
    """Slot of the verifier's Beat."""
    index: int
    """Which of its leaves the report is."""
    path: BeatPath
    """From the report to the Beat's root."""


DRAW_OPENING: Final = Record(
    DrawOpening,
    None,
    (
        ("record", MARKET_RECORD),
        ("acked", Array(FixedBytes(HASH_BYTES), MAX_ACK_PATH)),
        ("salt", FixedBytes(SALT_BYTES)),
        ("trace", FixedBytes(HASH_BYTES)),
        ("beat", Unsigned(32)),
        ("index", Unsigned(32)),
        ("path", BEAT_PATH),
    ),
)


def decode_shown_claim(data: bytes) -> ShownClaim:
    """Read a claim with its path. Raises CodecError."""
    return decode(SHOWN_CLAIM, data, limit=SHOWN_LIMIT, what="shown claim")


def decode_opening(data: bytes) -> DrawOpening:
    """Read an opening. Raises CodecError."""
    return decode(DRAW_OPENING, data, limit=OPENING_LIMIT, what="opening of a draw")
