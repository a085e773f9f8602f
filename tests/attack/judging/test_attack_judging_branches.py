"""A report on a chain that changes: what was drawn and proven on a branch counts on that one alone.

The rules of execution, with branches whose beacons differ. Every block that leaves is taken back to
an equal root, and supply is counted by all records after each block.
"""

import pytest

from esper.dao.benchmarks.report import Report
from esper.primitives.errors import dao_errors as e
from esper.primitives.ids import Txid
from esper.vm.governance.prove import Prove
from tests.support.bench_suites import item, said, text_suite
from tests.support.branching_world import BranchingWorld
from tests.support.dao_world import RULES, model_body
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address
from tests.unit.vm.governance.reports.test_reports_by_block import (
    BOND,
    PARAMS,
    reporting,
    shows,
)
from tests.unit.vm.governance.test_dao_rules import refused, told

ITEMS = 40
RIGHT = tuple(at % 3 == 0 for at in range(ITEMS))
SUITE = text_suite([item(prompt=(1, 30, 100 + at)) for at in range(ITEMS)])
OTHERS = range(2, 40)
"""Names of branches to choose from."""


def proof_of(txid: Txid, index: int) -> Prove:
    """A Prove that an item is as it is."""
    return shows(txid, SUITE.proof(index, [said(40 if RIGHT[index] else 41)]))


@pytest.fixture
def world() -> BranchingWorld:
    world = BranchingWorld(PARAMS)
    world.stake(600, 300, 100)
    return world


@pytest.fixture
def asked(world: BranchingWorld) -> Txid:
    return world.propose(model_body(suites=(SUITE.named,)), bond=2 * COIN)


def held(world: BranchingWorld, txid: Txid) -> Report:
    found = world.records.report(txid)
    assert found is not None
    return found


def drawn_on(world: BranchingWorld, made_at: int, branch: int, txid: Txid) -> tuple[int, ...]:
    """The sample of a report if the block that it is drawn from is another branch's."""
    world.leave(made_at + RULES.draw_depth - 1, branch)
    world.until(made_at + RULES.draw_depth + 1)
    return held(world, txid).sample


def test_another_branch_draws_other_items_and_wants_other_proofs(
    world: BranchingWorld, asked: Txid
) -> None:
    (txid,) = world.block((BOB, reporting(asked, RIGHT)))
    made_at = world.height
    world.until(made_at + RULES.draw_depth + 1)
    first = held(world, txid).sample
    world.block(*((CAROL, proof_of(txid, at)) for at in first))
    assert held(world, txid).is_proven
    carols = world.account(CAROL)

    # Another block from which it is drawn: nothing is proven, and what was is of no use.
    branch = next(at for at in OTHERS if not set(drawn_on(world, made_at, at, txid)) & set(first))
    second = held(world, txid).sample
    assert held(world, txid).proven == 0
    assert world.account(CAROL).nonce < carols.nonce
    for at in first:
        found = refused(world, CAROL, proof_of(txid, at))
        assert told(found) == (e.SampleViolation, (at,))
    world.block(*((CAROL, proof_of(txid, at)) for at in second))
    assert held(world, txid).is_proven
    after = world.state.root

    # Back on the first: as if the second had never been. And again on the second, to one root.
    assert drawn_on(world, made_at, 0, txid) == first
    assert held(world, txid).proven == 0
    for at in set(second):
        assert isinstance(refused(world, CAROL, proof_of(txid, at)), e.SampleViolation)
    assert drawn_on(world, made_at, branch, txid) == second
    world.block(*((CAROL, proof_of(txid, at)) for at in second))
    assert world.state.root == after


def test_an_item_that_both_branches_draw_counts_once_on_each(
    world: BranchingWorld, asked: Txid
) -> None:
    (txid,) = world.block((BOB, reporting(asked, RIGHT)))
    made_at = world.height
    world.until(made_at + RULES.draw_depth + 1)
    first = held(world, txid).sample
    both = next(
        shared
        for at in range(2, 400)
        if len(shared := set(drawn_on(world, made_at, at, txid)) & set(first)) == 1
    )
    (index,) = both
    world.block((CAROL, proof_of(txid, index)))
    assert held(world, txid).proven.bit_count() == 1
    assert isinstance(refused(world, CAROL, proof_of(txid, index)), e.SampleViolation)
    assert not held(world, txid).is_proven


def test_a_branch_that_keeps_the_block_of_the_draw_keeps_the_sample(
    world: BranchingWorld, asked: Txid
) -> None:
    (txid,) = world.block((BOB, reporting(asked, RIGHT)))
    made_at = world.height
    world.until(made_at + RULES.draw_depth + 1)
    first = held(world, txid).sample
    for branch in range(2, 12):
        world.leave(made_at + RULES.draw_depth, branch)
        world.until(made_at + RULES.draw_depth + 3)
        assert held(world, txid).sample == first


def test_a_report_that_comes_later_on_another_branch_is_drawn_there(
    world: BranchingWorld, asked: Txid
) -> None:
    before = world.height
    (txid,) = world.block((BOB, reporting(asked, RIGHT)))
    world.until(before + RULES.draw_depth + 2)
    first = held(world, txid).sample
    world.block(*((CAROL, proof_of(txid, at)) for at in first))

    # The same transaction, two blocks later: the same id, and a draw of its own.
    world.leave(before, 1)
    assert world.records.report(txid) is None
    assert told(refused(world, CAROL, proof_of(txid, first[0]))) == (
        e.ProveTargetViolation,
        (txid,),
    )
    world.until(before + 2)
    assert world.block((BOB, reporting(asked, RIGHT))) == [txid]
    world.until(before + 3 + RULES.draw_depth)
    assert held(world, txid).sample == ()
    world.block()
    assert held(world, txid).sample


def test_a_refuted_report_is_there_again_on_another_branch_and_pays_once(
    world: BranchingWorld, asked: Txid
) -> None:
    false = (not RIGHT[0], *RIGHT[1:])
    (txid,) = world.block((BOB, reporting(asked, false)))
    made_at, before = world.height, world.account(CAROL).balance
    world.block((CAROL, proof_of(txid, 0)))
    gained = world.account(CAROL).balance - before
    assert gained > 0
    assert world.records.report(txid) is None

    world.leave(made_at, 1)
    assert held(world, txid).bond == BOND
    assert world.account(CAROL).balance == before
    # There somebody else is first, and Carol's proof is of no use.
    world.block((ALICE, proof_of(txid, 0)))
    assert told(refused(world, CAROL, proof_of(txid, 0)))[0] is e.ProveTargetViolation
    assert world.account(CAROL).balance == before


def test_a_bond_that_burned_on_a_branch_comes_back_on_another(
    world: BranchingWorld, asked: Txid
) -> None:
    (txid,) = world.block((BOB, reporting(asked, RIGHT)))
    settles = world.height + RULES.draw_depth + 1 + RULES.round_window
    issued = world.state.chain.issued
    world.until(settles - 2)
    world.block()
    minted = world.state.chain.issued - issued
    world.block()
    assert world.records.report(txid) is None
    burned = world.trail[-1][1].settled
    assert [(one.returned, one.burned) for one in burned] == [(0, BOND)]
    assert world.state.chain.issued - issued < minted * 2

    # Whoever was kept from proving proves in the last block that may still hold it.
    world.leave(settles - 2, 1)
    world.block(*((CAROL, proof_of(txid, at)) for at in held(world, txid).sample))
    assert world.height == settles - 1
    world.block()
    assert held(world, txid).standing == 1
    assert world.trail[-1][1].settled == ()


def test_a_vote_that_a_report_decided_is_undone_with_it(world: BranchingWorld, asked: Txid) -> None:
    close = world.proposal(asked).close
    world.vote(asked, ALICE, BOB)
    (txid,) = world.block((BOB, reporting(asked, RIGHT)))
    made_at = world.height
    world.until(made_at + RULES.draw_depth + 1)
    world.block(*((CAROL, proof_of(txid, at)) for at in held(world, txid).sample))
    world.until(made_at + RULES.draw_depth + 1 + RULES.round_window)
    world.until(close - 1)
    passing = world.state.root
    world.until(close + 2 * RULES.vote_tail)
    assert world.proposal(asked).final
    bob = world.account(BOB).balance

    # The same heights without a proof: the bond burns and the model ends with the vote.
    world.leave(made_at + RULES.draw_depth + 1, 1)
    world.until(close + 2 * RULES.vote_tail)
    assert world.live(asked) is None
    assert world.account(BOB).balance == bob - BOND

    # And back: to equal roots, block by block.
    world.leave(made_at + RULES.draw_depth + 1, 0)
    world.block(*((CAROL, proof_of(txid, at)) for at in held(world, txid).sample))
    world.until(close - 1)
    assert world.state.root == passing
    world.until(close + 2 * RULES.vote_tail)
    assert world.proposal(asked).final
    assert world.account(BOB).balance == bob
    assert returned_to(world, txid) == address(BOB)


def returned_to(world: BranchingWorld, txid: Txid) -> bytes:
    """Whose bond came back when the vote closed."""
    found = [
        one
        for _, execution in world.trail
        for one in execution.settled
        if one.proposal == txid and one.returned
    ]
    assert len(found) == 1
    return found[0].proposer
