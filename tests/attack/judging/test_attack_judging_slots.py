"""Places for reports: who can keep whom from reporting, what it costs, and what it cannot reach."""

from dataclasses import replace

import pytest

from esper.dao.steps import OPEN, Step
from esper.primitives.errors import dao_errors as e
from esper.primitives.ids import Txid
from esper.primitives.networks import MAINNET, NETWORKS
from esper.primitives.params import NetworkParameters
from esper.vm.governance.reports.report_rules import (
    BOND_DIVISOR,
    MOST_OF_OTHERS,
    least_report_bond,
)
from esper.vm.unstake import Unstake
from tests.support.dao_world import RULES, DaoWorld, model_body
from tests.support.vm_world import ALICE, BOB, CAROL, COIN
from tests.unit.vm.governance.reports.test_reports_by_block import (
    BOND,
    PARAMS,
    PEOPLE,
    RIGHT,
    SUITE,
    item_of,
    report,
    reporting,
)
from tests.unit.vm.governance.test_dao_rules import refused, told

FALSE = (not RIGHT[0], *RIGHT[1:])
TWO = replace(
    PARAMS,
    governance=replace(PARAMS.governance, texts=(bytes([1]) * 64,) * 2, vote_window=14),
)
"""Where a model needs a report on each of two suites, and there is time for two, one by one."""


@pytest.fixture
def world() -> DaoWorld:
    world = DaoWorld(TWO)
    world.stake(600, 300, 100)
    return world


@pytest.fixture
def asked(world: DaoWorld) -> Txid:
    """An open model of Alice's with two suites."""
    return world.propose(model_body(suites=(SUITE.named,) * 2), bond=2 * COIN)


def standing(world: DaoWorld, *reports: Txid) -> None:
    """Prove these, which were made in the last block, and wait until they stand."""
    made_at = world.height
    world.until(made_at + RULES.draw_depth + 1)
    found = [(txid, world.records.report(txid)) for txid in reports]
    world.block(
        *(
            (CAROL, item_of(txid, index, right=RIGHT[index]))
            for txid, one in found
            if one is not None
            for index in one.sample
        )
    )
    world.until(made_at + RULES.draw_depth + 1 + RULES.round_window)


def test_true_reports_on_one_suite_keep_others_from_the_second_and_not_the_proposer(
    world: DaoWorld, asked: Txid
) -> None:
    world.vote(asked, *PEOPLE)
    filled = world.block(*((BOB, reporting(asked)) for _ in range(MOST_OF_OTHERS)))
    for bond in (BOND, 100 * COIN):
        found = refused(world, CAROL, reporting(asked, suite=1, bond=bond))
        assert isinstance(found, e.ReportLimitViolation)
    # The proposer has a place of its own on each suite, and needs nobody.
    own = world.block(*((ALICE, reporting(asked, suite=suite)) for suite in range(2)))
    standing(world, *own)
    while world.step(asked) in OPEN:
        world.block()
    assert world.step(asked) == Step.DRAW
    assert world.proposal(asked).standing == (0, 1)
    assert all(world.records.report(txid) is None for txid in filled)


def test_without_a_report_of_the_proposers_four_true_ones_stop_the_model(
    world: DaoWorld, asked: Txid
) -> None:
    # Not prevented, and why a proposer reports itself: it costs the blocker nothing but a while.
    world.vote(asked, *PEOPLE)
    before = world.account(BOB).balance
    filled = world.block(*((BOB, reporting(asked)) for _ in range(MOST_OF_OTHERS)))
    standing(world, *filled)
    assert world.proposal(asked).standing == (0,)
    world.until(world.proposal(asked).close)
    assert world.live(asked) is None
    assert sum(one.returned for one in world.trail[-1][1].settled) >= MOST_OF_OTHERS * BOND
    assert before - world.account(BOB).balance < BOND // 10, "fees alone"


def test_claims_that_nobody_proves_hold_a_place_for_a_round_and_burn(
    world: DaoWorld, asked: Txid
) -> None:
    filled = world.block(*((BOB, reporting(asked, FALSE)) for _ in range(MOST_OF_OTHERS)))
    made_at, before = world.height, world.account(BOB).balance
    world.until(made_at + RULES.draw_depth + RULES.round_window - 1)
    assert isinstance(refused(world, CAROL, reporting(asked)), e.ReportLimitViolation)
    world.block()
    # The block that burns them has room again.
    assert report(world, asked, CAROL)
    gone = world.trail[-1][1].settled
    assert [(one.proposal, one.burned) for one in gone] == [(txid, BOND) for txid in filled]
    assert world.account(BOB).balance == before


@pytest.mark.parametrize("params", NETWORKS.values(), ids=NETWORKS)
def test_what_it_costs_to_hold_all_places_through_a_vote_with_false_claims(
    params: NetworkParameters,
) -> None:
    rules = params.governance
    held = rules.draw_depth + 1 + rules.round_window
    rounds = rules.vote_window // held
    # In units of B, what a proposal's bond is measured in. On mainnet fifteen of them.
    assert MOST_OF_OTHERS * rounds // BOND_DIVISOR == rounds
    assert rounds >= 1
    assert rules is not MAINNET.governance or rounds == 15


def test_no_place_is_needed_to_show_that_reports_are_false(world: DaoWorld, asked: Txid) -> None:
    """All places are a liar's, the proposer's own too: each is ended, at the liar's cost."""
    liars = world.block(
        *((BOB, reporting(asked, FALSE, suite=at % 2)) for at in range(MOST_OF_OTHERS)),
        *((ALICE, reporting(asked, FALSE, suite=suite)) for suite in range(2)),
    )
    assert isinstance(refused(world, CAROL, reporting(asked)), e.ReportLimitViolation)
    before = world.account(CAROL).balance
    world.block(*((CAROL, item_of(txid, 0, right=RIGHT[0])) for txid in liars))
    burned = sum(one.burned for one in world.trail[-1][1].settled)
    assert world.proposal(asked).reports == ()
    gained = world.account(CAROL).balance - before
    assert burned + len(liars) * (BOND // 2) == len(liars) * BOND
    assert gained > len(liars) * BOND // 3


def test_who_refutes_takes_the_place_in_the_same_block(world: DaoWorld, asked: Txid) -> None:
    liars = world.block(*((BOB, reporting(asked, FALSE)) for _ in range(MOST_OF_OTHERS)))
    _, mine = world.block((CAROL, item_of(liars[2], 0, right=RIGHT[0])), (CAROL, reporting(asked)))
    assert world.records.report(mine) is not None
    # Nobody's report takes the place of another: not a higher bond's, not the proposer's.
    before = {one.id for one in world.proposal(asked).reports}
    assert isinstance(refused(world, BOB, reporting(asked, bond=COIN)), e.ReportLimitViolation)
    report(world, asked, ALICE, bond=2 * COIN)
    assert before < {one.id for one in world.proposal(asked).reports}
    twice = refused(world, ALICE, reporting(asked, bond=9 * COIN))
    assert told(twice) == (e.ReportLimitViolation, ("the proposer on a suite", 1))


def test_reports_of_others_count_whoever_makes_them(world: DaoWorld, asked: Txid) -> None:
    world.block(
        (BOB, reporting(asked)),
        (CAROL, reporting(asked)),
        (BOB, reporting(asked, suite=1)),
        (CAROL, reporting(asked, suite=1)),
    )
    for who in (BOB, CAROL):
        assert isinstance(refused(world, who, reporting(asked)), e.ReportLimitViolation)


def test_places_of_one_model_are_not_those_of_another(world: DaoWorld, asked: Txid) -> None:
    world.block(*((BOB, reporting(asked)) for _ in range(MOST_OF_OTHERS)))
    other = world.propose(
        model_body(2, tier=1, share=4096, suites=(SUITE.named,) * 2), bond=9 * COIN
    )
    assert report(world, other, BOB, bond=9 * COIN)
    assert world.proposal(other).reports
    assert len(world.proposal(asked).reports) == MOST_OF_OTHERS


def test_the_least_bond_does_not_fall_with_the_stake(world: DaoWorld, asked: Txid) -> None:
    held = world.proposal(asked)
    assert least_report_bond(held) == -(-held.base // BOND_DIVISOR) == BOND
    world.block((ALICE, Unstake(600 * COIN)), (BOB, Unstake(300 * COIN)))
    world.until(world.height + 5)
    assert isinstance(refused(world, CAROL, reporting(asked, bond=BOND - 1)), e.BondViolation)
