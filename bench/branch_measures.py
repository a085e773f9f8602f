"""What banked times do bring, though no weight: blocks for work, and luck.

Blocks. A branch whose times are all ``late`` spacings ahead has the targets of a chain that is so
late, and no others: its block k costs 2^((k - late) / half-life) of an honest one at least, over
the multiplier 4 at most. Summed up, for the work of W honest blocks,

    blocks <= hl log2(1 + 4 W (2^(1 / hl) - 1) 2^(late / hl))

with 1 for 4 where there is one tier.

Luck. The branch's lead is a walk: the chain gains 1 with part p of the power, the branch j at once
with part q / j. The chance to make good z blocks falls with e^(-R z), R > 0 being the root of

    p (e^-R - 1) + q / j (e^(R j) - 1) = 0
"""

from __future__ import annotations

import math
from itertools import count
from typing import Final

from bench.branch_rules import IN_FORCE, BranchRules
from bench.branch_scenarios import Scenario
from bench.branch_search import STAMPS, Step, grow
from bench.branch_world import Branch, honest

CUBIC_ERROR: Final = 1.0002
"""Of 2^x between whole powers, for each window that a target went through."""


def most_blocks(scenario: Scenario, powers: float, multiplier: float = 1.0) -> float:
    """The bound for ``powers`` times the chain's work, where no multiplier exceeds that one."""
    rules = scenario.start.rules
    half_life = rules.half_life_blocks
    late = scenario.blocks + rules.future_limit_ms / rules.spacing_ms
    windows = 2 + 4 * scenario.blocks // rules.window
    work = powers * scenario.blocks * multiplier * CUBIC_ERROR**windows
    return half_life * math.log2(1 + work * (2 ** (1 / half_life) - 1) * 2 ** (late / half_life))


def blocks_for_work(
    scenario: Scenario, powers: float, rules: BranchRules = IN_FORCE, *, most: int = 2_000
) -> tuple[int, str]:
    """Most blocks of a private branch for so many times the chain's work, and the trick.

    At ``most`` it stops counting.
    """
    budget = powers * honest(scenario.start, scenario.blocks).work
    window = scenario.start.rules.window
    tries: dict[str, tuple[Step, Step]] = {
        f"{there}, {elsewhere} elsewhere; {pick}": ((there, pick), (elsewhere, pick))
        for there in ("still", "latest")
        for elsewhere in STAMPS
        for pick in ("by shares", "least work")
    }
    found = {
        name: _grown(scenario, steps, window, budget, rules, most) for name, steps in tries.items()
    }
    name = max(found, key=lambda each: found[each])
    return found[name], name


def _grown(
    scenario: Scenario,
    steps: tuple[Step, Step],
    window: int,
    budget: float,
    rules: BranchRules,
    most: int,
) -> int:
    """Blocks within the budget: one step at window boundaries, the other elsewhere."""
    branch = Branch(scenario.start, rules)
    for number in count(1):
        step = steps[(branch.height + 1) % window != 0]
        grow(scenario, branch, step, number, most)
        if branch.work > budget:
            return number - 1
        if number == most:
            break
    return most


def luck_rate(part: float, heavier: float) -> float:
    """R: the chance to make good z of the chain's blocks falls with e^(-R z).

    ``part`` of all power is the attacker's, below a half; his blocks are ``heavier`` than the
    chain's.
    """
    low, high = 1e-9, math.log((1 - part) / part) + 1
    for _ in range(200):
        middle = (low + high) / 2
        drift = (1 - part) * math.expm1(-middle) + part / heavier * math.expm1(middle * heavier)
        low, high = (middle, high) if drift < 0 else (low, middle)
    return low
