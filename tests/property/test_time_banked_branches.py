"""Branches mined in private, whose times and tiers their miner chose: their weight is their work.

The search gains nothing against the rules in force beyond what votes and rounding may do, and it
gains against every rule that was broken on purpose: so it would have found a hole of that kind.
``docs/decisions/time-banked-branches.md`` has the model and the tables.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.branch_measures import blocks_for_work, luck_rate, most_blocks
from bench.branch_rules import BROKEN, IN_FORCE, BranchRules
from bench.branch_scenarios import FULL, SCENARIOS, SHAPES, Scenario, Shape, rounding
from bench.branch_search import played, search
from bench.branch_world import Branch, honest, per_work
from esper.consensus.tiers import LEAST_MULTIPLIER, TierState, TierTally
from esper.dao.omega import omega_bounds
from esper.dao.registry import ONE
from esper.primitives.networks import DEVNET, MAINNET, TESTNET

MAINNET_SHORT, DEVNET_ITSELF = SHAPES
VOTE = 5 / 4
"""An omega over the cost of its ticket, at most; 3/4 at least."""
FINE = 1 + 1e-5
"""What rounding gains: on devnet at Tmax one of 131,072, on mainnet there one of 2^24."""
VOTED = {
    "omega up a quarter": VOTE,
    "omega down a quarter": 4 / 3,
    "omegas 3/4 and 5/4": 5 / 3,
    "everything": VOTE,
}
"""Gains that votes may make, one at a time and both at once."""
HARDEST = "targets of 64"
"""Where no machine gets: target + 1 is another number than the target."""


def gain(scenario: Scenario, rules: BranchRules = IN_FORCE) -> float:
    """Weight for work of the best branch that is found, over the chain's."""
    chain = honest(scenario.start, scenario.blocks, rules)
    return search(scenario, rules, drawn=4, climbs=15).ratio / per_work(chain)


def check_bounds(
    scenario: Scenario, name: str, *, seed: int = 1, drawn: int = 4, climbs: int = 15
) -> None:
    most = search(scenario, seed=seed, drawn=drawn, climbs=climbs)
    least = search(scenario, seed=seed, drawn=drawn // 4, climbs=climbs // 4, sign=-1)
    chain = per_work(honest(scenario.start, scenario.blocks))
    # No block weighs more than omega says of its work, which votes leave within a quarter.
    assert 3 / 4 <= scenario.least <= 1 <= scenario.most <= VOTE
    assert most.ratio <= scenario.most * (1 + 1e-12)
    # Nor less, but for what is rounded down.
    if name != HARDEST:
        assert least.ratio >= scenario.least * (1 - rounding(scenario)) * (1 - 1e-12)
        bound = VOTED.get(name, 1) / (1 - rounding(scenario))
        assert most.ratio / chain <= bound * (1 + 1e-12) < VOTED.get(name, 1) * FINE


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_branch_weighs_more_than_its_work(name: str, shape: Shape) -> None:
    check_bounds(SCENARIOS[name](shape), name)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_branch_weighs_more_than_its_work_in_a_long_search(
    name: str, shape: Shape, seed: int
) -> None:
    check_bounds(SCENARIOS[name](shape), name, seed=seed, drawn=60, climbs=600)


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_branch_weighs_more_than_its_work_on_mainnet_itself(name: str) -> None:
    check_bounds(SCENARIOS[name](FULL), name, drawn=5, climbs=25)


def test_votes_alone_are_worth_what_they_may() -> None:
    """The constants are reached, and times add nothing to them."""
    scenario = SCENARIOS["omegas 3/4 and 5/4"](MAINNET_SHORT)
    dear, cheap = (
        played(scenario, (("on time", pick),) * scenario.blocks) for pick in ("second", "first")
    )
    assert per_work(dear) / per_work(cheap) == pytest.approx(5 / 3, rel=0.01)
    best = search(scenario, drawn=4, climbs=15)
    assert best.ratio / per_work(dear) < 1.01
    least, most = omega_bounds(ONE)
    assert (least / ONE, most / ONE) == (3 / 4, VOTE)


# What breaks, where it is seen, and the gain that the search is to find there at least.
GAINS = [
    ("weight 1 a block", "one tier", 2.9),
    ("weight 1 a block", "multipliers 1/4 and 4", 5),
    ("weight omega a block", "multipliers 1/4 and 4", 12),
    ("weight of the base target", "multipliers 1/4 and 4", 1.7),
    ("weight without omega", "a model and its trial", 3),
    ("weight by the omega of the tier", "a model and its trial", 7),
    ("weight 1, windows from their first block", "one tier", 1.9),
]


@pytest.mark.parametrize(("broken", "name", "least"), GAINS)
def test_another_rule_of_weight_is_gained_on(broken: str, name: str, least: float) -> None:
    scenario = SCENARIOS[name](MAINNET_SHORT)
    assert gain(scenario, BROKEN[broken]) > least
    assert gain(scenario) < FINE


@pytest.mark.parametrize("anchors", ["anchors forget", "windows from their first block"])
@pytest.mark.parametrize("name", ["one tier", "multipliers 1/4 and 4"])
def test_no_anchor_can_be_cashed_in_as_weight(anchors: str, name: str) -> None:
    """What keeps times from being worth anything is the weight alone."""
    assert gain(SCENARIOS[name](MAINNET_SHORT), BROKEN[anchors]) < FINE


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
@pytest.mark.parametrize(("name", "multiplier"), [("one tier", 1), ("multipliers 1/4 and 4", 4)])
def test_banked_times_bring_so_many_blocks_for_work_and_no_more(
    name: str, multiplier: int, shape: Shape
) -> None:
    scenario = SCENARIOS[name](shape)
    for powers in (0.5, 1, 10):
        found, _ = blocks_for_work(scenario, powers)
        bound = most_blocks(scenario, powers, multiplier)
        assert found <= bound
        if multiplier == 1:
            # The bound is that of the best branch, which is found: all times as late as allowed.
            assert found > bound - 3


def test_anchors_that_are_a_branchs_own_bring_blocks_without_bound() -> None:
    scenario = SCENARIOS["one tier"](MAINNET_SHORT)
    warped, trick = blocks_for_work(
        scenario, 1, BROKEN["windows from their first block"], most=1_000
    )
    assert warped == 1_000
    assert trick.startswith("latest, still elsewhere")
    # Time held still makes targets hard for no longer than a window.
    forgotten, _ = blocks_for_work(scenario, 10, BROKEN["anchors forget"], most=1_000)
    assert forgotten > 2 * most_blocks(scenario, 10)


def test_one_unit_of_weight_is_what_rounding_loses_at_tmax() -> None:
    """A block at Tmax weighs one unit less than its work, and a target just below it does not."""
    for params in (MAINNET, TESTNET, DEVNET):
        scenario = SCENARIOS["at Tmax"](Shape(params.name, params.difficulty, 50))
        branch = Branch(scenario.start)
        weight, work = branch.price(branch.entries()[0])
        assert weight == work * ONE - 1
        assert rounding(scenario) == 1 / (work * ONE) <= 1 / (2 if params is DEVNET else 64) / ONE


def test_weight_in_whole_tickets_is_gained_on_where_a_block_is_two() -> None:
    """Devnet at Tmax: who holds time still until a block is three tickets gains by rounding alone.

    Not with parts of tickets.
    """
    scenario = SCENARIOS["at Tmax"](DEVNET_ITSELF)
    assert 1.5 < gain(scenario, BROKEN["weight in whole tickets"]) <= 2
    assert gain(scenario) < FINE


def test_the_heaviest_block_is_sixteen_and_luck_is_worth_as_much() -> None:
    """A previous model in a tier at the least multiplier: as much weight for work, more chance."""
    scenario = SCENARIOS["a model and its trial"](MAINNET_SHORT)
    cheap = TierState((TierTally(0, LEAST_MULTIPLIER, 0),))
    branch = played(
        replace(scenario, start=replace(scenario.start, state=cheap)), (("on time", "first"),) * 18
    )
    _, previous = branch.entries()
    weight, work = branch.price(previous)
    assert weight / ONE / work == pytest.approx(1, abs=1e-6)
    # A window's boundary may have moved the multiplier; the rules' least is meant.
    assert work * branch.base / (1 << 512) == pytest.approx(16, rel=0.01)
    assert luck_rate(0.3, 1) / luck_rate(0.3, 16) == pytest.approx(9.4, abs=0.1)
