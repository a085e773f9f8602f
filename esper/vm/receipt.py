"""Receipts: what became of each transaction of a block."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Record, Unsigned, encode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid

RECEIPT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """One transaction's outcome. There is no failed one: a block holds none."""

    kind: int
    """Number of the transaction's kind."""
    txid: Txid
    """64 bytes."""
    sender: bytes
    """33 bytes: who signed it."""
    fee: int
    """Units paid to the block's finder."""
    burned: int
    """Micro-credits burned."""
    locked: int
    """Micro-credits locked for an answer that is yet to come."""
    paid_tokens: int
    """Prompt and answer tokens that were paid for."""
    own: int
    """1 if who pays is the block's payee, a miner that pays itself; 0 otherwise."""

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode(RECEIPT, self)


RECEIPT: Final = Record(
    Receipt,
    RECEIPT_VERSION,
    (
        ("kind", Unsigned(8)),
        ("txid", FixedBytes(HASH_BYTES)),
        ("sender", FixedBytes(ADDRESS_BYTES)),
        ("fee", Unsigned(63)),
        ("burned", Unsigned(63)),
        ("locked", Unsigned(63)),
        ("paid_tokens", Unsigned(32)),
        ("own", Unsigned(1)),
    ),
)
