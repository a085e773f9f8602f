"""What evidence took from a gateway: told beside the block's changes, in no hash.

The state knows how much was taken for a receipt in all, but neither of what nor who had half of it.
"""

from dataclasses import dataclass
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, Codec, FixedBytes, Record, Unsigned
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid

MAX_PENALTIES: Final = 1 << 12
"""In one block; evidence has a signature of 3,309 bytes, so a body holds far fewer."""


@dataclass(frozen=True, slots=True)
class TakenPenalty:
    """Units that a gateway had, and has no more."""

    txid: Txid
    """64 bytes: the transaction with the evidence."""
    receipt: Txid
    """64 bytes: digest of the receipt that it is about."""
    gateway: bytes
    """33 bytes: from whom."""
    accuser: bytes
    """33 bytes: who has half of it now."""
    rewards: int
    """Units of rewards that were pending."""
    stake: int
    """Units of the stake."""
    unbonding: int
    """Units that were on their way from the stake."""
    paid: int
    """Units that the accuser got: half of all, rounded down."""

    @property
    def taken(self) -> int:
        """Units, all together."""
        return self.rewards + self.stake + self.unbonding

    @property
    def burned(self) -> int:
        """Units that nobody has any more."""
        return self.taken - self.paid


PENALTY: Final = Record(
    TakenPenalty,
    None,
    (
        ("txid", FixedBytes(HASH_BYTES)),
        ("receipt", FixedBytes(HASH_BYTES)),
        ("gateway", FixedBytes(ADDRESS_BYTES)),
        ("accuser", FixedBytes(ADDRESS_BYTES)),
        ("rewards", Unsigned(63)),
        ("stake", Unsigned(63)),
        ("unbonding", Unsigned(63)),
        ("paid", Unsigned(63)),
    ),
)
PENALTIES: Final[Codec[tuple[TakenPenalty, ...]]] = Array(PENALTY, MAX_PENALTIES)
"""Those of a block, in the order of its transactions."""
