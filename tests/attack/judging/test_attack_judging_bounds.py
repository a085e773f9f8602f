"""Refutations and proofs at the first and the last height of each, in one block, and beside it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.dao.benchmarks.answers import ShownAnswer, choice_lengths
from esper.dao.benchmarks.item_proof import outcome
from esper.dao.benchmarks.suite import Form
from esper.dao.records import MAX_REPORTS
from esper.dao.steps import OPEN, Step
from esper.primitives.errors import dao_errors as e
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import Candidate
from tests.support.bench_suites import Made, item, made, said, shown, text_suite
from tests.support.dao_world import RULES, DaoWorld, model_body
from tests.support.vm_world import ALICE, BOB, CAROL, COIN
from tests.unit.vm.governance.reports.test_reports_by_block import (
    BOND,
    PARAMS,
    RIGHT,
    SUITE,
    item_of,
    prove_all,
    report,
    reporting,
    settled,
    shows,
)
from tests.unit.vm.governance.test_dao_rules import refused, replace_world, told

FALSE = (not RIGHT[0], *RIGHT[1:])
DRAWN, SETTLED = RULES.draw_depth + 1, RULES.draw_depth + 1 + RULES.round_window
"""Blocks from a report to its draw, and until it stands or burns."""
MODEL = REGTEST.model


@pytest.fixture
def world() -> DaoWorld:
    world = DaoWorld(PARAMS)
    world.stake(600, 300, 100)
    return world


@pytest.fixture
def asked(world: DaoWorld) -> Txid:
    """An open model of Alice's that everybody says yes to; it waits for a report."""
    txid = world.propose(model_body(suites=(SUITE.named,)), bond=2 * COIN)
    world.vote(txid, ALICE, BOB, CAROL)
    return txid


def closed(world: DaoWorld, asked: Txid) -> bool:
    """Whether the model was taken, once its vote has closed."""
    while world.live(asked) is not None and world.step(asked) in OPEN:
        world.block()
    return world.live(asked) is not None


# --- refutations ---


@pytest.mark.parametrize("after", [1, DRAWN, DRAWN + 1, SETTLED - 1])
def test_a_false_report_is_refuted_before_it_stands(
    world: DaoWorld, asked: Txid, after: int
) -> None:
    """In the block behind it, in that of its draw, and up to the last before it stands."""
    txid = report(world, asked, right=FALSE)
    made_at = world.height
    world.until(made_at + after - 1)
    world.block((CAROL, item_of(txid, 0, right=RIGHT[0])))
    assert world.records.report(txid) is None
    assert settled(world, txid)[-1].returned == BOND // 2
    assert not closed(world, asked)


@pytest.mark.parametrize("later", [0, 1])
def test_and_when_it_stands(world: DaoWorld, asked: Txid, later: int) -> None:
    txid = stand(world, asked)
    world.until(world.height + later)
    world.block((CAROL, item_of(txid, 0, right=RIGHT[0])))
    assert world.proposal(asked).standing == ()
    assert not closed(world, asked)


def test_the_last_block_that_may_refute_is_the_one_before_the_vote_closes(
    world: DaoWorld, asked: Txid
) -> None:
    txid = stand(world, asked)
    close = world.proposal(asked).close
    world.until(close - 2)
    there = replace_world(world)
    there.block((CAROL, item_of(txid, 0, right=RIGHT[0])))
    assert there.height == close - 1
    assert not closed(there, asked)

    world.block()
    assert told(refused(world, CAROL, item_of(txid, 0, right=RIGHT[0]))) == (
        e.ProveTargetViolation,
        (txid,),
    )
    world.block()
    assert world.step(asked) == Step.DRAW
    assert settled(world, txid)[0].returned >= BOND
    gone = refused(world, CAROL, item_of(txid, 0, right=RIGHT[0]))
    assert isinstance(gone, e.ProveTargetViolation)


def stand(world: DaoWorld, asked: Txid) -> Txid:
    """A false report whose sample missed what is false of it."""
    for bond in range(BOND, BOND + 40):
        there = replace_world(world)
        txid = report(there, asked, right=FALSE, bond=bond)
        there.until(there.height + DRAWN)
        found = there.records.report(txid)
        assert found is not None
        if 0 not in found.sample:
            break
    assert report(world, asked, right=FALSE, bond=bond) == txid
    made_at = world.height
    world.until(made_at + DRAWN)
    prove_all(world, txid)
    world.until(made_at + SETTLED)
    assert world.proposal(asked).standing == (0,)
    return txid


def test_two_refutations_in_one_block_are_one_too_many(world: DaoWorld, asked: Txid) -> None:
    wrong = tuple(not one for one in RIGHT)
    txid = report(world, asked, right=wrong)
    before = world.state.root
    for second in (0, 3):
        with pytest.raises(RejectedTransactionViolation) as caught:
            world.block(
                (CAROL, item_of(txid, 0, right=RIGHT[0])),
                (ALICE, item_of(txid, second, right=RIGHT[second])),
            )
        assert isinstance(caught.value.__cause__, e.ProveTargetViolation)
    assert world.state.root == before
    world.block((CAROL, item_of(txid, 0, right=RIGHT[0])))
    shares = [(one.returned, one.burned) for one in settled(world, txid)]
    assert shares == [(0, BOND - BOND // 2), (BOND // 2, 0)]


def test_a_proof_and_a_refutation_of_one_report_in_one_block(world: DaoWorld, asked: Txid) -> None:
    txid = report(world, asked, right=FALSE)
    world.until(world.height + DRAWN)
    found = world.records.report(txid)
    assert found is not None
    drawn = next(at for at in found.sample if at)
    proof = (ALICE, item_of(txid, drawn, right=RIGHT[drawn]))
    refutation = (CAROL, item_of(txid, 0, right=RIGHT[0]))
    with pytest.raises(RejectedTransactionViolation):
        world.block(refutation, proof)
    world.block(proof, refutation)
    assert world.records.report(txid) is None


def test_a_report_made_and_refuted_in_one_block(world: DaoWorld, asked: Txid) -> None:
    there = replace_world(world)
    txid = report(there, asked, right=FALSE)
    assert (
        world.block((BOB, reporting(asked, FALSE)), (CAROL, item_of(txid, 0, right=RIGHT[0])))[0]
        == txid
    )
    assert world.proposal(asked).reports == ()


def test_what_is_true_is_never_refuted(world: DaoWorld, asked: Txid) -> None:
    """Whoever shows what the model says of any item of a true report agrees with it."""
    txid = report(world, asked)
    for index, right in enumerate(RIGHT):
        assert told(refused(world, CAROL, item_of(txid, index, right=right))) == (
            e.SampleViolation,
            (index,),
        )


# --- the gate, at its heights ---


def test_what_stands_in_the_very_block_that_closes_counts(world: DaoWorld, asked: Txid) -> None:
    close = world.proposal(asked).close
    world.until(close - SETTLED - 1)
    txid = report(world, asked)
    world.until(world.height + DRAWN)
    world.until(close - 2)
    prove_together(world, txid)
    assert world.height == close - 1
    assert world.proposal(asked).standing == ()
    assert closed(world, asked)


def test_what_is_proven_a_block_too_late_does_not(world: DaoWorld, asked: Txid) -> None:
    close = world.proposal(asked).close
    world.until(close - SETTLED - 1)
    txid = report(world, asked)
    world.until(close - 1)
    found = world.records.report(txid)
    assert found is not None
    index = found.sample[0]
    proof = item_of(txid, index, right=RIGHT[index])
    assert isinstance(refused(world, CAROL, proof), e.ProveTargetViolation)
    assert not closed(world, asked)


def test_half_of_a_sample_is_none(world: DaoWorld, asked: Txid) -> None:
    txid = report(world, asked)
    made_at = world.height
    world.until(made_at + DRAWN)
    found = world.records.report(txid)
    assert found is not None
    first = found.sample[0]
    world.block((CAROL, item_of(txid, first, right=RIGHT[first])))
    world.until(made_at + SETTLED)
    assert settled(world, txid)[0].burned == BOND
    assert not closed(world, asked)


def prove_together(world: DaoWorld, txid: Txid) -> None:
    found = world.records.report(txid)
    assert found is not None
    world.block(*((CAROL, item_of(txid, at, right=RIGHT[at])) for at in found.sample))


def test_a_full_list_of_reports_in_the_last_block_is_drawn_and_settled(world: DaoWorld) -> None:
    """Eight reports of one block, on four suites: all are drawn at once, and none is forgotten."""
    asked = world.propose(model_body(suites=(SUITE.named,) * 4), bond=2 * COIN)
    close = world.proposal(asked).close
    world.until(close - SETTLED - 1)
    txids = world.block(
        *((BOB, reporting(asked, suite=suite)) for suite in range(4)),
        *((ALICE, reporting(asked, suite=suite)) for suite in range(4)),
    )
    assert len(txids) == MAX_REPORTS
    assert isinstance(refused(world, CAROL, reporting(asked)), e.ReportLimitViolation)
    world.until(world.height + DRAWN)
    assert all(world.records.report(txid).sample for txid in txids)  # type: ignore[union-attr]
    for txid in txids[:3]:
        prove_together(world, txid)
    world.until(close - 1)
    assert all(world.records.report(txid) for txid in txids)
    issued = world.state.chain.issued
    world.block()
    burned = sum(one.burned for one in world.trail[-1][1].settled if one.proposal in txids)
    assert burned == 5 * BOND
    assert world.state.chain.issued > issued - 5 * BOND


# --- what is no proof of this report ---


def test_an_item_of_another_suite_of_the_same_model_is_none(world: DaoWorld) -> None:
    other = text_suite([item(prompt=(1, 31, 100 + at)) for at in range(len(RIGHT))])
    asked = world.propose(model_body(suites=(SUITE.named, other.named)), bond=2 * COIN)
    txid = report(world, asked, suite=1)
    found = refused(world, CAROL, item_of(txid, 0, right=not RIGHT[0]))
    assert isinstance(found, e.BenchSuiteViolation)


STRANGE = bytes([9]) * 64


@pytest.mark.parametrize(
    "changed",
    [
        {"form": Form.CHOICE},
        {"form": Form.JUDGED, "judge": MODEL.model_id, "joints": ((1,), (2,), (3,), (4,))},
        {"tokenizer": STRANGE},
        {"items_root": STRANGE},
        {"count": len(RIGHT) + 1},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_suite_that_differs_in_anything_is_another(
    world: DaoWorld, asked: Txid, changed: dict[str, Any]
) -> None:
    txid = report(world, asked, right=FALSE)
    body = SUITE.proof(0, [said(40)])
    other = replace(body, suite=replace(body.suite, **changed))
    assert isinstance(refused(world, CAROL, shows(txid, other)), e.BenchSuiteViolation)


def test_a_suite_that_is_not_of_the_registered_text_is_no_proposal(world: DaoWorld) -> None:
    strange = replace(SUITE.named, text=bytes([2]) * 64)
    for suites in ((), (strange,), (strange, SUITE.named)):
        with pytest.raises(RejectedTransactionViolation) as caught:
            world.propose(model_body(suites=suites), bond=2 * COIN)
        assert isinstance(caught.value.__cause__, e.BenchSuiteViolation)
    assert world.propose(model_body(suites=(SUITE.named, strange)), bond=2 * COIN)


LOGITS = st.lists(st.integers(-5, 5), min_size=40, max_size=40)


@given(LOGITS, st.sets(st.integers(0, 39), min_size=1, max_size=4))
def test_how_long_a_list_is_shown_changes_no_verdict(logits: list[int], choices: set[int]) -> None:
    """Whoever proves chooses k: too short a list says nothing, and all others say the same."""
    small = replace(MODEL, shape=replace(MODEL.shape, vocab=40), tokenizer_id=MODEL.tokenizer_id)
    ranked = sorted((Candidate(at, one) for at, one in enumerate(logits)),
                    key=lambda one: (-one.logit, one.token))  # fmt: skip
    expected = min(choices)
    one = item(prompt=(1, 2), limit=1, choices=tuple(sorted(choices)), expected=((expected,),))
    suite: Made = made(Form.CHOICE, [one])
    verdicts = set()
    for listed in choice_lengths(40):
        answer = ShownAnswer((ranked[0].token,), (tuple(ranked[:listed]),))
        try:
            verdicts.add(verdict(suite, [answer], listed, small))
        except e.ListShortViolation:
            assert listed < 40
    assert len(verdicts) == 1


def verdict(suite: Made, answers: Sequence[ShownAnswer], listed: int, model: object) -> bool:
    body = suite.proof(0, answers, listed)
    return outcome(body, model, None, RULES.audit_rows).is_right  # type: ignore[arg-type]


def test_an_answer_cut_short_or_drawn_out_is_no_answer(world: DaoWorld, asked: Txid) -> None:
    """Of a text the whole answer is shown: not its beginning, nor what would come behind EOS."""
    txid = report(world, asked, right=FALSE)
    for answer in (shown(40), shown(40, 2, 41), shown(40, 41, 42, 43, 44)):
        found = refused(world, CAROL, shows(txid, SUITE.proof(0, [answer])))
        assert isinstance(found, e.ItemViolation)
