"""Reports on a proposed model, by blocks: each rule, and what becomes of every bond."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper.crypto.signing import KeyPair
from esper.dao.benchmarks.item_proof import ItemProof, item_proof_bytes
from esper.dao.benchmarks.report import ReportBody, bits_of, drawn_sample, report_bytes
from esper.dao.benchmarks.standing import STANDS
from esper.dao.benchmarks.suite import Form
from esper.dao.records import MAX_REPORTS
from esper.dao.steps import Step
from esper.primitives.errors import dao_errors as e
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.primitives.units import UNITS_PER_ESP
from esper.vm.governance.claim import Claim
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.settled_bond import SettledBond
from esper.vm.view import Overlay
from tests.support.bench_suites import Made, choice, item, made, said, shown, text_suite
from tests.support.dao_world import RULES, DaoWorld, change_body, model_body
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address
from tests.unit.vm.governance.test_dao_rules import SLH, refused, told

PARAMS = replace(REGTEST, governance=replace(RULES, texts=(bytes([1]) * 64,), report_samples=2))
PEOPLE = (ALICE, BOB, CAROL)
RIGHT = (True, False, True, False, True)
SUITE = text_suite([item(prompt=(1, 30, 100 + at)) for at in range(len(RIGHT))])
BOND = COIN // 4
NOBODY = Txid(bytes([9]) * 64)


def reporting(
    proposal: Txid, right: tuple[bool, ...] = RIGHT, suite: int = 0, bond: int = BOND
) -> Claim:
    return Claim(1, bond, report_bytes(ReportBody(proposal, suite, bits_of(right))))


def item_of(report: Txid, index: int, *, right: bool) -> Prove:
    """A proof that the model gets an item right, or wrong."""
    return shows(report, SUITE.proof(index, [said(40 if right else 41)]))


def shows(report: Txid, body: ItemProof) -> Prove:
    return Prove(2, report, 0, item_proof_bytes(body))


@pytest.fixture
def world() -> DaoWorld:
    world = DaoWorld(PARAMS)
    world.stake(600, 300, 100)
    return world


@pytest.fixture
def asked(world: DaoWorld) -> Txid:
    """An open model with a suite."""
    return world.propose(model_body(suites=(SUITE.named,)), bond=2 * COIN)


def report(world: DaoWorld, proposal: Txid, who: KeyPair = BOB, **fields: object) -> Txid:
    (txid,) = world.block((who, reporting(proposal, **fields)))  # type: ignore[arg-type]
    return txid


def drawn(world: DaoWorld, proposal: Txid) -> Txid:
    """A report whose sample is drawn."""
    txid = report(world, proposal)
    world.until(world.height + RULES.draw_depth + 1)
    return txid


def prove_all(world: DaoWorld, txid: Txid, who: KeyPair = CAROL) -> None:
    found = world.records.report(txid)
    assert found is not None
    for index in found.sample:
        world.block((who, item_of(txid, index, right=RIGHT[index])))


def standing(world: DaoWorld, proposal: Txid) -> Txid:
    made_at = world.height + 1
    txid = drawn(world, proposal)
    prove_all(world, txid)
    world.until(made_at + RULES.draw_depth + 1 + RULES.round_window)
    return txid


def settled(world: DaoWorld, txid: Txid) -> list[SettledBond]:
    """What the last block settled of a report."""
    return [one for one in world.trail[-1][1].settled if one.proposal == txid]


def test_a_proven_report_stands_and_its_bond_comes_back(world: DaoWorld, asked: Txid) -> None:
    opened = world.height
    world.vote(asked, ALICE)
    before = world.account(BOB).balance
    txid = report(world, asked)
    made_at = world.height
    fee = before - BOND - world.account(BOB).balance
    live = world.live(asked)
    assert live is not None
    assert live.next == made_at + RULES.draw_depth + 1
    world.until(live.next - 1)
    beacon = world.context().beacon
    world.block()
    found = world.records.report(txid)
    assert found is not None
    assert found.sample == drawn_sample(txid, beacon, len(RIGHT), 2)
    prove_all(world, txid)
    found = world.records.report(txid)
    assert found is not None
    assert (found.proven, found.standing) == (3, 0)
    settles = made_at + RULES.draw_depth + 1 + RULES.round_window
    world.until(settles - 1)
    assert world.proposal(asked).standing == ()
    world.block()
    found = world.records.report(txid)
    assert found is not None
    assert found.standing == 1
    assert (world.proposal(asked).gate, world.proposal(asked).standing) == (1, (0,))
    assert world.proposal(asked).reports[0].next == STANDS
    close = world.proposal(asked).close
    assert close == opened + RULES.vote_window
    world.until(close)
    assert world.step(asked) == Step.DRAW
    assert settled(world, txid) == [SettledBond(txid, address(BOB), BOND, 0)]
    assert world.account(BOB).balance == before - fee
    assert world.records.report(txid) is None
    assert world.proposal(asked).reports == ()
    assert world.proposal(asked).standing == (0,)


def test_without_a_standing_report_no_vote_is_enough(world: DaoWorld, asked: Txid) -> None:
    world.vote(asked, *PEOPLE)
    close = world.proposal(asked).close
    world.until(close)
    assert world.live(asked) is None
    # Its own bond is none of its reports' business.
    assert world.trail[-1][1].settled[0].burned == 0


def test_a_longer_bank_needs_no_report(world: DaoWorld) -> None:
    txid = world.propose(model_body(0), bond=2 * COIN)
    assert world.proposal(txid).gate == 0
    other = world.propose(
        change_body(settings=[(12, 2 * REGTEST.limits.fee_per_byte)]), bond=9 * COIN
    )
    assert world.proposal(other).gate == 0


def test_a_report_that_nobody_proves_loses_its_bond(world: DaoWorld, asked: Txid) -> None:
    txid = report(world, asked)
    settles = world.height + RULES.draw_depth + 1 + RULES.round_window
    world.until(settles - 2)
    found = world.records.report(txid)
    assert found is not None
    world.block((CAROL, item_of(txid, found.sample[0], right=RIGHT[found.sample[0]])))
    world.block()
    assert settled(world, txid) == [SettledBond(txid, address(BOB), 0, BOND)]
    assert world.records.report(txid) is None
    assert world.proposal(asked).reports == ()
    live = world.live(asked)
    assert live is not None
    assert live.next == world.proposal(asked).close - RULES.vote_tail


@pytest.mark.parametrize("when", ["before the draw", "behind it", "standing"])
def test_any_item_that_is_otherwise_ends_a_report(world: DaoWorld, asked: Txid, when: str) -> None:
    make = {"before the draw": report, "behind it": drawn, "standing": standing}[when]
    txid = make(world, asked)
    before = world.account(CAROL).balance
    world.block((CAROL, item_of(txid, 3, right=True)))
    half = BOND // 2
    assert settled(world, txid) == [
        SettledBond(txid, address(BOB), 0, BOND - half),
        SettledBond(txid, address(CAROL), half, 0),
    ]
    assert 0 < before + half - world.account(CAROL).balance < half
    assert world.records.report(txid) is None
    held = world.proposal(asked)
    assert (held.reports, held.standing) == ((), ())
    assert told(refused(world, CAROL, item_of(txid, 3, right=True))) == (
        e.ProveTargetViolation,
        (txid,),
    )


def test_a_suite_stands_while_one_of_its_reports_does(world: DaoWorld, asked: Txid) -> None:
    first, second = world.block((BOB, reporting(asked)), (CAROL, reporting(asked)))
    world.until(world.height + 2)
    for txid in (first, second):
        found = world.records.report(txid)
        assert found is not None
        world.block(*((CAROL, item_of(txid, at, right=RIGHT[at])) for at in found.sample))
    world.until(world.height + 2)
    assert world.proposal(asked).standing == (0,)
    world.block((ALICE, item_of(first, 0, right=False)))
    assert world.proposal(asked).standing == (0,)
    world.block((ALICE, item_of(second, 0, right=False)))
    assert world.proposal(asked).standing == ()


def test_an_odd_bond_is_halved_without_a_rest(world: DaoWorld, asked: Txid) -> None:
    txid = report(world, asked, bond=BOND + 1)
    world.block((CAROL, item_of(txid, 1, right=True)))
    assert [(one.returned, one.burned) for one in settled(world, txid)] == [
        (0, BOND // 2 + 1),
        (BOND // 2, 0),
    ]


def test_what_agrees_is_of_the_sample_and_proven_once(world: DaoWorld, asked: Txid) -> None:
    txid = report(world, asked)
    assert told(refused(world, CAROL, item_of(txid, 0, right=True))) == (e.SampleViolation, (0,))
    world.until(world.height + 2)
    found = world.records.report(txid)
    assert found is not None
    other = next(index for index in range(5) if index not in found.sample)
    mine = found.sample[1]
    assert told(refused(world, CAROL, item_of(txid, other, right=RIGHT[other]))) == (
        e.SampleViolation,
        (other,),
    )
    world.block((CAROL, item_of(txid, mine, right=RIGHT[mine])))
    assert told(refused(world, CAROL, item_of(txid, mine, right=RIGHT[mine]))) == (
        e.SampleViolation,
        (mine,),
    )


def test_a_report_is_on_a_suite_of_an_open_model(world: DaoWorld, asked: Txid) -> None:
    change = world.propose(
        change_body(settings=[(12, 2 * REGTEST.limits.fee_per_byte)]), bond=9 * COIN
    )
    for proposal in (NOBODY, change):
        found = refused(world, BOB, reporting(proposal))
        assert (type(found), "open to votes" in str(found)) == (e.ReportBitsViolation, True)
    assert "suite 1, the model names 1" in str(refused(world, BOB, reporting(asked, suite=1)))
    bodies = (ReportBody(asked, 0, bits) for bits in (b"", b"\0\0", b"\x20"))
    for body in bodies:
        found = refused(world, BOB, Claim(1, BOND, report_bytes(body)))
        assert isinstance(found, e.ReportBitsViolation)
        assert "must be 1" in str(found)
    assert report(world, asked)
    world.vote(asked, *PEOPLE)
    world.until(world.proposal(asked).close)
    assert isinstance(refused(world, BOB, reporting(asked)), e.ReportBitsViolation)


def test_a_closed_model_takes_no_report(world: DaoWorld, asked: Txid) -> None:
    world.vote(asked, ALICE)
    standing(world, asked)
    world.until(world.proposal(asked).close)
    assert world.step(asked) == Step.DRAW
    assert isinstance(refused(world, BOB, reporting(asked)), e.ReportBitsViolation)


def test_bonds_are_a_part_of_the_proposals_unit(world: DaoWorld, asked: Txid) -> None:
    assert told(refused(world, BOB, reporting(asked, bond=BOND - 1))) == (
        e.BondViolation,
        (BOND - 1, BOND),
    )
    assert UNITS_PER_ESP == COIN
    report(world, asked, bond=BOND)


def test_the_proposer_has_a_place_whatever_others_do(world: DaoWorld) -> None:
    suites = (SUITE.named,) * 4
    txid = world.propose(model_body(suites=suites), bond=2 * COIN)
    world.block(*((BOB, reporting(txid, suite=suite % 2)) for suite in range(4)))
    assert told(refused(world, CAROL, reporting(txid)))[0] is e.ReportLimitViolation
    report(world, txid, ALICE, suite=2)
    found = refused(world, ALICE, reporting(txid, suite=2))
    assert isinstance(found, e.ReportLimitViolation)
    world.block(*((ALICE, reporting(txid, suite=suite)) for suite in (0, 1, 3)))
    assert len(world.proposal(txid).reports) == MAX_REPORTS


def test_who_ended_makes_room(world: DaoWorld, asked: Txid) -> None:
    reports = world.block(*((BOB, reporting(asked)) for _ in range(4)))
    assert isinstance(refused(world, CAROL, reporting(asked)), e.ReportLimitViolation)
    world.block((CAROL, item_of(reports[2], 0, right=False)))
    report(world, asked, CAROL)
    assert [one.id for one in world.proposal(asked).reports][:3] == [
        reports[at] for at in (0, 1, 3)
    ]


def test_reports_are_made_while_there_is_time_to_prove_them(world: DaoWorld, asked: Txid) -> None:
    close = world.proposal(asked).close
    last = close - RULES.round_window - RULES.draw_depth - 1
    world.until(last - 1)
    txid = report(world, asked)
    assert told(refused(world, BOB, reporting(asked))) == (
        e.ReportLateViolation,
        (close + 1, close),
    )
    # It is settled in the block that closes the vote, before the vote is judged.
    world.vote(asked, ALICE)
    world.until(last + 2)
    prove_all(world, txid)
    world.until(close)
    held = world.proposal(asked)
    assert (held.standing, held.extensions) == ((0,), 1)


def test_who_reports_and_proves_has_a_suite_of_those_who_vote(world: DaoWorld, asked: Txid) -> None:
    for payload in (reporting(asked), item_of(report(world, asked), 1, right=True)):
        with pytest.raises(e.DaoSuiteViolation):
            payload.check_in_context(address(SLH), world.ledger, world.context())


def test_a_proof_is_of_the_suite_and_the_item(world: DaoWorld, asked: Txid) -> None:
    txid = report(world, asked)
    honest = SUITE.proof(0, [said(41)])
    other = text_suite(SUITE.items[::-1]).proof(0, [said(41)])
    longer = Made(replace(SUITE.suite, count=6), SUITE.items).suite
    for body in (other, replace(honest, suite=longer)):
        assert isinstance(refused(world, CAROL, shows(txid, body)), e.BenchSuiteViolation)
    for body in (
        replace(honest, index=1),
        replace(honest, path=honest.path[:-1]),
        replace(honest, item=replace(honest.item, expected=((41,),))),
        replace(honest, answers=()),
    ):
        assert isinstance(refused(world, CAROL, shows(txid, body)), e.ItemViolation)
    assert told(refused(world, CAROL, shows(NOBODY, honest)))[0] is e.ProveTargetViolation
    assert told(refused(world, CAROL, shows(asked, honest)))[0] is e.ProveTargetViolation
    world.block((CAROL, shows(txid, honest)))
    assert world.records.report(txid) is None


def test_a_suite_counts_what_the_proposal_says(world: DaoWorld) -> None:
    named = replace(SUITE.named, count=6)
    asked = world.propose(model_body(suites=(named,)), bond=2 * COIN)
    txid = report(world, asked, right=(*RIGHT, False))
    found = refused(world, CAROL, shows(txid, SUITE.proof(0, [said(41)])))
    assert isinstance(found, e.BenchSuiteViolation)


def test_lists_that_are_too_short(world: DaoWorld) -> None:
    suite = made(Form.CHOICE, [choice()])
    named = (suite.named,)
    asked = world.propose(model_body(suites=named), bond=2 * COIN)
    txid = report(world, asked, right=(True,))
    found = refused(world, CAROL, shows(txid, suite.proof(0, [shown(200, listed=4)], 4)))
    assert told(found) == (e.ListShortViolation, (4, min(1024, REGTEST.model.shape.vocab)))
    world.block((CAROL, shows(txid, suite.proof(0, [shown(40, listed=4)], 4))))
    assert world.records.report(txid) is None


def test_what_cannot_be_proven_is_wrong(world: DaoWorld) -> None:
    suite = text_suite([item(prompt=(1,) * 300)])
    asked = world.propose(model_body(suites=(suite.named,)), bond=2 * COIN)
    false = report(world, asked, right=(True,))
    true = report(world, asked, right=(False,))
    world.block((CAROL, shows(false, suite.proof(0, []))))
    assert world.records.report(false) is None
    world.until(world.height + 2)
    world.block((CAROL, shows(true, suite.proof(0, []))))
    found = world.records.report(true)
    assert found is not None
    assert found.is_proven


VERDICTS = (shown(40, listed=4), shown(41, listed=4))
QUESTION = item(choices=(40, 41))


@pytest.mark.parametrize("right", [True, False])
def test_a_judged_item_is_judged_both_ways(world: DaoWorld, right: bool) -> None:
    suite = made(Form.JUDGED, [QUESTION])
    asked = world.propose(model_body(suites=(suite.named,)), bond=2 * COIN)
    txid = report(world, asked, right=(not right,))
    verdicts = VERDICTS if right else (VERDICTS[0], VERDICTS[0])
    world.block((CAROL, shows(txid, suite.proof(0, [said(50), *verdicts], 4))))
    assert world.records.report(txid) is None


def judged_by(judge: int, **fields: object) -> Made:
    return made(Form.JUDGED, [QUESTION], judge=bytes([judge]) * 64, **fields)


def test_a_judge_that_is_gone_costs_nobody_a_bond(world: DaoWorld) -> None:
    suite = judged_by(77)
    asked = world.propose(model_body(suites=(suite.named,)), bond=2 * COIN)
    txid = report(world, asked, right=(True,))
    answers = [said(50), *VERDICTS]
    found = refused(world, CAROL, shows(txid, suite.proof(0, answers, 4)))
    assert isinstance(found, e.ItemViolation)
    world.block((CAROL, shows(txid, suite.proof(0, []))))
    assert settled(world, txid) == [SettledBond(txid, address(BOB), BOND, 0)]
    assert world.proposal(asked).reports == ()


def test_a_judge_that_is_gone_ends_no_standing_report(world: DaoWorld) -> None:
    suite = judged_by(77)
    asked = world.propose(model_body(suites=(suite.named,)), bond=2 * COIN)
    txid = report(world, asked, right=(True,))
    for fields in ({"standing": 1}, {"sample": (0,), "proven": 1}):
        state, overlay = world.state, Overlay(world.state)
        records = DaoLedger(Ledger(overlay))
        held = records.report(txid)
        assert held is not None
        records.set_report(txid, replace(held, **fields))
        world.state = state.with_changes(overlay.changes())
        found = refused(world, CAROL, shows(txid, suite.proof(0, [])))
        assert isinstance(found, e.BenchSuiteViolation)
        world.state = state


def test_a_judge_reads_the_suites_ids(world: DaoWorld) -> None:
    suite = made(Form.JUDGED, [QUESTION], tokenizer=bytes(64))
    asked = world.propose(model_body(suites=(suite.named,)), bond=2 * COIN)
    txid = report(world, asked, right=(True,))
    found = refused(world, CAROL, shows(txid, suite.proof(0, [])))
    assert isinstance(found, e.BenchSuiteViolation)


def test_bodies_of_their_subject(world: DaoWorld, asked: Txid) -> None:
    for payload in (
        Claim(2, BOND, reporting(asked).body),
        Claim(1, BOND, b"\1"),
        Claim(1, BOND, reporting(asked).body + b"\0"),
        Prove(3, asked, 0, b""),
        Prove(2, asked, 0, b"\1"),
    ):
        assert isinstance(refused(world, BOB, payload), e.DaoEncodingViolation)


def test_a_report_is_settled_between_tail_and_close(world: DaoWorld, asked: Txid) -> None:
    close = world.proposal(asked).close
    world.until(close - 1 - RULES.round_window - RULES.draw_depth - 2)
    txid = report(world, asked)
    world.until(close - RULES.vote_tail)
    assert world.step(asked) == Step.CLOSE
    assert world.records.report(txid) is not None
    world.until(close - 1)
    assert settled(world, txid) == [SettledBond(txid, address(BOB), 0, BOND)]


def test_an_extended_vote_waits_for_its_reports(world: DaoWorld, asked: Txid) -> None:
    """A report that begins to stand at closing swings the vote, which is then extended."""
    world.vote(asked, ALICE)
    close = world.proposal(asked).close
    world.until(close - RULES.round_window - RULES.draw_depth - 2)
    txid = report(world, asked)
    world.until(world.height + 2)
    prove_all(world, txid)
    world.until(close)
    held = world.proposal(asked)
    assert (held.extensions, held.close) == (1, close + RULES.vote_tail)
    assert world.records.report(txid) is not None
    world.until(held.close)
    assert world.step(asked) == Step.DRAW
    assert world.records.report(txid) is None


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.integers(0, 2), st.integers(0, 1)),
        st.tuples(st.just("prove"), st.integers(0, 7), st.integers(0, 1)),
        st.tuples(st.just("refute"), st.integers(0, 7), st.integers(0, 4)),
        st.tuples(st.just("vote"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.integers(1, 3), st.just(0)),
    ),
    max_size=25,
)


@given(MOVES)
@settings(max_examples=40)
def test_whatever_is_reported_and_proven_no_coin_is_lost(
    moves: list[tuple[str, int, int]],
) -> None:
    # Supply by all records, undo and the registry are checked by every block of the world.
    world = DaoWorld(PARAMS)
    world.stake(600, 300, 100)
    suites = (SUITE.named, SUITE.named)
    asked = world.propose(model_body(suites=suites), bond=2 * COIN)
    begun, bonds = len(world.trail), 0
    for kind, which, how in moves:
        live = world.live(asked)
        places = [] if live is None else list(world.proposal(asked).reports)
        picked = places[which % len(places)] if places else None
        found = None if picked is None else world.records.report(picked.id)
        with suppress(RejectedTransactionViolation):
            if kind == "report":
                report(world, asked, PEOPLE[which], suite=how)
                bonds += BOND
            elif kind == "vote":
                world.vote(asked, PEOPLE[which], choice=how)
            elif kind == "wait":
                world.until(world.height + which)
            elif picked is not None and found is not None:
                index = found.sample[how % len(found.sample)] if found.sample else how
                right = RIGHT[index] == (kind == "prove")
                world.block((CAROL, item_of(picked.id, index, right=right)))
        if world.live(asked) is not None:
            held = world.proposal(asked)
            standing_now = {one.suite for one in held.reports if one.next == STANDS}
            assert held.final or set(held.standing) == standing_now
            assert len(held.reports) <= MAX_REPORTS
            assert all(one.next == STANDS or one.next > world.height for one in held.reports)
    rest = RULES.vote_window + 3 * RULES.vote_tail
    world.until(world.height + rest)
    # Every bond has gone somewhere, and only once.
    gone = [
        one
        for _, execution in world.trail[begun:]
        for one in execution.settled
        if one.proposal != asked
    ]
    assert sum(one.returned + one.burned for one in gone) == bonds
