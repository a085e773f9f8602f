"""What a worker of another machine says it found: too little to be believed, enough to be checked.

Prompts, inputs, seed and result are left out: whoever gave the job computes them anew.
"""

from dataclasses import dataclass
from typing import Final

from esper.primitives.codec import Array, Record, Unsigned, decode, encode
from esper.primitives.work_outputs import MAX_SEQUENCES, PROVEN_ANSWER, ProvenAnswer

FOUND_VERSION: Final = 1
FOUND_BYTES: Final = 1 << 16
"""Twice what four sequences of 64 tokens with eight candidates each take."""


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A nonce that is said to win, with the answers that it is said to win by."""

    number: int
    """Of the job."""
    time_ms: int
    """The header's time, in milliseconds since 1970."""
    nonce: int
    """The header's."""
    answers: tuple[ProvenAnswer, ...]
    """One per sequence, in the batch's order."""


FOUND_RECORD: Final = Record(
    FoundRecord,
    FOUND_VERSION,
    (
        ("number", Unsigned(64)),
        ("time_ms", Unsigned(64)),
        ("nonce", Unsigned(64)),
        ("answers", Array(PROVEN_ANSWER, MAX_SEQUENCES)),
    ),
)


def found_bytes(found: FoundRecord) -> bytes:
    """The record as it is sent."""
    return encode(FOUND_RECORD, found)


def decode_found(data: bytes) -> FoundRecord:
    """A record from a worker's bytes. Raises CodecError for anything but a canonical one."""
    return decode(FOUND_RECORD, data, limit=FOUND_BYTES, what="found ticket")
