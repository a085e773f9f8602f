"""The questions that are asked of the simulation, and their tables."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.spread_plot import draw

from .assumptions import CABLE, DATACENTRE, FIBRE, GENESIS_TIER, LARGE_TIER, SLOW, BlockShape, Plan
from .world import Outcome, simulate

DAY_MS: Final = 86_400_000.0
FULL: Final = BlockShape(body=2_000_000, proof=700_000)
"""Body and proof at mainnet's limits."""
TWO_TIERS: Final = (
    replace(GENESIS_TIER, share=0.5, power=0.5),
    replace(LARGE_TIER, share=0.5, power=0.5),
)


@dataclass(frozen=True, slots=True)
class Table:
    """One experiment."""

    title: str
    words: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    curves: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Of its picture."""

    def lines(self) -> list[str]:
        """As Markdown."""
        return [
            f"### {self.title}", "", self.words, "",
            f"| {' | '.join(self.head)} |", f"|{' --- |' * len(self.head)}",
            *(f"| {' | '.join(row)} |" for row in self.rows),
        ]  # fmt: skip


def run(name: str, plan: Plan) -> Outcome:
    """One simulation, and a line about it for whoever waits."""
    began = time.process_time()
    found = simulate(plan)
    took = time.process_time() - began
    print(f"{name}: {found.events:,} events, {took:.1f} s of one core", file=sys.stderr)
    return found


def megabytes_a_day(found: Outcome, chosen: Sequence[int]) -> tuple[float, float]:
    """Sent and received by a node of some, mean, MB a day, blocks alone."""
    scale = DAY_MS / found.lasted_ms / 1e6
    sent = statistics.mean(found.sent[node] for node in chosen)
    received = statistics.mean(found.received[node] for node in chosen)
    return sent * scale, received * scale


def standing_megabytes(plan: Plan, peers: float) -> float:
    """MB a day each way beside blocks.

    Each transaction once, and its 20 bytes to each peer or from it; a ping and a pong of 110 bytes
    with each peer, twice a minute, from either side.
    """
    transactions = plan.block.body / plan.block.transaction * DAY_MS / plan.spacing_ms
    told = transactions * (plan.block.transaction + 20 * peers / 2)
    pings = 2 * peers * 110 * DAY_MS / 30_000
    return (told + pings) / 1e6


def sizes(base: Plan, nodes: Sequence[int]) -> tuple[Table, Table]:
    """Propagation, stale rate and bandwidth by the size of the network."""
    rows, half, most, stale = [], [], [], []
    bandwidth: list[tuple[str, ...]] = []
    for size in nodes:
        plan = replace(base, nodes=size)
        found = run(f"{size:,} nodes", plan)
        half.append(found.waits(0.5) / 1000)
        most.append(found.waits(0.95) / 1000)
        stale.append(100 * found.stale_rate)
        rows.append(
            (
                f"{size:,}", f"{found.waits(0.5):.0f}", f"{found.waits(0.95):.0f}",
                f"{found.waits(1.0):.0f}", str(len(found.blocks)), _rate(found),
            )
        )  # fmt: skip
        bandwidth += _bandwidth(size, found)
    spread = Table(
        "Propagation and stale blocks by size",
        "Blocks of 0.5 MB, lines of all kinds; ms until nodes have proven a block of the chain,"
        " medians of blocks.",
        ("nodes", "half", "95 %", "all", "found", "stale, % (one deviation)"),
        tuple(rows),
        (("half proven, s", tuple(half)), ("95 %, s", tuple(most)), ("stale, %", tuple(stale))),
    )
    roles = Table(
        "Bandwidth by role",
        "MB a day; blocks simulated, transactions and pings counted by their rules.",
        ("nodes", "role", "blocks out", "blocks in", "beside blocks, each way"),
        tuple(bandwidth),
    )
    return spread, roles


def _rate(found: Outcome) -> str:
    deviation = (found.stale_rate * (1 - found.stale_rate) / len(found.blocks)) ** 0.5
    return f"{100 * found.stale_rate:.1f} ({100 * deviation:.1f})"


def _bandwidth(size: int, found: Outcome) -> Iterator[tuple[str, ...]]:
    mining = set(found.mined_on)
    everyone = range(size)
    roles: tuple[tuple[str, Callable[[int], bool], float], ...] = (
        ("listens", lambda one: found.listeners[one] and one not in mining, 35.0),
        ("dials only", lambda one: not found.listeners[one] and one not in mining, 10.0),
        ("mines", lambda one: one in mining, 20.0),
    )
    for name, belongs, peers in roles:
        chosen = [one for one in everyone if belongs(one)]
        if chosen:
            out, came = megabytes_a_day(found, chosen)
            beside = standing_megabytes(found.plan, min(peers, size - 1))
            yield f"{size:,}", name, f"{out:,.0f}", f"{came:,.0f}", f"{beside:,.0f}"


def spacings(base: Plan) -> Table:
    """Stale rate by spacing, for light and full blocks."""
    rows, curves = [], []
    shapes = (("0.5 MB", base.block), ("2.7 MB, at the limits", FULL))
    seconds = (10, 20, 30, 55, 120)
    found = {
        (name, one): run(
            f"spacing {one} s, {name}", replace(base, spacing_ms=1000 * one, block=block)
        )
        for name, block in shapes
        for one in seconds
    }
    for one in seconds:
        rows.append((str(one), *(_rate(found[name, one]) for name, _ in shapes)))
    for name, _ in shapes:
        curves.append((name, tuple(100 * found[name, one].stale_rate for one in seconds)))
    return Table(
        "Stale blocks by spacing",
        "% of all found, by the spacing in seconds; the genesis model, 1.6 s to prove.",
        ("spacing, s", *(name for name, _ in shapes)), tuple(rows), tuple(curves),
    )  # fmt: skip


def lines(base: Plan) -> Table:
    """Slow links and naive flooding, at the limits of a block."""
    rows = []
    for slow in (0.0, 0.1, 0.3, 0.5):
        shares = ((DATACENTRE, 0.2), (FIBRE, 0.4 * (1 - slow)), (CABLE, 0.4 * (1 - slow)))
        plan = replace(base, lines=(*shares, (SLOW, 0.8 * slow)), block=FULL)
        found = run(f"slow part {slow}", plan)
        rows.append(
            (f"{80 * slow:.0f}", f"{found.waits(0.5):.0f}", f"{found.waits(0.95):.0f}",
             _rate(found))
        )  # fmt: skip
    return Table(
        "Slow lines",
        "Blocks at the limits; % of nodes with 5 Mbit/s up and 20 down. Miners are on any line.",
        ("slow, %", "half, ms", "95 %, ms", "stale, %"),
        tuple(rows),
    )


def tiers(base: Plan) -> Table:
    """Two tiers with half of the blocks each, by the power that each has."""
    rows = []
    for power in (0.5, 0.7, 0.9):
        plan = replace(
            base,
            tiers=(replace(TWO_TIERS[0], power=power), replace(TWO_TIERS[1], power=1 - power)),
            blocks=max(base.blocks, 2_880),
            nodes=min(base.nodes, 60), miners=40,
        )  # fmt: skip
        found = run(f"tiers, power {power}", plan)
        late = [one for one in found.blocks if one.height > plan.blocks // 2]
        chain = [one for one in late if one.number in found.chain]
        fast = sum(one.tier == 0 for one in chain) / len(chain)
        rows.append(
            (f"{100 * power:.0f}", f"{100 * fast:.0f}", f"{100 * found.tier_stale(0):.1f}",
             f"{100 * found.tier_stale(1):.1f}", f"{100 * found.wasted:.2f}", _rate(found))
        )  # fmt: skip
    return Table(
        "Two tiers, half of the blocks each",
        "A fast model (proof 1.6 s) and a slow one (omega 64, proof 5.5 s, a call of the engine one"
        " second); four windows of 720 blocks, shares of the last two. Nobody changes the tier.",
        ("power on the fast, %", "its blocks, %", "its weight lost, %", "the slow one's, %",
         "search wasted in calls, %", "stale, %"),
        tuple(rows),
    )  # fmt: skip


def miners(base: Plan) -> Table:
    """What a large miner gains by not waiting for its own blocks."""
    rows = []
    for name, prove in (("1.6 s", 1_600.0), ("5.5 s", 5_500.0)):
        tier = replace(GENESIS_TIER, prove_ms=prove)
        plan = replace(
            base, tiers=(tier,), provers=(1.0,), miners=30, nodes=min(base.nodes, 60),
            blocks=max(base.blocks, 4_000),
        )  # fmt: skip
        found = run(f"miners, proof {name}", plan)
        small = range(10, len(found.powers))
        part = sum(found.powers[one][1] for one in small)
        gain = sum(found.advantage(one) * found.powers[one][1] for one in small) / part
        rows.append(
            (name, f"{100 * found.powers[0][1]:.0f}", f"{found.advantage(0):.3f}", f"{gain:.3f}",
             _rate(found))
        )  # fmt: skip
    return Table(
        "Revenue over power",
        "Power of the k-th of thirty miners is 1/k of the first's, all prove equally fast;"
        " part of the chain's blocks over part of the power.",
        ("proof", "the largest's power, %", "the largest", "the twenty smallest", "stale, %"),
        tuple(rows),
    )


def partings(base: Plan) -> Table:
    """Nodes that come and go, and a network in two halves."""
    plan = replace(base, blocks=min(base.blocks, 150))
    cases = (
        ("none", plan),
        ("each node that does not mine is away a sixth of the time, 20 minutes at once",
         replace(plan, away_after_ms=6_000_000, away_ms=1_200_000)),
        ("halves apart for 30 minutes",
         replace(plan, split_at=1_200_000, split_ms=1_800_000)),
    )  # fmt: skip
    rows = []
    for name, one in cases:
        found = run(name, one)
        rows.append(
            (name, f"{found.waits(0.5):.0f}", str(len(found.stale)), str(found.deepest),
             str(found.tips))
        )  # fmt: skip
    return Table(
        "Churn and a split",
        f"{plan.blocks} blocks.",
        ("what", "half, ms", "stale blocks", "deepest change of chain", "tips at the end"),
        tuple(rows),
    )


def pictures(spread: Table, spacing: Table, nodes: Sequence[int], folder: Path) -> tuple[str, str]:
    """Two SVG files; their names."""
    names = ("network_world_sizes.svg", "network_world_spacing.svg")
    (folder / names[0]).write_text(
        draw(nodes, [("a block is proven by, seconds", spread.curves[:2]),
                     ("stale blocks, %", spread.curves[2:])])
    )  # fmt: skip
    seconds = [int(row[0]) for row in spacing.rows]
    (folder / names[1]).write_text(
        draw(seconds, [("stale blocks, %", spacing.curves)], unit="spacing, seconds")
    )
    return names
