"""Where private branches leave the chain, and what waits for them there.

A scenario is of a network: its spacing, future limit, half-life for window, Tmax and undo depth.
Mainnet's periods in blocks are an eighteenth, so that a branch crosses two boundaries in 80 blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from bench.branch_world import Start, times_before
from esper.consensus.difficulty import Anchor
from esper.consensus.tiers import TierState, TierTally
from esper.dao.omega import omega_bounds
from esper.dao.registry import ONE, Entry, Puzzle, Tier, TierRegistry
from esper.dao.schedule import Activation, Reshaping, Scheduled, Settlement
from esper.primitives.ids import ModelId
from esper.primitives.networks import DEVNET, MAINNET
from esper.primitives.params import DifficultyParameters
from esper.primitives.units import RANGE_512

PUZZLE: Final = Puzzle.of(MAINNET.puzzle)
FIRST_MS: Final = 10**12
MAINNET_PART: Final = 18
HEAVY: Final = 569_600
"""8.7: the second of the specification's tiers."""


@dataclass(frozen=True)
class Shape:
    """A network as branches see it."""

    name: str
    """Whose numbers these are."""
    rules: DifficultyParameters
    """Targets and times."""
    blocks: int
    """The undo depth: no node changes to a branch that leaves the chain further back."""


SHAPES: Final = (
    Shape(
        "mainnet, short",
        replace(
            MAINNET.difficulty,
            window=MAINNET.difficulty.window // MAINNET_PART,
            half_life_blocks=MAINNET.difficulty.half_life_blocks // MAINNET_PART,
        ),
        MAINNET.limits.undo_depth // MAINNET_PART,
    ),
    Shape("devnet", DEVNET.difficulty, DEVNET.limits.undo_depth),
)
FULL: Final = Shape("mainnet", MAINNET.difficulty, MAINNET.limits.undo_depth)
"""With nothing shortened."""


@dataclass(frozen=True)
class Scenario:
    """A place to leave the chain at."""

    start: Start
    """There."""
    blocks: int
    """How many both branches have, and how many spacings the private one has to bank."""
    least: float
    """Least that a vote makes of an omega on the way, over what the ticket costs."""
    most: float
    """The most."""


def named(tier: int, name: int, omega: int) -> Entry:
    """A model of that number with a bank of its own."""
    model = replace(
        MAINNET.model,
        tier=tier,
        model_id=ModelId(name.to_bytes(64, "big")),
        bank_root=name.to_bytes(64, "big"),
    )
    return Entry(model, omega, PUZZLE)


def _tier(identity: int, name: int, omega: int, share: int) -> Tier:
    entry = named(identity, name, omega)
    return Tier(entry.model, omega, share, PUZZLE)


def _costs(*omegas: tuple[int, int]) -> Mapping[ModelId, float]:
    return {ModelId(name.to_bytes(64, "big")): omega / ONE for name, omega in omegas}


def _start(
    shape: Shape,
    tiers: tuple[Tier, ...],
    *acts: tuple[float, Activation | Settlement | Reshaping],
    costs: Mapping[ModelId, float],
    multipliers: tuple[int, ...] = (),
    target: int | None = None,
    height: int | None = None,
) -> Start:
    """Half a window behind a boundary; ``acts`` at these parts of the branch."""
    rules = shape.rules
    if height is None:
        height = 5 * rules.window + rules.window // 2
    counts = height % rules.window
    boundary = height - counts if height >= rules.window else 1
    base = rules.genesis_target if target is None else target
    each = multipliers or (ONE,) * len(tiers)
    return Start(
        rules=rules,
        height=height,
        times_ms=tuple(times_before(height, FIRST_MS, rules)),
        anchor=Anchor(boundary, FIRST_MS + boundary * rules.spacing_ms, base),
        registry=TierRegistry(tiers),
        state=TierState(
            tuple(
                TierTally(tier.id, multiplier, counts * tier.share // ONE)
                for tier, multiplier in zip(tiers, each, strict=True)
            )
        ),
        schedule=tuple(
            Scheduled(height + max(1, round(part * shape.blocks)), act) for part, act in acts
        ),
        costs=costs,
    )


ALONE: Final = (_tier(0, 1, ONE, ONE),)
PAIR: Final = (_tier(0, 1, ONE, 3 * ONE // 4), _tier(1, 2, HEAVY, ONE // 4))
PAIR_COSTS: Final = _costs((1, ONE), (2, HEAVY))
LOW, HIGH = omega_bounds(ONE)[0], omega_bounds(HEAVY)[1]


def _plain(start: Start, shape: Shape, least: float = 1.0, most: float = 1.0) -> Scenario:
    return Scenario(start, shape.blocks, least, most)


def one_tier(shape: Shape) -> Scenario:
    """Nothing but window boundaries."""
    return _plain(_start(shape, ALONE, costs=_costs((1, ONE))), shape)


def first_window(shape: Shape) -> Scenario:
    """From block 1: no base exceeds genesis' target until the first boundary."""
    return _plain(_start(shape, ALONE, costs=_costs((1, ONE)), height=1), shape)


def easiest(shape: Shape) -> Scenario:
    """A chain at Tmax, where the ceiling bites and weights are small numbers."""
    costs = _costs((1, ONE))
    return _plain(_start(shape, ALONE, costs=costs, target=shape.rules.max_target), shape)


def easiest_pair(shape: Shape) -> Scenario:
    """The same with two tiers and two ceilings."""
    start = _start(shape, PAIR, costs=PAIR_COSTS, target=shape.rules.max_target)
    return _plain(start, shape)


def hardest(shape: Shape) -> Scenario:
    """Targets of a few bits, where rounding is coarse."""
    return _plain(_start(shape, PAIR, costs=PAIR_COSTS, target=64), shape)


def dear_and_cheap(shape: Shape) -> Scenario:
    """Multipliers at both their bounds."""
    multipliers = (ONE // 4, 4 * ONE)
    return _plain(_start(shape, PAIR, costs=PAIR_COSTS, multipliers=multipliers), shape)


def joining(shape: Shape) -> Scenario:
    """A tier comes with a quarter of the blocks, its multiplier 1."""
    act = Activation(named(1, 2, HEAVY), ONE // 4)
    return _plain(_start(shape, ALONE, (0.4, act), costs=PAIR_COSTS), shape)


def trial(shape: Shape) -> Scenario:
    """A model eight times as heavy takes the tier; the old one at a quarter, then gone."""
    new = named(0, 2, HEAVY)
    acts = (0.2, Activation(new, 0)), (0.8, Settlement(new.model))
    return _plain(_start(shape, ALONE, *acts, costs=PAIR_COSTS), shape)


def voted_up(shape: Shape) -> Scenario:
    """The heavy tier's omega goes up a quarter, what it costs does not."""
    act = Reshaping((), (), ((1, HIGH),))
    return _plain(_start(shape, PAIR, (0.5, act), costs=PAIR_COSTS), shape, 1, HIGH / HEAVY)


def voted_down(shape: Shape) -> Scenario:
    """The light tier's omega goes down a quarter."""
    act = Reshaping((), (), ((0, LOW),))
    return _plain(_start(shape, PAIR, (0.5, act), costs=PAIR_COSTS), shape, LOW / ONE, 1)


def voted_apart(shape: Shape) -> Scenario:
    """One up, the other down, from the first block on: the worst that votes may do."""
    act = Reshaping((), (), ((0, LOW), (1, HIGH)))
    start = _start(shape, PAIR, (0, act), costs=PAIR_COSTS)
    return _plain(start, shape, LOW / ONE, HIGH / HEAVY)


def everything(shape: Shape) -> Scenario:
    """A third tier comes, the second goes on trial, an omega goes up, multipliers apart."""
    light, heir = ONE // 3, named(1, 4, 2 * HEAVY)
    acts = (
        (0.2, Activation(named(2, 3, light), ONE // 8)),
        (0.4, Activation(heir, 0)),
        (0.5, Reshaping((), (), ((0, omega_bounds(ONE)[1]),))),
        (0.8, Settlement(heir.model)),
    )
    costs = _costs((1, ONE), (2, HEAVY), (3, light), (4, 2 * HEAVY))
    start = _start(shape, PAIR, *acts, costs=costs, multipliers=(ONE // 2, 3 * ONE))
    return _plain(start, shape, 1, omega_bounds(ONE)[1] / ONE)


SCENARIOS: Final[Mapping[str, Callable[[Shape], Scenario]]] = MappingProxyType(
    {
        "one tier": one_tier,
        "first window": first_window,
        "at Tmax": easiest,
        "two tiers at Tmax": easiest_pair,
        "targets of 64": hardest,
        "multipliers 1/4 and 4": dear_and_cheap,
        "a tier joins": joining,
        "a model and its trial": trial,
        "omega up a quarter": voted_up,
        "omega down a quarter": voted_down,
        "omegas 3/4 and 5/4": voted_apart,
        "everything": everything,
    }
)


def rounding(scenario: Scenario) -> float:
    """Most that a block's weight, rounded down, lacks of its work: one of the weight at Tmax."""
    return scenario.start.rules.max_target / RANGE_512 / ONE
