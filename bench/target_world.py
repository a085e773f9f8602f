"""A simulated world of miners that the real rules of targets are tried in.

Targets, multipliers and anchors come from ``esper.consensus``; only the world has floats: power is
work per millisecond in tickets of the genesis model, blocks are found at random, clocks may lie.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from esper.consensus.difficulty import Anchor, child_target
from esper.consensus.tiers import TierState, after_block, target_of
from esper.dao.registry import Entry, Puzzle, Tier, TierRegistry
from esper.primitives.networks import MAINNET
from esper.primitives.params import DifficultyParameters
from esper.primitives.units import FIXED_POINT_ONE, RANGE_512

ONE = FIXED_POINT_ONE
START_MS = 10**12

AfterBlock = Callable[..., tuple[TierState, Anchor | None]]
"""``esper.consensus.tiers.after_block`` or a rival rule of the same form."""
TargetOf = Callable[[Entry, TierRegistry, TierState, int, DifficultyParameters], int]
"""``esper.consensus.tiers.target_of`` or a rival rule of the same form."""


@dataclass(frozen=True)
class View:
    """What a miner sees before it chooses what to mine."""

    height: int
    """Height of the block to be found."""
    ease: tuple[float, ...]
    """Blocks per unit of work in each tier, 1 where the network as it began finds its spacing."""
    multipliers: tuple[float, ...]
    """m_t as each tier's target has it."""


@dataclass(frozen=True)
class Miner:
    """Some power and what it does with it."""

    name: str
    """For the tables."""
    place: Callable[[View], Sequence[float]]
    """Power in each tier at every block, in units of the whole network's at the start."""
    stamp: Callable[[int, int, int], int] = lambda now, median, height: max(now, median + 1)
    """Time written into a block: from the true time, the median it must exceed, the height."""


@dataclass
class Account:
    """What a miner spent and found."""

    work: float = 0.0
    """Power times milliseconds."""
    blocks: int = 0
    """Blocks found."""


@dataclass
class Run:
    """What happened."""

    spacing_ms: int
    """What the rules aim at."""
    times: list[float] = field(default_factory=list)
    """True time of every block, ms, the start first."""
    tiers: list[int] = field(default_factory=list)
    """Index of every block's tier in the registry."""
    paces: list[float] = field(default_factory=list)
    """Expected blocks per spacing before every block: 1 is on time."""
    multipliers: list[tuple[float, ...]] = field(default_factory=list)
    """m_t before every block, as the targets had it."""
    accounts: dict[str, Account] = field(default_factory=dict)
    """By miner."""

    def spacings(self, first: int = 0, last: int | None = None) -> list[float]:
        """Times between blocks over the spacing aimed at."""
        part = self.times[first : None if last is None else last + 1]
        return [(b - a) / self.spacing_ms for a, b in pairwise(part)]

    def window_times(self, width: int = 720, first: int = 0) -> list[float]:
        """Time of every ``width`` consecutive blocks over what it should be."""
        unit = width * self.spacing_ms
        times = self.times[first:]
        return [(b - a) / unit for a, b in zip(times, times[width:], strict=False)]

    def share(self, tier: int, first: int = 0, last: int | None = None) -> float:
        """Part of the blocks in [first, last) that were of a tier."""
        part = self.tiers[first:last]
        return part.count(tier) / len(part)

    def settled_after(self, event: int, within: float = 0.1) -> int | None:
        """Blocks after ``event`` until 100 have a mean pace within a tenth of one; None: never."""
        for late in range(event, len(self.paces) - 99):
            if abs(sum(self.paces[late : late + 100]) / 100 - 1) <= within:
                return late - event
        return None

    def gain(self, name: str) -> float:
        """A miner's blocks per work over that of all miners together."""
        own = self.accounts[name]
        work = sum(account.work for account in self.accounts.values())
        return own.blocks / own.work / (len(self.tiers) / work) if own.work else 0.0


PUZZLE: Final = Puzzle.of(MAINNET.puzzle)


def registry(omegas: Sequence[float], shares: Sequence[float]) -> TierRegistry:
    """Tiers of the genesis shape with these weights; the last share takes the remainder."""
    parts = [round(share * ONE) for share in shares[:-1]]
    parts.append(ONE - sum(parts))
    tiers = zip(omegas, parts, strict=True)
    return TierRegistry(
        tuple(
            Tier(replace(MAINNET.model, tier=index), round(omega * ONE), part, PUZZLE)
            for index, (omega, part) in enumerate(tiers)
        )
    )


def simulate(
    tiers: TierRegistry,
    miners: Sequence[Miner],
    blocks: int,
    *,
    seed: int,
    rules: DifficultyParameters = MAINNET.difficulty,
    after: AfterBlock = after_block,
    target: TargetOf = target_of,
) -> Run:
    """Find ``blocks`` blocks. Power 1 is what finds one genesis block a spacing at the start."""
    chance = random.Random(seed)
    run = Run(rules.spacing_ms, accounts={miner.name: Account() for miner in miners})
    attempts = RANGE_512 / rules.genesis_target / rules.spacing_ms
    state, anchor = TierState.of(tiers), None
    now, stamps = float(START_MS), [START_MS]
    run.times.append(now)
    for height in range(1, blocks + 1):
        base = child_target(anchor, height - 1, stamps[-1], rules)
        targets = [target(tier.own, tiers, state, base, rules) for tier in tiers.tiers]
        # Tickets are found in proportion to power over omega; a target is what one is worth.
        yields = [
            attempts * ONE / tier.omega * (easiest / RANGE_512)
            for tier, easiest in zip(tiers.tiers, targets, strict=True)
        ]
        view = View(
            height,
            tuple(value * rules.spacing_ms for value in yields),
            tuple(value * RANGE_512 / (attempts * base) for value in yields),
        )
        places = [miner.place(view) for miner in miners]
        rates = [
            power * value for place in places for power, value in zip(place, yields, strict=True)
        ]
        total = sum(rates)
        run.paces.append(total * rules.spacing_ms)
        run.multipliers.append(view.multipliers)
        passed = chance.expovariate(total)
        now += passed
        found = chance.choices(range(len(rates)), rates)[0]
        finder, tier = divmod(found, len(yields))
        for miner, place in zip(miners, places, strict=True):
            run.accounts[miner.name].work += sum(place) * passed
        run.accounts[miners[finder].name].blocks += 1
        past = stamps[-rules.median_window :]
        stamp = miners[finder].stamp(int(now), sorted(past)[len(past) // 2], height)
        stamps = [*past, stamp]
        run.times.append(now)
        run.tiers.append(tier)
        state, anchor = after(
            tiers,
            state,
            anchor,
            tier_id=tiers.tiers[tier].id,
            height=height,
            time_ms=stamp,
            rules=rules,
        )
    return run
