"""Bytes of what is counted about tiers, as they stand in a chain's context."""

from typing import Final

from esper.consensus.tiers import TierState, TierTally
from esper.dao.registry import MAX_TIERS
from esper.primitives.codec import Array, Record, Unsigned

RECORD_VERSION: Final = 1
TIER_STATE_LIMIT: Final = 1024
"""Largest encoded tally of all tiers: 8 of at most 13 bytes."""

TIER_TALLY: Final = Record(
    TierTally,
    None,
    (("tier", Unsigned(8)), ("multiplier", Unsigned(19)), ("blocks", Unsigned(32))),
)

TIER_STATE: Final = Record(TierState, RECORD_VERSION, (("tallies", Array(TIER_TALLY, MAX_TIERS)),))
"""One record for all: it changes with every block."""
