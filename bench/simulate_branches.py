"""Search for private branches that weigh more than their work; print tables.

    python -m bench.simulate_branches [--seed 1] [--drawn 40] [--climbs 200] [--full] [SCENARIO...]

A scenario is named by any part of its name; ``--full`` takes mainnet's own periods. The tables of
``docs/decisions/time-banked-branches.md`` are printed by this script.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Final

from bench.branch_measures import blocks_for_work, luck_rate, most_blocks
from bench.branch_rules import BROKEN, IN_FORCE
from bench.branch_scenarios import FULL, SCENARIOS, SHAPES, Shape
from bench.branch_search import search
from bench.branch_world import honest, per_work

POWERS: Final = (0.5, 1.0, 10.0)
ANCHORS: Final = {
    "in force": IN_FORCE,
    "forget": BROKEN["anchors forget"],
    "windows from their first block": BROKEN["windows from their first block"],
}


def weights(shapes: Sequence[Shape], names: Sequence[str], asked: argparse.Namespace) -> None:
    """Weight for work: the chain's, the most and the least that were found, and what votes may."""
    _heading("network", "scenario", "chain", "most", "gain", "by votes at most", "least", "trick")
    for shape in shapes:
        for name in names:
            scenario = SCENARIOS[name](shape)
            chain = per_work(honest(scenario.start, scenario.blocks))
            most, least = (
                search(scenario, seed=asked.seed, drawn=asked.drawn, climbs=asked.climbs, sign=sign)
                for sign in (1, -1)
            )
            votes = scenario.most / scenario.least
            _line(shape.name, name, chain, most.ratio, most.ratio / chain, votes, least.ratio,
                  most.name)  # fmt: skip


def broken(shapes: Sequence[Shape], names: Sequence[str], asked: argparse.Namespace) -> None:
    """Gain against rules with one of them broken."""
    _heading("network", "broken", *names)
    for shape in shapes:
        for rule, rules in BROKEN.items():
            gains = []
            for name in names:
                scenario = SCENARIOS[name](shape)
                found = search(
                    scenario, rules, seed=asked.seed, drawn=asked.drawn, climbs=asked.climbs
                )
                gains.append(found.ratio / per_work(honest(scenario.start, scenario.blocks, rules)))
            _line(shape.name, rule, *gains)


def blocks(shapes: Sequence[Shape], names: Sequence[str]) -> None:
    """Blocks of a branch over the chain's, for parts and multiples of its work."""
    _heading("network", "scenario", "work", "bound, one tier", "bound, tiers", *ANCHORS)
    for shape in shapes:
        for name in names:
            scenario = SCENARIOS[name](shape)
            for power in POWERS:
                bounds = (most_blocks(scenario, power, most) for most in (1, 4))
                found = (blocks_for_work(scenario, power, rules)[0] for rules in ANCHORS.values())
                _line(
                    shape.name, name, power, *(each / scenario.blocks for each in (*bounds, *found))
                )


def luck() -> None:
    """How many times deeper a payment has to lie for the same safety, by the weight of blocks."""
    heavier = (1, 2, 4, 16)
    _heading("part of the power", *(f"blocks of {each}" for each in heavier))
    for part in (0.1, 0.2, 0.3, 0.4):
        _line(part, *(luck_rate(part, 1) / luck_rate(part, each) for each in heavier))


def _heading(*words: str) -> None:
    print()
    _line(*words)
    print("|" + "---|" * len(words), flush=True)


def _line(*values: str | float) -> None:
    print("| " + " | ".join(_shown(values)) + " |", flush=True)


def _shown(values: Iterable[str | float]) -> Iterable[str]:
    return (value if isinstance(value, str) else f"{value:.4f}" for value in values)


def main() -> None:
    """Search where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="parts of names; all without any")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drawn", type=int, default=40)
    parser.add_argument("--climbs", type=int, default=200)
    parser.add_argument("--full", action="store_true")
    asked = parser.parse_args()
    shapes = (FULL,) if asked.full else SHAPES
    names = [
        name
        for name in SCENARIOS
        if not asked.scenarios or any(part in name for part in asked.scenarios)
    ]
    weights(shapes, names, asked)
    broken(shapes, names, asked)
    blocks(shapes, names)
    luck()


if __name__ == "__main__":
    main()
