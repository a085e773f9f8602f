"""Targets and weight in exact integers.

ASERT: the target doubles for every half-life that the chain is late, measured from an anchor:

    e = floor(((t_parent - t_anchor) - tau (h_parent - h_anchor)) * 65536 / (hl tau))
    base = floor(anchor_target * 2^(e / 65536)), in [1, Tmax]

with 2^x between whole powers by a cubic (error below 0.013 %). The anchor moves on every window
boundary, to that block and to the target that the old anchor gives its child: so no time is lost
between two anchors, and the exponent stays small. The first anchor is block 1, not the genesis
block: the genesis time says nothing about when mining began. Block 1 may lie about its time,
though, and too early a time would make all that follows late: up to the first window boundary no
base exceeds the genesis target.
"""

from dataclasses import dataclass
from typing import Final

from esper.primitives.params import DifficultyParameters
from esper.primitives.units import FIXED_POINT_ONE, RANGE_512

ONE: Final = FIXED_POINT_ONE
FIRST_ANCHOR: Final = 1


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where targets are measured from."""

    height: int
    """Height of the anchor block."""
    time_ms: int
    """Its time."""
    target: int
    """Base target of its child."""


def asert_target(
    anchor: Anchor, parent_height: int, parent_time_ms: int, rules: DifficultyParameters
) -> int:
    """The base target of the block after the parent, in [1, Tmax]."""
    due = rules.spacing_ms * (parent_height - anchor.height)
    late = parent_time_ms - anchor.time_ms - due
    exponent = late * ONE // (rules.half_life_blocks * rules.spacing_ms)
    whole, part = exponent >> 16, exponent & (ONE - 1)
    factor = ONE + (
        (195_766_423_245_049 * part + 971_821_376 * part**2 + 5_127 * part**3 + (1 << 47)) >> 48
    )
    # Shifting further than Tmax has bits changes nothing but the cost.
    if whole > rules.max_target.bit_length():
        return rules.max_target
    scaled = anchor.target * factor
    base = (scaled << whole if whole >= 0 else scaled >> -whole) >> 16
    return max(1, min(base, rules.max_target))


def child_target(
    anchor: Anchor | None, parent_height: int, parent_time_ms: int, rules: DifficultyParameters
) -> int:
    """The base target of the block after the parent; genesis' target before there is an anchor.

    Up to the first window boundary, its anchor included, it is genesis' target at most.
    """
    if not rules.retargets:
        return rules.max_target
    if anchor is None:
        return rules.genesis_target
    base = asert_target(anchor, parent_height, parent_time_ms, rules)
    return base if parent_height > rules.window else min(base, rules.genesis_target)


def next_anchor(
    anchor: Anchor | None, height: int, time_ms: int, rules: DifficultyParameters
) -> Anchor | None:
    """The anchor after a block: itself at block 1 and at window boundaries, else the old one."""
    if not rules.retargets:
        return None
    if height == FIRST_ANCHOR or (height > 0 and height % rules.window == 0):
        return Anchor(height, time_ms, child_target(anchor, height, time_ms, rules))
    return anchor


def tier_target(base: int, omega: int, multiplier: int, max_target: int) -> int:
    """A tier's target: floor(base * omega * multiplier / 2^32), both 16.16, in [1, ceiling].

    The ceiling is Tmax omega, below 2^512: a tier's easiest block is as much work as genesis'. The
    lower end matters only to targets that no machine meets: r < 0 would shut a tier for good.
    """
    ceiling = min(RANGE_512 - 1, max_target * omega >> 16)
    return max(1, min(ceiling, base * omega * multiplier >> 32))


def block_weight(target: int, omega: int) -> int:
    """What a proven block adds to its chain: floor(omega * 2^512 / (target + 1)).

    In parts of 2^16 of a genesis ticket: by whole tickets, a chain whose blocks are of two would
    have half the weight of its work, and a branch that makes them a little harder nearly all of it.
    Never 0, since omega is not and no target is above 2^512 - 1.
    """
    return omega * (1 << 512) // (target + 1)
