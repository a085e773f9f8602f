"""What was confirmed and acts at a height that everyone knows: one pure, total function.

    registry(h) = the tiers after a block, with all entries of heights <= h applied,
                  by height, those of one height in the order of their confirmation

What is confirmed in a block acts at least L blocks later, so this is exact for every height up to L
beyond the block whose tiers and schedule are taken, whatever else was executed meanwhile. Headers
of other branches are judged by it without any state.

Every op does nothing where it finds nothing to do, and the last tier always stays: no order of
confirmed entries can leave a chain without a model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from esper.dao.registry import MAX_TIERS, ONE, Entry, Tier, TierRegistry
from esper.primitives.model_entry import ModelEntry


class Op(IntEnum):
    """What a scheduled entry does, as its record names it."""

    ACTIVATE = 0
    SETTLE = 1
    REVERT = 2
    CHANGE = 3


@dataclass(frozen=True, slots=True)
class Activation:
    """A model takes its tier, or a new tier comes with it."""

    entry: Entry
    """The model; the tier is ``entry.model.tier``."""
    share: int
    """Of a new tier, 16.16; 0 for a tier that is there."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The previous entry of a tier goes, if its own is still the model that was on trial."""

    model: ModelEntry


@dataclass(frozen=True, slots=True)
class Reversal:
    """The previous entry of a tier becomes its own again, if its own is the model taken back.

    Whose it is stands in the act: a second reversal, or one behind a settlement, finds another
    model there, or nothing to go back to, and does nothing.
    """

    model: ModelEntry
    new_tier: bool
    """Whether the tier came with the model, and goes with it."""


@dataclass(frozen=True, slots=True)
class Reshaping:
    """What a parameter change does to tiers."""

    retire: tuple[int, ...]
    """At most one tier that goes."""
    shares: tuple[tuple[int, int], ...]
    """Tier and share of each tier that is left, or nothing."""
    omegas: tuple[tuple[int, int], ...]
    """Tier and omega of own entries."""


Act = Activation | Settlement | Reversal | Reshaping


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An act and the first height at which it holds."""

    height: int
    act: Act


def registry_at(tiers: TierRegistry, schedule: Iterable[Scheduled], height: int) -> TierRegistry:
    """The tiers at ``height``, from those of an earlier height and what was confirmed by then.

    ``schedule`` is in the order of confirmation and holds nothing that ``tiers`` already has.
    """
    due = [one for one in schedule if one.height <= height]
    # Stable: of one height, the first confirmed is the first to act.
    for one in sorted(due, key=lambda scheduled: scheduled.height):
        tiers = _acted(tiers, one)
    return tiers


def still_ahead(schedule: Iterable[Scheduled], height: int) -> tuple[Scheduled, ...]:
    """What acts after ``height``."""
    return tuple(one for one in schedule if one.height > height)


def _acted(tiers: TierRegistry, scheduled: Scheduled) -> TierRegistry:
    match scheduled.act:
        case Activation(entry, share):
            return _activated(tiers, entry, share, scheduled.height)
        case Settlement(model):
            return _settled(tiers, model)
        case Reversal(model, new_tier):
            return _reverted(tiers, model, new_tier, scheduled.height)
        case Reshaping(retire, shares, omegas):
            for tier in retire:
                tiers = without_tier(tiers, tier)
            return _with_omegas(_with_shares(tiers, shares), omegas)


def _activated(tiers: TierRegistry, entry: Entry, share: int, height: int) -> TierRegistry:
    found = tiers.find(entry.model.tier)
    if found is not None:
        if found.model.model_id == entry.model.model_id:
            # A longer bank: what a vote has made of the model's weight meanwhile stays.
            entry = replace(entry, omega=found.omega, puzzle=found.puzzle)
        moved = replace(found.with_own(entry), previous=(found.own,), since=height)
        return _changed(tiers, found.id, lambda _: moved)
    if not 0 < share < ONE or len(tiers.tiers) == MAX_TIERS:
        return tiers
    new = Tier(entry.model, entry.omega, share, entry.puzzle, (), height)
    return _joined(tiers.tiers, ONE - share, ONE, (new,))


def _settled(tiers: TierRegistry, model: ModelEntry) -> TierRegistry:
    found = tiers.find(model.tier)
    if found is None or found.model != model:
        return tiers
    return _changed(tiers, found.id, lambda tier: replace(tier, previous=()))


def _reverted(tiers: TierRegistry, model: ModelEntry, new_tier: bool, height: int) -> TierRegistry:
    found = tiers.find(model.tier)
    if found is None or found.model != model:
        return tiers
    if not found.previous:
        return without_tier(tiers, found.id) if new_tier else tiers
    back = replace(found.with_own(found.previous[0]), previous=(), since=height)
    return _changed(tiers, found.id, lambda _: back)


def without_tier(tiers: TierRegistry, tier_id: int) -> TierRegistry:
    """The registry less a tier, its share with the others; the last one stays."""
    found = tiers.find(tier_id)
    rest = tuple(tier for tier in tiers.tiers if tier.id != tier_id)
    if found is None or not rest:
        return tiers
    return _joined(rest, ONE, ONE - found.share, ())


def _joined(
    kept: tuple[Tier, ...], numerator: int, denominator: int, new: tuple[Tier, ...]
) -> TierRegistry:
    """Tiers whose shares are scaled, rounded down, and those that come; all by ascending id.

    Nobody's share falls to 0: a tier without one would stop the chain. What rounding leaves goes to
    the kept tier of the lowest id; what is missing, to the cost of the largest share.
    """
    scaled = [replace(tier, share=max(1, tier.share * numerator // denominator)) for tier in kept]
    joined = [*scaled, *new]
    shares = [tier.share for tier in joined]
    left = ONE - sum(shares)
    place = 0 if left >= 0 else shares.index(max(shares))
    joined[place] = replace(joined[place], share=shares[place] + left)
    return TierRegistry(tuple(sorted(joined, key=lambda tier: tier.id)))


def _with_shares(tiers: TierRegistry, shares: tuple[tuple[int, int], ...]) -> TierRegistry:
    wanted = dict(shares)
    fits = wanted.keys() == {tier.id for tier in tiers.tiers} and sum(wanted.values()) == ONE
    if not fits or min(wanted.values()) < 1:
        return tiers
    return TierRegistry(tuple(replace(tier, share=wanted[tier.id]) for tier in tiers.tiers))


def _with_omegas(tiers: TierRegistry, omegas: tuple[tuple[int, int], ...]) -> TierRegistry:
    wanted = {tier: omega for tier, omega in omegas if 0 < omega < 1 << 64}
    return TierRegistry(
        tuple(replace(tier, omega=wanted.get(tier.id, tier.omega)) for tier in tiers.tiers)
    )


def _changed(tiers: TierRegistry, tier_id: int, change: Callable[[Tier], Tier]) -> TierRegistry:
    return TierRegistry(tuple(change(tier) if tier.id == tier_id else tier for tier in tiers.tiers))
