"""Other readings of the rule of tier multipliers, to compare with the one in force.

All clamp first and renormalise after, by R = sum(a m) / A, so none bounds the multipliers in use,
and none takes the discount from a tier that is ahead of its share.
"""

from __future__ import annotations

from dataclasses import replace

from bench.target_world import AfterBlock
from esper.consensus.difficulty import Anchor, next_anchor, tier_target
from esper.consensus.tiers import TierState, TierTally
from esper.dao.registry import Entry, TierRegistry
from esper.primitives.params import DifficultyParameters
from esper.primitives.units import FIXED_POINT_ONE

ONE = FIXED_POINT_ONE
READINGS = {
    "m / R, base / R": (True, -1),
    "m, base / R": (False, -1),
    "m / R, base R": (True, 1),
    "m / R, base": (True, 0),
}
"""Whether multipliers are divided by R, and the power of R that the base is multiplied by."""


class _Loose(TierTally):
    """A tally whose multiplier may lie outside the bounds."""

    def __post_init__(self) -> None:
        pass


def rival(divided: bool, power: int) -> AfterBlock:
    """A rule of the form of ``after_block`` for one of the READINGS."""

    def after(
        registry: TierRegistry,
        state: TierState,
        anchor: Anchor | None,
        *,
        tier_id: int,
        height: int,
        time_ms: int,
        rules: DifficultyParameters,
    ) -> tuple[TierState, Anchor | None]:
        tallies = [
            _Loose(t.tier, t.multiplier, t.blocks + (t.tier == tier_id)) for t in state.tallies
        ]
        moved = next_anchor(anchor, height, time_ms, rules)
        if moved is None or height % rules.window:
            return TierState(tuple(tallies)), moved
        total = sum(tally.blocks for tally in tallies)
        due = [
            min(total * tier.share, 4 * ONE * tally.blocks)
            for tier, tally in zip(registry.tiers, tallies, strict=True)
        ]
        raised = []
        for own, tally in zip(due, tallies, strict=True):
            step = 2 * ONE
            if tally.blocks:
                wanted = total * own * ONE // (sum(due) * tally.blocks)
                step = max(ONE // 2, min(wanted, 2 * ONE))
            raised.append(max(ONE // 4, min(tally.multiplier * step // ONE, 4 * ONE)))
        mean = sum(own * value for own, value in zip(due, raised, strict=True))
        if divided:
            moved_to = [max(1, value * sum(due) * ONE // mean) for value in raised]
        else:
            moved_to = raised
        base = moved.target
        if power > 0:
            base = base * mean // (sum(due) * ONE)
        elif power < 0:
            base = base * sum(due) * ONE // mean
        base = max(1, min(base, rules.max_target))
        closed = tuple(
            _Loose(tally.tier, value, 0) for tally, value in zip(tallies, moved_to, strict=True)
        )
        return TierState(closed), replace(moved, target=base)

    return after


def unlimited_target(
    entry: Entry,
    registry: TierRegistry,
    state: TierState,
    base: int,
    rules: DifficultyParameters,
) -> int:
    """Like ``target_of``, but a tier keeps its discount while it is ahead."""
    multiplier = state.tally(entry.model.tier).multiplier
    return tier_target(base, entry.omega, multiplier, rules.max_target)


def windowed_target(
    entry: Entry,
    registry: TierRegistry,
    state: TierState,
    base: int,
    rules: DifficultyParameters,
) -> int:
    """Like ``target_of``, but a tier's discount ends with its share of the whole window."""
    tier_id = entry.model.tier
    tier, tally = registry.tier(tier_id), state.tally(tier_id)
    spent = tally.blocks * ONE >= rules.window * tier.share
    multiplier = min(tally.multiplier, ONE) if spent else tally.multiplier
    return tier_target(base, tier.omega, multiplier, rules.max_target)
