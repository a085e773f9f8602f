"""The tiers that a network begins with: its own model and those beside it."""

from esper.dao.omega import computed_omega
from esper.dao.registry import ONE, Puzzle, Tier, TierRegistry
from esper.primitives.params import NetworkParameters


def genesis_registry(params: NetworkParameters) -> TierRegistry:
    """Tier 0 has what the others leave of the shares; omega follows from the shapes.

    Raises ValueError if tiers, shares or weights contradict each other.
    """
    first, puzzle = params.model, Puzzle.of(params.puzzle)
    others = [
        Tier(
            tier.model,
            computed_omega(puzzle, tier.model, puzzle, first),
            tier.share,
            puzzle,
        )
        for tier in params.further_tiers
    ]
    rest = ONE - sum(tier.share for tier in others)
    return TierRegistry((Tier(first, ONE, rest, puzzle), *others))
