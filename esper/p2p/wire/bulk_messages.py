"""Messages of the bulk stream: what was asked for, and pushed blocks."""

from dataclasses import dataclass
from typing import ClassVar, Final

from esper.p2p.limits import (
    HEADER_BYTES,
    ITEM_BYTES,
    MIB,
    MOST_ASKED,
    MOST_GROUPS,
    MOST_HEADERS,
    MOST_RESULTS,
    MOST_TRANSACTIONS,
    OUTPUTS_BYTES,
    TRANSACTION_BYTES,
)
from esper.p2p.wire.fields import ID, NUMBER, PREFIX, check_ascending
from esper.primitives.codec import Array, Record, Unsigned, VarBytes

MOST_BODY_BYTES: Final = 2 * MIB
"""No network's bodies are larger; the frame's limit is the network's own."""
MOST_PROOF_BYTES: Final = MIB


@dataclass(frozen=True, slots=True)
class Filled:
    """A transaction that a compact block brings along."""

    index: int
    """Its place in the block."""
    transaction: bytes
    """Its bytes."""


@dataclass(frozen=True, slots=True)
class Compact:
    """A block whose transactions are named by prefixes, but those that are brought along."""

    number: int
    """The request's; 0: pushed."""
    header: bytes
    """Canonical header."""
    outputs: bytes
    """Work outputs: the very encoding that the header's outputs_hash covers."""
    results: tuple[bytes, ...]
    """As in the body."""
    groups: tuple[bytes, ...]
    """As in the body."""
    shorts: tuple[bytes, ...]
    """First 16 bytes of the wtxids of all transactions that are not filled, in order."""
    filled: tuple[Filled, ...]
    """By ascending index."""

    TYPE: ClassVar[int] = 32

    def __post_init__(self) -> None:
        count = self.count
        if not 1 <= count <= MOST_TRANSACTIONS:
            raise ValueError(f"{count} transactions, must be 1 to {MOST_TRANSACTIONS}")
        check_ascending(tuple(one.index for one in self.filled), "indices of filled")
        if self.filled and self.filled[-1].index >= count:
            raise ValueError(f"index {self.filled[-1].index} is beyond {count} transactions")

    @property
    def count(self) -> int:
        """Transactions of the block, coinbase included."""
        return len(self.shorts) + len(self.filled)


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof of a block."""

    number: int
    """The request's; 0 behind a pushed compact."""
    block_id: bytes
    """64 bytes."""
    proof: bytes
    """Its bytes."""

    TYPE: ClassVar[int] = 33


@dataclass(frozen=True, slots=True)
class Txs:
    """Transactions that were asked for: those that the sender has, in the order asked."""

    number: int
    """The request's."""
    transactions: tuple[bytes, ...]
    """At most 64."""

    TYPE: ClassVar[int] = 34


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers that were asked for."""

    number: int
    """The request's."""
    fork: bytes
    """64 bytes: the block of the locator behind which they follow."""
    headers: tuple[bytes, ...]
    """At most 128, ascending from the fork's child."""

    TYPE: ClassVar[int] = 35


@dataclass(frozen=True, slots=True)
class BodyOf:
    """The body of a block."""

    number: int
    """The request's."""
    block_id: bytes
    """64 bytes."""
    body: bytes
    """Its bytes."""

    TYPE: ClassVar[int] = 36


@dataclass(frozen=True, slots=True)
class BlockTxs:
    """Transactions of a block that were asked for, as asked."""

    number: int
    """The request's."""
    block_id: bytes
    """64 bytes."""
    transactions: tuple[bytes, ...]
    """One for each index."""

    TYPE: ClassVar[int] = 37


FILLED: Final = Record(
    Filled, None, (("index", Unsigned(16)), ("transaction", VarBytes(TRANSACTION_BYTES)))
)
COMPACT: Final = Record(
    Compact,
    1,
    (
        ("number", NUMBER),
        ("header", VarBytes(HEADER_BYTES)),
        ("outputs", VarBytes(OUTPUTS_BYTES)),
        ("results", Array(VarBytes(ITEM_BYTES), MOST_RESULTS)),
        ("groups", Array(VarBytes(ITEM_BYTES), MOST_GROUPS)),
        ("shorts", Array(PREFIX, MOST_TRANSACTIONS)),
        ("filled", Array(FILLED, MOST_TRANSACTIONS)),
    ),
)
PROOF: Final = Record(
    Proof, 1, (("number", NUMBER), ("block_id", ID), ("proof", VarBytes(MOST_PROOF_BYTES)))
)
TXS: Final = Record(
    Txs, 1, (("number", NUMBER), ("transactions", Array(VarBytes(TRANSACTION_BYTES), MOST_ASKED)))
)
HEADERS: Final = Record(
    Headers,
    1,
    (("number", NUMBER), ("fork", ID), ("headers", Array(VarBytes(HEADER_BYTES), MOST_HEADERS))),
)
BODY: Final = Record(
    BodyOf, 1, (("number", NUMBER), ("block_id", ID), ("body", VarBytes(MOST_BODY_BYTES)))
)
BLOCK_TXS: Final = Record(
    BlockTxs,
    1,
    (
        ("number", NUMBER),
        ("block_id", ID),
        ("transactions", Array(VarBytes(TRANSACTION_BYTES), MOST_TRANSACTIONS)),
    ),
)
