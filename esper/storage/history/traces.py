"""What was said about proposals, reports and hidden sets, by what it is about: who claimed, proved.

The state holds neither who proved an item nor what has ended; blocks do. A trace is the
part of them that answers "who proved what" without reading a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Record, Unsigned, VarBytes
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid

MAX_TRACE_BITS: Final = 2048
"""Bytes: those of the longest report."""
INDEX_BYTES: Final = 2


class Traced(IntEnum):
    """What is said."""

    CLAIMED = 1
    """A report on the proposal that it is about."""
    PROVED = 2
    """An item of the report that it is about."""
    SETTLED = 3
    """What a block did with the bond that it is about."""
    COMMITTED = 4
    """A hidden set for the tokenizer that it is about."""
    OPENED = 5
    """Items of the hidden set that it is about."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that a block says about something."""

    about: Txid
    """64 bytes: of a report's claim the proposal, of a hidden set's the tokenizer; else the report,
    set or proposal."""
    height: int
    """Of the block."""
    what: Traced
    txid: Txid
    """64 bytes: of the transaction; empty for what a block settled."""
    address: bytes
    """33 bytes: who sent it, or whose coins were settled."""
    number: int
    """Of a claim the suite's place, or how many items a set has; of a proof the item's, of an
    opening how many items it opens."""
    bits: bytes
    """Of a claim: the report's. Of an opening: ``index_bytes`` of what it opens."""
    returned: int
    """Units that a settlement gave to ``address``."""
    burned: int
    """Units that nobody has any more."""


def index_bytes(indices: Sequence[int]) -> bytes:
    """Two bytes for each item of a hidden set, big-endian."""
    return b"".join(one.to_bytes(INDEX_BYTES, "big") for one in indices)


def indices_from(data: bytes) -> tuple[int, ...]:
    """The same read."""
    starts = range(0, len(data), INDEX_BYTES)
    return tuple(int.from_bytes(data[at : at + INDEX_BYTES], "big") for at in starts)


def _trace(what: int, **parts: int | bytes) -> Trace:
    return Trace(what=Traced(what), **parts)  # type: ignore[arg-type]


TRACE: Final = Record(
    _trace,
    None,
    (
        ("about", FixedBytes(HASH_BYTES)),
        ("height", Unsigned(32)),
        ("what", Unsigned(8)),
        ("txid", VarBytes(HASH_BYTES)),
        ("address", FixedBytes(ADDRESS_BYTES)),
        ("number", Unsigned(16)),
        ("bits", VarBytes(MAX_TRACE_BITS)),
        ("returned", Unsigned(63)),
        ("burned", Unsigned(63)),
    ),
)
