"""Tiers for tests: the genesis model's shape under other numbers."""

from collections.abc import Sequence
from dataclasses import replace

from esper.consensus.tiers import TierState, TierTally
from esper.dao.registry import Puzzle, Tier, TierRegistry
from esper.primitives.networks import MAINNET
from esper.primitives.units import FIXED_POINT_ONE

ONE = FIXED_POINT_ONE
PUZZLE = Puzzle.of(MAINNET.puzzle)


def tier(tier_id: int, omega: int = ONE, share: int = ONE) -> Tier:
    return Tier(replace(MAINNET.model, tier=tier_id), omega, share, PUZZLE)


def registry(*shares: int) -> TierRegistry:
    """Tiers 0, 1, ... of weights 1, 2, ... with these shares."""
    return TierRegistry(
        tuple(tier(index, (index + 1) * ONE, share) for index, share in enumerate(shares))
    )


def state(multipliers: Sequence[int], blocks: Sequence[int]) -> TierState:
    return TierState(
        tuple(
            TierTally(index, multiplier, count)
            for index, (multiplier, count) in enumerate(zip(multipliers, blocks, strict=True))
        )
    )
