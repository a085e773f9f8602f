"""Run the experiments and print their tables as Markdown.

python -m bench.network_world [--nodes 10 100 1000 10000] [--seed 1] [--blocks 200]
    [--calibrate] [--svg FOLDER]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .assumptions import Plan
from .calibration import calibrate
from .experiments import lines, miners, partings, pictures, sizes, spacings, tiers


def calibration_lines() -> list[str]:
    """The table of the measured networks."""
    busy_ms, rate, rows = calibrate()
    return [
        "### Beside eleven real nodes",
        "",
        f"`bench.network_relay` and the simulated relay. Two numbers are of the first row's times: "
        f"{rate / 1000:.0f} MB/s sent,",
        f"{busy_ms:.0f} ms of waiting for a shared processor. The rules were adjusted after "
        "looking at the others. Load when it "
        f"ended: {os.getloadavg()[0]:.1f}.",
        "",
        "| shape | mempools know | MB sent, measured | simulated | ratio | proven, ms | simulated |"
        " ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {one.shape} | {'all' if one.known else 'nothing'} "
            f"| {one.measured_bytes / 1e6:.3f} | {one.simulated_bytes / 1e6:.3f} "
            f"| {one.bytes_ratio:.2f} | {one.measured_ms:.0f} | {one.simulated_ms:.0f} "
            f"| {one.time_ratio:.2f} |"
            for one in rows
        ),
    ]


def report(plan: Plan, nodes: Sequence[int], folder: Path | None, *, measures: bool) -> list[str]:
    """All tables."""
    spread, roles = sizes(plan, nodes)
    more = replace_blocks(plan)
    spacing = spacings(more)
    found = [spread, roles, spacing, lines(more), tiers(more), miners(more), partings(plan)]
    text = [
        "## The whole network, SIMULATED",
        "",
        "`python -m bench.network_world`; docs/network-simulation.md says what is assumed.",
        f"Seed {plan.seed}; networks of 100 nodes where none is named.",
        "",
    ]
    if folder is not None:
        for name in pictures(spread, spacing, nodes, folder):
            text += [f"![{name.removesuffix('.svg').replace('_', ' ')}]({name})", ""]
    if measures:
        text += [*calibration_lines(), ""]
    for table in found:
        text += [*table.lines(), ""]
    return text[:-1]


def replace_blocks(plan: Plan) -> Plan:
    """The same for small networks, which can be watched ten times as long."""
    return replace(plan, nodes=min(plan.nodes, 100), blocks=10 * plan.blocks)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1_000, 10_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=100, help="of the networks of all sizes")
    parser.add_argument("--calibrate", action="store_true", help="measure real nodes too")
    parser.add_argument("--svg", type=Path, help="folder for the pictures")
    asked = parser.parse_args(arguments)
    if min(asked.nodes) < 2 or asked.blocks < 1:
        parser.error("--nodes must be at least 2 each, --blocks at least 1")
    plan = Plan(seed=asked.seed, blocks=asked.blocks)
    print("\n".join(report(plan, asked.nodes, asked.svg, measures=asked.calibrate)))


if __name__ == "__main__":
    main()
