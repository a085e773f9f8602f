"""Try the rules of targets and tiers on simulated networks; print tables.

    python -m bench.simulate_targets [--blocks 100000] [--seed 1] [--rule NAME] [SCENARIO...]

A scenario is named by any part of its name. The tables of ``docs/decisions/target-rules.md`` are
printed by this script.
"""

from __future__ import annotations

import argparse
import statistics
from typing import NamedTuple

from bench.target_scenarios import SCENARIOS, Scenario
from bench.target_world import AfterBlock, Run, TargetOf, simulate
from bench.tier_rivals import READINGS, rival, unlimited_target, windowed_target
from esper.consensus.tiers import after_block, target_of


class Rule(NamedTuple):
    """How tallies and anchor follow a block, and what the target of a tier is."""

    after: AfterBlock
    target: TargetOf


RULES = {
    "in force": Rule(after_block, target_of),
    "discount without limit": Rule(after_block, unlimited_target),
    "discount for a share of the window": Rule(after_block, windowed_target),
    **{name: Rule(rival(*reading), unlimited_target) for name, reading in READINGS.items()},
}
HEADINGS = (
    "scenario",
    "spacing",
    "spread of 60",
    "spread of 720",
    "fastest 720",
    "slowest 720",
    "settled after",
    "blocks for work",
    "blocks by tier",
    "multipliers",
)


def figures(name: str, scenario: Scenario, run: Run) -> tuple[str, ...]:
    """One line of the table; times over what they should be, the first window left out.

    Tiers' blocks are counted from the first event on, three tiers at most are shown.
    """
    windows = run.window_times(first=720)
    low = [min(values) for values in zip(*run.multipliers, strict=True)]
    high = [max(values) for values in zip(*run.multipliers, strict=True)]
    tiers = range(len(scenario.tiers.tiers))
    first = scenario.events[0] if scenario.events else 0
    return (
        name,
        f"{statistics.fmean(run.spacings(720)):.3f}",
        f"{statistics.pstdev(run.window_times(60, 720)):.3f}",
        f"{statistics.pstdev(windows):.3f}",
        f"{min(windows):.3f}",
        f"{max(windows):.3f}",
        ", ".join(str(run.settled_after(event)) for event in scenario.events) or "-",
        ", ".join(f"{miner.name} {run.gain(miner.name):.3f}" for miner in scenario.miners),
        " : ".join(f"{100 * run.share(tier, first):.1f}" for tier in tiers[:3]),
        ", ".join(f"{low[tier]:.3f}-{high[tier]:.3f}" for tier in tiers[:3]),
    )


def main() -> None:
    """Simulate what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="parts of names; all without any")
    parser.add_argument("--blocks", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rule", choices=RULES, default="in force")
    asked = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |")
    print("|" + "---|" * len(HEADINGS), flush=True)
    for name, build in SCENARIOS.items():
        if asked.scenarios and not any(part in name for part in asked.scenarios):
            continue
        scenario = build(asked.blocks)
        run = simulate(
            scenario.tiers,
            scenario.miners,
            asked.blocks,
            seed=asked.seed,
            rules=scenario.rules,
            after=RULES[asked.rule].after,
            target=RULES[asked.rule].target,
        )
        print("| " + " | ".join(figures(name, scenario, run)) + " |", flush=True)


if __name__ == "__main__":
    main()
