"""What became of bonds in a block: told beside the block's changes, in no hash."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, Codec, FixedBytes, Record, Unsigned
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid

MAX_SETTLED: Final = 1 << 12
"""In one block; far more than proposals and reports can be live."""


@dataclass(frozen=True, slots=True)
class SettledBond:
    """Units that a proposal or a report held and holds no more."""

    proposal: Txid
    """64 bytes: the txid of the proposal, or of the report."""
    proposer: bytes
    """33 bytes: who put them there, or who has shown a report to be false."""
    returned: int
    """Units that this address has now."""
    burned: int
    """Units that nobody has any more."""


SETTLED: Final[Codec[tuple[SettledBond, ...]]] = Array(
    Record(
        SettledBond,
        None,
        (
            ("proposal", FixedBytes(HASH_BYTES)),
            ("proposer", FixedBytes(ADDRESS_BYTES)),
            ("returned", Unsigned(63)),
            ("burned", Unsigned(63)),
        ),
    ),
    MAX_SETTLED,
)
"""Those of a block, in the order in which they were settled."""
