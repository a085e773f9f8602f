"""Rules that a branch is weighed by: those in force, and rivals with one of them broken.

The rivals show what each rule is there for: ``bench/branch_search.py`` gains against them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from esper.consensus.difficulty import Anchor, block_weight, child_target
from esper.consensus.tiers import TierState, after_block, target_of
from esper.dao.registry import Entry, Tier, TierRegistry
from esper.primitives.params import DifficultyParameters
from esper.primitives.units import FIXED_POINT_ONE

ChildTarget = Callable[[Anchor | None, int, int, DifficultyParameters], int]
"""``esper.consensus.difficulty.child_target`` or a rival of the same form."""
AfterBlock = Callable[..., tuple[TierState, Anchor | None]]
"""``esper.consensus.tiers.after_block`` or a rival of the same form."""
TargetOf = Callable[[Entry, TierRegistry, TierState, int, DifficultyParameters], int]
"""``esper.consensus.tiers.target_of`` or a rival of the same form."""


@dataclass(frozen=True)
class Mined:
    """What a rule of weight may look at."""

    target: int
    """Of the block."""
    base: int
    """The base target that it follows from."""
    entry: Entry
    """What it was mined with."""
    tier: Tier
    """Where."""


@dataclass(frozen=True)
class BranchRules:
    """One whole set."""

    child_target: ChildTarget = child_target
    """Base target of the next block."""
    target_of: TargetOf = target_of
    """An entry's."""
    after_block: AfterBlock = after_block
    """Tallies and anchor."""
    weight: Callable[[Mined], int] = lambda mined: block_weight(mined.target, mined.entry.omega)
    """What a block adds to its branch."""


IN_FORCE: Final = BranchRules()


def _forgetful(
    registry: TierRegistry, state: TierState, anchor: Anchor | None, **block: object
) -> tuple[TierState, Anchor | None]:
    """An anchor that begins anew at a boundary: at its time, but with the target of the old one."""
    tallies, moved = after_block(registry, state, anchor, **block)  # type: ignore[arg-type]
    if anchor is None or moved is None or moved == anchor:
        return tallies, moved
    return tallies, replace(moved, target=anchor.target)


def _stepped(anchor: Anchor | None, height: int, time_ms: int, rules: DifficultyParameters) -> int:
    """One target for a whole window."""
    return rules.genesis_target if anchor is None else anchor.target


def _from_the_first(
    registry: TierRegistry, state: TierState, anchor: Anchor | None, **block: object
) -> tuple[TierState, Anchor | None]:
    """Windows timed from their first block to their last: what lies between two is not timed."""
    tallies, _ = after_block(registry, state, anchor, **block)  # type: ignore[arg-type]
    height, time_ms, rules = block["height"], block["time_ms"], block["rules"]
    assert isinstance(height, int)
    assert isinstance(time_ms, int)
    assert isinstance(rules, DifficultyParameters)
    if anchor is None:
        return tallies, Anchor(height, time_ms, rules.genesis_target)
    if height % rules.window == 1:
        return tallies, Anchor(height, time_ms, anchor.target)
    if height % rules.window == 0:
        due = (rules.window - 1) * rules.spacing_ms
        took = max(due // 4, min(time_ms - anchor.time_ms, 4 * due))
        eased = max(1, min(anchor.target * took // due, rules.max_target))
        return tallies, Anchor(height, time_ms, eased)
    return tallies, anchor


def whole(mined: Mined) -> int:
    """Weight in whole tickets, one at least; told in the parts of a ticket that are in force."""
    return max(1, IN_FORCE.weight(mined) // FIXED_POINT_ONE) * FIXED_POINT_ONE


def flat(mined: Mined) -> int:
    """All blocks alike."""
    return 1


FLAT: Final = replace(IN_FORCE, weight=flat)
BROKEN: Final[Mapping[str, BranchRules]] = MappingProxyType(
    {
        "weight in whole tickets": replace(IN_FORCE, weight=whole),
        "weight 1 a block": FLAT,
        "weight omega a block": replace(IN_FORCE, weight=lambda mined: mined.entry.omega),
        "weight of the base target": replace(
            IN_FORCE, weight=lambda mined: block_weight(mined.base, FIXED_POINT_ONE)
        ),
        "weight without omega": replace(
            IN_FORCE, weight=lambda mined: block_weight(mined.target, FIXED_POINT_ONE)
        ),
        "weight by the omega of the tier": replace(
            IN_FORCE, weight=lambda mined: block_weight(mined.target, mined.tier.omega)
        ),
        "weight 1, anchors forget": replace(FLAT, after_block=_forgetful),
        "weight 1, windows from their first block": replace(
            FLAT, child_target=_stepped, after_block=_from_the_first
        ),
        "anchors forget": replace(IN_FORCE, after_block=_forgetful),
        "windows from their first block": replace(
            IN_FORCE, child_target=_stepped, after_block=_from_the_first
        ),
    }
)
"""By what is broken. The last two keep the weight as it is."""
