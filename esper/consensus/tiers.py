"""Tiers: models that are mined side by side, each with a multiplier on the common base target.

    target_t = floor(base * omega_t * m_t / 2^32), in [1, min(2^512 - 1, Tmax omega_t / 2^16)]

The ceiling follows omega: one Tmax for all would hold a heavy model at as many of its own tickets a
block as the lightest has. The previous entry of a tier, for as long as it may be mined, has the
same with its own omega and a quarter of m_t.

Every window m_t moves by what the last one showed. C blocks in all, c_t of tier t:

    a_t = min(C share_t, 4 c_t)       the blocks that t should have had; no more than four times
                                      its own, so that an idle tier does not slow the others
    f_t = (C a_t / A) / c_t           A = sum of a; clamped to [1/2, 2], 2 for an idle tier
    n_t = m_t f_t                     clamped to [1/4, 4]
    m'_t = n_t sum(a_j / n_j) / A     clamped to [1/4, 4] and to [m_t / 2, 2 m_t]

So sum(a_t / m'_t) = A where no clamp bites last: the base target stays what it would be if all
power were in one tier, and an update does not touch it.

A tier that is ahead of its share is mined without discount: with min(m_t, 1) while

    c_t >= share_t (C + floor(window / 8))          counted since the last boundary

so power that comes for a discount is held to a pace. Why the rules are so, and not as first
written: ``docs/decisions/target-rules.md``.

Rounding: a_t, A and the sum are exact rationals of integers; f_t and m'_t are rounded down to
16.16, and n_t is an exact 32.32, so sum(a_t / m'_t) / A exceeds 1 by less than 2^-14. The lower
clamp m_t / 2 is rounded up.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Final

from esper.consensus.difficulty import Anchor, next_anchor, tier_target
from esper.dao.registry import ONE, Entry, Tier, TierRegistry
from esper.primitives.errors.header_errors import BankViolation, ModelViolation, TierViolation
from esper.primitives.ids import ModelId
from esper.primitives.params import DifficultyParameters

LEAST_MULTIPLIER: Final = ONE // 4
GREATEST_MULTIPLIER: Final = 4 * ONE
LEAST_STEP: Final = ONE // 2
GREATEST_STEP: Final = 2 * ONE
REACH: Final = 4
"""A tier is expected to have at most this many times the blocks that it had."""
PREVIOUS_DIVISOR: Final = 4
"""The replaced model of a tier is mined at this part of the tier's multiplier."""
LEAD_DIVISOR: Final = 8
"""A tier may be ahead by its share of window / LEAD_DIVISOR blocks before its discount ends: chance
alone puts one ahead by about that much."""


@dataclass(frozen=True, slots=True)
class TierTally:
    """What the chain remembers of a tier. Raises ValueError for a multiplier out of bounds."""

    tier: int
    """The tier's id."""
    multiplier: int
    """m_t, 16.16, in [1/4, 4]."""
    blocks: int
    """c_t: its blocks since the last window boundary, the boundary's own not counted."""

    def __post_init__(self) -> None:
        if not LEAST_MULTIPLIER <= self.multiplier <= GREATEST_MULTIPLIER:
            raise ValueError(
                f"tier {self.tier}: multiplier {self.multiplier} must be in "
                f"[{LEAST_MULTIPLIER}, {GREATEST_MULTIPLIER}]"
            )


@dataclass(frozen=True, slots=True)
class TierState:
    """Multipliers and counts of all tiers. Raises ValueError unless ids ascend."""

    tallies: tuple[TierTally, ...]
    """By ascending id, as the registry's tiers."""

    def __post_init__(self) -> None:
        ids = [tally.tier for tally in self.tallies]
        if ids != sorted(set(ids)):
            raise ValueError(f"tallies of tiers {ids} must be ascending and distinct")

    @classmethod
    def of(cls, registry: TierRegistry) -> "TierState":
        """All multipliers 1, nothing counted."""
        return cls(()).matched(registry)

    def tally(self, tier_id: int) -> TierTally:
        """The tally of a tier. Raises TierViolation if there is none."""
        for tally in self.tallies:
            if tally.tier == tier_id:
                return tally
        raise TierViolation(tier_id)

    def matched(self, registry: TierRegistry) -> "TierState":
        """This state for a changed registry: new tiers begin at 1, those gone are forgotten."""
        known = {tally.tier: tally for tally in self.tallies}
        return TierState(
            tuple(known.get(tier.id, TierTally(tier.id, ONE, 0)) for tier in registry.tiers)
        )

    def counted(self, tier_id: int) -> "TierState":
        """This state after one more block of a tier. Raises TierViolation for an unknown one."""
        found = self.tally(tier_id)
        more = replace(found, blocks=found.blocks + 1)
        return TierState(tuple(more if tally is found else tally for tally in self.tallies))


def multiplier_in_use(tier: Tier, state: TierState, window: int) -> int:
    """m_t for the tier's next block, 16.16: at most 1 while it is ahead of its share.

    Raises TierViolation if ``state`` has no tally for it.
    """
    tally = state.tally(tier.id)
    total = sum(each.blocks for each in state.tallies)
    if tally.blocks * ONE < (total + window // LEAD_DIVISOR) * tier.share:
        return tally.multiplier
    return min(tally.multiplier, ONE)


def entry_of(tier_id: int, model_id: ModelId, bank_root: bytes, registry: TierRegistry) -> Entry:
    """What a header of that tier is mined with: the tier's own entry or its previous.

    The two may have one model and differ in the bank. Raises TierViolation if the tier is not
    active, ModelViolation if no entry has the model, BankViolation if none has it with that bank.
    """
    tier = registry.tier(tier_id)
    entries = [entry for entry in tier.entries if entry.model.model_id == model_id]
    if not entries:
        raise ModelViolation(model_id, tier.model.model_id)
    for entry in entries:
        if entry.model.bank_root == bank_root:
            return entry
    raise BankViolation(bank_root, entries[0].model.bank_root)


def target_of(
    entry: Entry,
    registry: TierRegistry,
    state: TierState,
    base: int,
    rules: DifficultyParameters,
) -> int:
    """Target of the next block if it is of that entry. Raises TierViolation if it is not active."""
    tier = registry.tier(entry.model.tier)
    multiplier = multiplier_in_use(tier, state, rules.window)
    if entry.model != tier.model:
        multiplier = max(1, multiplier // PREVIOUS_DIVISOR)
    return tier_target(base, entry.omega, multiplier, rules.max_target)


def close_window(registry: TierRegistry, state: TierState) -> TierState:
    """Multipliers for the next window, with counts at zero.

    Without any block counted nothing moves. Raises TierViolation unless ``state`` has a tally for
    each of the registry's tiers.
    """
    tallies = [state.tally(tier.id) for tier in registry.tiers]
    total = sum(tally.blocks for tally in tallies)
    if total == 0:
        return state
    due = [
        min(total * tier.share, REACH * ONE * tally.blocks)
        for tier, tally in zip(registry.tiers, tallies, strict=True)
    ]
    # Positive: shares are, and some tier has blocks.
    all_due = sum(due)
    # 32.32, exact.
    raised = [
        _within(
            LEAST_MULTIPLIER * ONE,
            tally.multiplier * _step(own, all_due, tally.blocks, total),
            GREATEST_MULTIPLIER * ONE,
        )
        for own, tally in zip(due, tallies, strict=True)
    ]
    # sum(a_j / n_j) over one denominator; it has at most 35 bits for each tier.
    denominator = prod(raised)
    weighted = sum(own * (denominator // value) for own, value in zip(due, raised, strict=True))
    moved = []
    for value, tally in zip(raised, tallies, strict=True):
        multiplier = _within(
            max(LEAST_MULTIPLIER, -(-tally.multiplier // 2)),
            value * weighted * ONE // (denominator * all_due),
            min(2 * tally.multiplier, GREATEST_MULTIPLIER),
        )
        moved.append(TierTally(tally.tier, multiplier, 0))
    return TierState(tuple(moved))


def _step(due: int, all_due: int, blocks: int, total: int) -> int:
    if blocks == 0:
        return GREATEST_STEP
    return _within(LEAST_STEP, total * due * ONE // (all_due * blocks), GREATEST_STEP)


def _within(least: int, value: int, greatest: int) -> int:
    return max(least, min(value, greatest))


def after_block(
    registry: TierRegistry,
    state: TierState,
    anchor: Anchor | None,
    *,
    tier_id: int,
    height: int,
    time_ms: int,
    rules: DifficultyParameters,
) -> tuple[TierState, Anchor | None]:
    """Tallies and anchor after a block, from those before it.

    The block of a window boundary is counted in the window that it closes. A chain that does not
    retarget has no windows and keeps both as they are. Raises TierViolation.
    """
    counted = state.counted(tier_id)
    if not rules.retargets:
        return state, None
    if height % rules.window == 0:
        counted = close_window(registry, counted)
    return counted, next_anchor(anchor, height, time_ms, rules)
