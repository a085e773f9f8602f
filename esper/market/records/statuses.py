"""What became of each draw of a claim: two bits a draw, the first in the lowest of the first byte.

A claim says them of an earlier one. How many draws there were, the chain knows; bits behind the
last one are zero, so that one list of statuses has one form.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from esper.primitives.codec import CodecError

BITS: Final = 2
PER_BYTE: Final = 4
MAX_STATUS_BYTES: Final = 4
"""Of the 16 draws that a claim has at most."""


class DrawStatus(IntEnum):
    """What a provider says of one draw, on the wire."""

    UNANSWERED = 0
    """Nobody showed a report that agrees."""
    FIRST = 1
    """The first of the two verifiers did."""
    SECOND = 2
    """The second one did."""
    VOID = 3
    """Neither could: none is there, or it sends no Beats."""


def statuses_bytes(statuses: Sequence[DrawStatus]) -> bytes:
    """As a claim has them. Raises ValueError for more than a claim can say."""
    if len(statuses) > PER_BYTE * MAX_STATUS_BYTES:
        raise ValueError(f"{len(statuses)} statuses, must be {PER_BYTE * MAX_STATUS_BYTES} at most")
    packed = sum(status << BITS * place for place, status in enumerate(statuses))
    return packed.to_bytes(-(-len(statuses) // PER_BYTE), "little")


def read_statuses(data: bytes, count: int) -> tuple[DrawStatus, ...]:
    """The statuses of ``count`` draws. Raises CodecError unless the bytes are of so many."""
    if len(data) != -(-count // PER_BYTE):
        raise CodecError(
            f"statuses: {len(data)} bytes, must be {-(-count // PER_BYTE)} for {count} draws", 0
        )
    packed = int.from_bytes(data, "little")
    if packed >> BITS * count:
        raise CodecError(f"statuses: bits behind those of {count} draws are not zero", 0)
    return tuple(DrawStatus(packed >> BITS * place & (1 << BITS) - 1) for place in range(count))
