"""Networks of whole nodes to which something happens, by seed.

Each run ends with all nodes on one tip and state, with all coins, with nothing in a mempool that is
in the chain, and with nobody blamed. 42 runs in `make test`, 1,008 more in `make soak`.
"""

from functools import partial

import pytest

from tests.support.sim.sim_clockwork import simulated
from tests.support.sim.sim_scenarios import SCENARIOS, play

FEW = 3
MANY = 75


def seeds(begin: int, end: int) -> list[tuple[str, int]]:
    """Scenarios with seeds of their own: the weather differs from one to the next."""
    names = list(SCENARIOS)
    return [
        (name, at * 1_000 + seed) for at, name in enumerate(names) for seed in range(begin, end)
    ]


def run(name: str, seed: int) -> str:
    happening, pace = SCENARIOS[name]
    return simulated(partial(play, seed, happening, pace=pace), seed)


@pytest.mark.parametrize(("name", "seed"), seeds(0, FEW))
def test_everybody_ends_on_one_tip(name: str, seed: int) -> None:
    run(name, seed)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "seed"), seeds(FEW, MANY))
def test_everybody_ends_on_one_tip_always(name: str, seed: int) -> None:
    run(name, seed)


def test_equal_seeds_give_equal_runs() -> None:
    assert run("short split", 7) == run("short split", 7) != run("short split", 8)
