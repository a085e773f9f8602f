"""The tiers that a network begins with: its own model and those beside it."""

from esper.consensus.omega import computed_omega
from esper.consensus.tiers import ONE, Tier, TierRegistry
from esper.primitives.params import NetworkParameters


def genesis_registry(params: NetworkParameters) -> TierRegistry:
    """Tier 0 has what the others leave of the shares; omega follows from the shapes.

    Raises ValueError if tiers, shares or weights contradict each other.
    """
    first = params.model
    others = [
        Tier(tier.model, computed_omega(params.puzzle, tier.model, first), tier.share)
        for tier in params.further_tiers
    ]
    rest = ONE - sum(tier.share for tier in others)
    return TierRegistry((Tier(first, ONE, rest), *others))
