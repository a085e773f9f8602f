"""Rows that one call takes in a proof: what the parameters allow, and what its model can fill.

    rows = min(rows_per_call, p2(max_seq), p2((2^20 - 400 KiB) / (4 dim)))       p2 rounds down

A vote may raise rows_per_call beyond a model's reach, or beyond what leaves room in a proof for
the embedding rows, which travel in it: no call to that model could be proven any more.
"""

from typing import Final

from esper.primitives.model_entry import ModelShape
from esper.primitives.params import CallParameters

EMBEDDING_ROOM: Final = (1 << 20) - 400 * 1024
"""Bytes of embedding rows in the proof of one call, at most."""
VALUE_BYTES: Final = 4


def call_rows(rules: CallParameters, shape: ModelShape) -> int:
    """Rows of a call to a model of this shape: a power of two where rows_per_call is one."""
    room = _power_of_two_below(EMBEDDING_ROOM // (VALUE_BYTES * shape.dim))
    return min(rules.rows_per_call, _power_of_two_below(shape.max_seq), room)


def _power_of_two_below(number: int) -> int:
    return 1 << max(number, 1).bit_length() - 1
