"""What is tried on the rules of targets: worlds with trouble in them, one function each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.target_world import Miner, View, registry
from esper.dao.registry import TierRegistry
from esper.primitives.networks import MAINNET
from esper.primitives.params import DifficultyParameters

FUTURE_MS = MAINNET.difficulty.future_limit_ms


@dataclass(frozen=True)
class Scenario:
    """A world to simulate."""

    tiers: TierRegistry
    """Its tiers."""
    miners: tuple[Miner, ...]
    """Its miners."""
    events: tuple[int, ...] = ()
    """Heights at which something changes."""
    rules: DifficultyParameters = MAINNET.difficulty
    """Mainnet's, unless the numbers themselves are tried."""


def stays(power: float, tier: int = 0, tiers: int = 1) -> Callable[[View], Sequence[float]]:
    """All power in one tier."""
    powers = [power if index == tier else 0.0 for index in range(tiers)]
    return lambda view: powers


def switched(
    steps: Sequence[tuple[int, float]], tier: int = 0, tiers: int = 1
) -> Callable[[View], Sequence[float]]:
    """In one tier, with another power from each height on: (height, power), ascending."""

    def place(view: View) -> Sequence[float]:
        power = 0.0
        for height, value in steps:
            if view.height >= height:
                power = value
        return [power if index == tier else 0.0 for index in range(tiers)]

    return place


def hops(power: float, least: float = 0.0) -> Callable[[View], Sequence[float]]:
    """Where most blocks are found for the work; nowhere while no multiplier is above ``least``."""

    def place(view: View) -> Sequence[float]:
        best = max(range(len(view.ease)), key=view.ease.__getitem__)
        if view.multipliers[best] <= least:
            return [0.0] * len(view.ease)
        return [power if index == best else 0.0 for index in range(len(view.ease))]

    return place


def ahead(now: int, median: int, height: int) -> int:
    """As late as nodes accept."""
    return max(now + FUTURE_MS, median + 1)


def behind(now: int, median: int, height: int) -> int:
    """As early as the rules allow."""
    return median + 1


def leaps(now: int, median: int, height: int) -> int:
    """As early as allowed, but as late as accepted on boundaries, where the anchor moves."""
    at_boundary = height % MAINNET.difficulty.window == 0
    return ahead(now, median, height) if at_boundary else median + 1


def steady(blocks: int) -> Scenario:
    """One tier, nothing happens: what chance alone does."""
    return Scenario(registry([1], [1]), (Miner("all", stays(1)),))


def swing(blocks: int) -> Scenario:
    """Power grows tenfold after a third and is gone again after two."""
    up, down = blocks // 3, 2 * blocks // 3
    place = switched([(0, 1), (up, 10), (down, 1)])
    return Scenario(registry([1], [1]), (Miner("all", place),), (up, down))


def pulse(blocks: int) -> Scenario:
    """Half as much again comes for every other window and leaves."""
    steps = [(720 * i, 5.0 * (i % 2)) for i in range(blocks // 720 + 1)]
    miners = (Miner("loyal", stays(1)), Miner("pulsing", switched(steps)))
    return Scenario(registry([1], [1]), miners)


def flood(blocks: int, power: float = 1.0) -> Scenario:
    """A tier lies idle for half of the time, then ``power`` comes into it.

    It comes at the worst moment: most of one window's discount is left, and all of the next one's.
    """
    window = MAINNET.difficulty.window
    middle = blocks // 2 // window * window + window * 4 // 9
    miners = (
        Miner("loyal", stays(1, 0, 2)),
        Miner("flood", switched([(middle, power)], 1, 2)),
    )
    return Scenario(registry([1, 8], [0.5, 0.5]), miners, (middle,))


def price_hoppers(blocks: int) -> Scenario:
    """Three times the others' power comes while a block costs less than twice the first ones."""

    def place(view: View) -> Sequence[float]:
        return [3.0 if view.ease[0] > 0.5 else 0.0]

    return Scenario(registry([1], [1]), (Miner("loyal", stays(1)), Miner("hoppers", place)))


def raid(blocks: int, power: float) -> Scenario:
    """``power`` waits and mines only with a discount; a few always mine the tier that has one."""
    miners = (
        Miner("loyal 0", stays(1, 0, 2)),
        Miner("loyal 1", stays(0.02, 1, 2)),
        Miner("raiders", hops(power, 1.05)),
    )
    return Scenario(registry([1, 8], [0.5, 0.5]), miners)


def hoppers(blocks: int) -> Scenario:
    """Two loyal halves, and as much again that moves to the cheaper tier at every block."""
    miners = (
        Miner("loyal 0", stays(0.7, 0, 2)),
        Miner("loyal 1", stays(0.3, 1, 2)),
        Miner("hoppers", hops(1)),
    )
    return Scenario(registry([1, 8], [0.5, 0.5]), miners)


def all_hop(blocks: int) -> Scenario:
    """Everybody moves to the cheaper tier at every block."""
    return Scenario(registry([1, 8, 50], [0.5, 0.3, 0.2]), (Miner("hoppers", hops(1)),))


def uneven(blocks: int, few: float) -> Scenario:
    """Two tiers of equal shares and unequal power; nobody moves."""
    miners = (Miner("many", stays(1 - few, 0, 2)), Miner("few", stays(few, 1, 2)))
    return Scenario(registry([1, 8], [0.5, 0.5]), miners)


def many_tiers(blocks: int) -> Scenario:
    """Eight tiers: power in four, one of them leaves and comes back."""
    leaves, returns = blocks // 3, 2 * blocks // 3
    others = [0.25 if index < 3 else 0.0 for index in range(8)]
    miners = (
        Miner("three tiers", lambda view: others),
        Miner("fourth", switched([(0, 0.25), (leaves, 0), (returns, 0.25)], 3, 8)),
    )
    return Scenario(registry([2.0**i for i in range(8)], [1 / 8] * 8), miners, (leaves, returns))


def lies(blocks: int, part: float, name: str) -> Scenario:
    """``part`` of the power writes false times."""
    stamp = {"ahead": ahead, "behind": behind, "leaps": leaps}[name]
    miners = (Miner("honest", stays(1 - part)), Miner("liars", stays(part), stamp))
    return Scenario(registry([1], [1]), miners)


def tiny_targets(blocks: int) -> Scenario:
    """Two tiers with equal power where the genesis target is 64: rounding is one part in 64."""
    miners = (Miner("small", stays(0.5, 0, 2)), Miner("large", stays(0.5, 1, 2)))
    rules = replace(MAINNET.difficulty, genesis_target=64)
    return Scenario(registry([1, 1.625], [0.5, 0.5]), miners, (), rules)


SCENARIOS: dict[str, Callable[[int], Scenario]] = {
    "one tier, steady": steady,
    "power x10 and back": swing,
    "power x6 every other window": pulse,
    "hoppers on price": price_hoppers,
    "liars ahead, 30 %": lambda blocks: lies(blocks, 0.3, "ahead"),
    "liars ahead, 70 %": lambda blocks: lies(blocks, 0.7, "ahead"),
    "liars behind, 30 %": lambda blocks: lies(blocks, 0.3, "behind"),
    "liars behind, 70 %": lambda blocks: lies(blocks, 0.7, "behind"),
    "liars leap at boundaries, 70 %": lambda blocks: lies(blocks, 0.7, "leaps"),
    "power 7 : 3, equal shares": lambda blocks: uneven(blocks, 0.3),
    "power 9 : 1, equal shares": lambda blocks: uneven(blocks, 0.1),
    "power 99 : 1, equal shares": lambda blocks: uneven(blocks, 0.01),
    "idle tier, then flooded": flood,
    "idle tier, then flooded tenfold": lambda blocks: flood(blocks, 10),
    "raiders, a tenth": lambda blocks: raid(blocks, 0.1),
    "raiders, threefold": lambda blocks: raid(blocks, 3),
    "hoppers, a half": hoppers,
    "hoppers only": all_hop,
    "eight tiers": many_tiers,
    "target of 64": tiny_targets,
}
