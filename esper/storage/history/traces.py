"""What was said about a proposal or a report, by what it is about: who claimed, who proved.

The state holds neither who proved an item nor a report that has ended; blocks do. A trace is the
part of them that answers "who proved what" without reading a block.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Record, Unsigned, VarBytes
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid

MAX_TRACE_BITS: Final = 2048
"""Bytes: those of the longest report."""


class Traced(IntEnum):
    """What is said."""

    CLAIMED = 1
    """A report on the proposal that it is about."""
    PROVED = 2
    """An item of the report that it is about."""
    SETTLED = 3
    """What a block did with the bond that it is about."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that a block says about something."""

    about: Txid
    """64 bytes: of a claim the proposal, else the report or proposal."""
    height: int
    """Of the block."""
    what: Traced
    txid: Txid
    """64 bytes: of the transaction; empty for what a block settled."""
    address: bytes
    """33 bytes: who sent it, or whose coins were settled."""
    number: int
    """Of a claim the suite's place, of a proof the item's."""
    bits: bytes
    """Of a claim: the report's."""
    returned: int
    """Units that a settlement gave to ``address``."""
    burned: int
    """Units that nobody has any more."""


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
