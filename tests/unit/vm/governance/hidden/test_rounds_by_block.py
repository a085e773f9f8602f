"""Rounds of hidden sets, by blocks: what is drawn, paid, burned, and what opens by itself."""

from dataclasses import replace

import pytest

from esper.dao.bodies import RollbackBody, read_body
from esper.dao.hidden.hidden_set import MAX_USED, drawn_items
from esper.dao.hidden.openings import UNPROVEN
from esper.dao.hidden.rounds import Unjudged, auto_rollback_id
from esper.dao.steps import Step, Subject
from esper.primitives.errors import dao_errors as e
from esper.primitives.ids import Txid
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.hidden.releasing import sets_in_round
from esper.vm.governance.hidden.rounds import round_sets
from esper.vm.governance.hidden.set_rules import displaced
from esper.vm.governance.propose import Propose
from esper.vm.ledger import Ledger
from esper.vm.settled_bond import SettledBond
from esper.vm.view import Overlay
from tests.support.bench_suites import item
from tests.support.dao_world import RULES, DaoWorld, model_body, proposing
from tests.support.hidden_sets import (
    QUESTIONS,
    RIGHT,
    SET_BOND,
    TOKENIZER,
    WRONG,
    Hidden,
    opens,
    questions,
)
from tests.support.hidden_world import (
    CURATORS,
    FEE,
    PARAMS,
    D,
    activated,
    begun,
    curator_of,
    in_round,
    open_all,
    passed,
    settled,
    three,
)
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address
from tests.unit.vm.governance.test_dao_rules import refused, told


def test_a_model_that_answers_stays_and_its_curators_are_paid_twice() -> None:
    world, sets = three()
    txid = passed(world)
    before = world.records.hidden_set(sets[0])
    assert (before.is_idle, before.curator, before.bond) == (True, address(ALICE), SET_BOND)
    world.block()
    drew = world.height
    live, seed = world.live(txid), world.proposal(txid).seed
    assert live is not None
    assert (live.step, live.next) == (Step.ROUND0, drew + D)
    for set_id in sets:
        found = world.records.hidden_set(set_id)
        assert found.drawn == found.used == drawn_items(set_id, seed, 200, (), 2)
        assert found.round == (txid,)
    # What a round has drawn of is not there for another model.
    assert round_sets(world.proposal(txid), world.records) == Unjudged(0, 0, 5120)
    open_all(world, sets)
    assert [world.records.hidden_set(one).right for one in sets] == [3, 3, 3]
    world.until(drew + D)
    # Six items earn an equal part of half of the fee; what cannot be divided burns.
    each = FEE // 2 // 6
    assert settled(world, *sets) == [
        SettledBond(one, address(key), 2 * each, 0) for one, key in zip(sets, CURATORS, strict=True)
    ]
    assert settled(world, txid) == [SettledBond(txid, address(ALICE), 0, FEE // 2 - 6 * each)]
    assert (world.step(txid), world.proposal(txid).fee) == (Step.CHECK, FEE - FEE // 2)
    assert len(world.records.governance.live) == 1
    for set_id in sets:
        found = world.records.hidden_set(set_id)
        assert (found.is_idle, found.drawn, found.answered) == (True, (), 0)
        assert (found.right, found.proven, len(found.used)) == (0, 0, 2)

    activated(world, txid)
    second = world.proposal(txid).seed
    assert (world.step(txid), second != seed) == (Step.ROUND1, True)
    found = world.records.hidden_set(sets[1])
    assert found.drawn == drawn_items(sets[1], second, 200, found.used[:2], 2)
    assert len(set(found.used)) == 4
    open_all(world, sets)
    world.until(world.proposal(txid).active + RULES.draw_depth + 1 + D)
    assert (world.step(txid), world.proposal(txid).fee) == (Step.TRIAL, 0)
    assert sum(one.returned for one in settled(world, *sets)) == 6 * each
    assert all(world.records.hidden_set(one).is_idle for one in sets)
    world.until(world.proposal(txid).active + RULES.trial)
    assert world.live(txid) is None


def test_who_does_not_open_in_time_loses_the_bond() -> None:
    world, sets = three()
    in_round(world)
    drew = world.height
    open_all(world, sets[:2])
    found = world.records.hidden_set(sets[2])
    world.block((CAROL, opens(sets[2], QUESTIONS.proof(found.drawn[:1]))))
    world.until(drew + D - 1)
    assert world.records.find_set(sets[2]) is not None
    world.block()
    assert settled(world, sets[2]) == [SettledBond(sets[2], address(CAROL), 0, SET_BOND)]
    assert world.records.find_set(sets[2]) is None
    assert world.records.sets_of(QUESTIONS.tokenizer) == tuple(sets[:2])
    # What it was to earn, the others have: four items instead of six.
    each = FEE // 2 // 4
    assert [one.returned for one in settled(world, *sets[:2])] == [2 * each, 2 * each]


def test_the_last_block_of_a_round_is_the_one_before_it_is_judged() -> None:
    world, sets = three()
    in_round(world)
    world.until(world.height + D - 2)
    open_all(world, sets)
    world.block()
    assert all(world.records.hidden_set(one).is_idle for one in sets)


def test_a_round_below_theta_opens_a_vote_by_itself() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets, {sets[0]: WRONG, sets[2]: WRONG})
    world.until(world.height + D - 1)
    rollback = auto_rollback_id(txid, 0)
    live = world.live(rollback)
    assert live is not None
    assert (live.subject, live.number, live.tier) == (Subject.ROLLBACK, 2, 0)
    assert (live.step, live.next) == (Step.CLOSE, world.height + RULES.rollback_window)
    held = world.proposal(rollback)
    assert read_body(Subject.ROLLBACK, held.body) == RollbackBody(txid)
    assert (held.bond, held.fee, held.close, held.opened) == (0, 0, live.next, world.height)
    assert (held.stake, held.quorum) == (1000 * COIN, 1000 * COIN)
    assert world.step(txid) == Step.CHECK
    assert told(refused(world, BOB, rolling(txid)))[0] is e.RollbackViolation
    world.vote(rollback, ALICE)
    world.until(held.close)
    assert world.live(rollback) is None
    assert world.live(txid) is None


def rolling(txid: Txid) -> Propose:
    return proposing(RollbackBody(txid))


def test_behind_the_activation_two_thirds_take_the_model_back() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets)
    world.until(world.height + D)
    activated(world, txid)
    open_all(world, sets, dict.fromkeys(sets, WRONG))
    world.until(world.height + D - 1)
    rollback = auto_rollback_id(txid, 1)
    assert world.step(rollback) == Step.CLOSE
    assert world.step(txid) == Step.TRIAL
    world.vote(rollback, ALICE, BOB)
    assert world.live(rollback) is None
    live = world.live(txid)
    assert live is not None
    assert (live.step, live.next) == (Step.END, world.height + RULES.horizon)
    world.until(live.next)
    assert world.registry.tiers[0].own.model.model_id == PARAMS.model.model_id


@pytest.mark.parametrize(("wrong", "opens_vote"), [(1, False), (2, True)])
def test_of_four_sets_the_lower_median_counts(wrong: int, opens_vote: bool) -> None:
    world, sets = begun(QUESTIONS, QUESTIONS, QUESTIONS, QUESTIONS)
    txid = in_round(world)
    open_all(world, sets, dict.fromkeys(sets[:wrong], WRONG))
    world.until(world.height + D)
    assert (world.live(auto_rollback_id(txid, 0)) is not None) == opens_vote


def test_half_of_the_items_right_is_not_below_a_half() -> None:
    world, sets = three()
    txid = in_round(world)
    for set_id in sets:
        found = world.records.hidden_set(set_id)
        parts = zip(found.drawn, (RIGHT, WRONG), strict=True)
        key = curator_of(found)
        world.block(*((key, opens(set_id, QUESTIONS.proof([at], one))) for at, one in parts))
    world.until(world.height + 2)
    assert world.step(txid) == Step.CHECK
    assert world.live(auto_rollback_id(txid, 0)) is None


def test_with_theta_0_no_vote_opens_by_itself() -> None:
    rules = replace(RULES, hidden_threshold_per_mille=0)
    world, sets = begun(QUESTIONS, QUESTIONS, QUESTIONS, params=replace(PARAMS, governance=rules))
    in_round(world)
    open_all(world, sets, dict.fromkeys(sets, WRONG))
    world.until(world.height + D)
    assert len(world.records.governance.live) == 1


def test_where_a_vote_about_the_model_is_open_that_one_stays_open() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets, dict.fromkeys(sets, WRONG))
    world.until(world.height + D - 3)
    rollback = world.propose(RollbackBody(txid), sender=BOB)
    closes, measured = world.proposal(rollback).close, world.live(txid)
    assert measured is not None
    judged = measured.next
    world.until(judged)
    assert world.step(txid) == Step.CHECK
    assert [one.id for one in world.records.governance.live] == [txid, rollback]
    # Those who have seen the score have as long as if it had opened now.
    later = judged + RULES.rollback_window
    live = world.live(rollback)
    assert live is not None
    assert closes < later == world.proposal(rollback).close == live.next
    world.until(closes - 1)
    world.vote(rollback, ALICE)
    world.until(later)
    assert world.live(txid) is None


def test_fewer_than_three_sets_judge_nothing() -> None:
    world, _ = begun(QUESTIONS, QUESTIONS)
    txid = passed(world)
    found = round_sets(world.proposal(txid), world.records)
    assert found == Unjudged(2, 400, 5120)
    assert str(found) == "unjudged: 2 hidden sets, a round needs 3"
    world.block()
    assert world.step(txid) == Step.CHECK
    assert all(world.records.hidden_set(one).is_idle for one in world.records.sets_of(TOKENIZER))
    assert world.proposal(txid).fee == FEE


@pytest.mark.parametrize(("counts", "judged"), [((170, 170, 172), True), ((170, 170, 171), False)])
def test_sets_hold_a_tenth_of_the_bank(counts: tuple[int, ...], judged: bool) -> None:
    world, _ = begun(*(Hidden(questions(count)) for count in counts))
    txid = passed(world)
    found = round_sets(world.proposal(txid), world.records)
    assert isinstance(found, Unjudged) != judged
    if isinstance(found, Unjudged):
        assert "hold 511 items, a round needs 512: a tenth of the prompt bank's 5120" in str(found)
    world.block()
    assert world.step(txid) == (Step.ROUND0 if judged else Step.CHECK)


def test_what_is_left_at_the_end_has_to_be_enough_too() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets[:2], dict.fromkeys(sets, WRONG))
    world.until(world.height + D)
    assert world.step(txid) == Step.CHECK
    assert world.live(auto_rollback_id(txid, 0)) is None
    # Who has opened is paid all the same.
    assert world.proposal(txid).fee == FEE - FEE // 2


def test_nobody_opens_and_nobody_is_paid() -> None:
    world, sets = three()
    txid = in_round(world)
    world.until(world.height + D)
    assert world.proposal(txid).fee == FEE
    assert [one.burned for one in settled(world, *sets)] == [SET_BOND] * 3
    assert world.records.sets_of(TOKENIZER) == ()


def test_sets_of_before_the_proposal_come_first() -> None:
    world, old = three()
    txid = world.propose(model_body(), bond=3 * COIN)
    (young,) = world.block((ALICE, QUESTIONS.claim()))
    world.vote(txid, ALICE)
    world.until(world.proposal(txid).close + 2)
    assert [world.records.hidden_set(one).is_idle for one in (*old, young)] == [False] * 3 + [True]
    found = sets_in_round(txid, world.proposal(txid), world.records)
    assert [set_id for set_id, _ in found] == old


def test_sets_of_the_vote_are_taken_where_older_ones_lack() -> None:
    world, old = begun(QUESTIONS, QUESTIONS)
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, ALICE)
    close = world.proposal(txid).close
    world.until(close - 2)
    (before,) = world.block((ALICE, QUESTIONS.claim()))
    (closing,) = world.block((ALICE, QUESTIONS.claim()))
    assert world.height == close
    world.block()
    world.block()
    assert world.height == close + 2
    idle = [world.records.hidden_set(one).is_idle for one in (*old, before, closing)]
    assert idle == [False, False, False, True]


def test_sets_of_another_tokenizer_are_none_of_its() -> None:
    other = Hidden(questions(), tokenizer=bytes([1]) * 64)
    world, _ = begun(QUESTIONS, QUESTIONS, other)
    txid = in_round(world)
    assert world.step(txid) == Step.CHECK


def test_a_longer_bank_has_no_round_and_pays_for_none() -> None:
    world, sets = three()
    txid = in_round(world, name=0)
    assert (world.step(txid), world.proposal(txid).fee) == (Step.CHECK, 0)
    assert all(world.records.hidden_set(one).is_idle for one in sets)


def test_a_model_that_ends_in_its_round_sets_its_sets_free() -> None:
    world, sets = three()
    txid = passed(world)
    (rollback,) = world.block((BOB, rolling(txid)))
    world.vote(rollback, ALICE)
    open_all(world, sets[:1])
    assert world.step(txid) == Step.ROUND0
    world.until(world.proposal(rollback).close)
    assert world.live(txid) is None
    for set_id in sets:
        found = world.records.hidden_set(set_id)
        assert (found.is_idle, len(found.used), found.bond) == (True, 2, SET_BOND)


def test_a_model_that_is_taken_back_in_its_round_holds_its_sets_until_it_ends() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets)
    world.until(world.height + D)
    activated(world, txid)
    (rollback,) = world.block((BOB, rolling(txid)))
    world.vote(rollback, ALICE, BOB)
    assert world.step(txid) == Step.END
    drawn = world.records.hidden_set(sets[0]).drawn
    body = opens(sets[0], QUESTIONS.proof(drawn))
    assert told(refused(world, ALICE, body)) == (e.ProveTargetViolation, (sets[0],))
    assert displaced(TOKENIZER, world.records) is None
    live = world.live(txid)
    assert live is not None
    world.until(live.next)
    assert displaced(TOKENIZER, world.records) == sets[0]
    assert all(world.records.hidden_set(one).is_idle for one in sets)
    assert all(world.records.hidden_set(one).bond == SET_BOND for one in sets)


def used_up(world: DaoWorld, set_id: Txid, used: int) -> None:
    """Let so many items of a set have been drawn."""
    overlay = Overlay(world.state)
    records = DaoLedger(Ledger(overlay))
    found = records.hidden_set(set_id)
    records.set_hidden(set_id, replace(found, used=tuple(range(100, 100 + used))))
    world.state = world.state.with_changes(overlay.changes())


@pytest.mark.parametrize(("used", "drawn", "ends"), [(61, 2, False), (62, 2, True), (63, 1, True)])
def test_a_set_ends_when_64_of_it_were_drawn(used: int, drawn: int, ends: bool) -> None:
    world, sets = three()
    used_up(world, sets[0], used)
    in_round(world)
    assert len(world.records.hidden_set(sets[0]).drawn) == drawn
    open_all(world, sets)
    world.until(world.height + D - 1)
    assert (world.records.find_set(sets[0]) is None) == ends
    back = [one for one in settled(world, sets[0]) if one.returned == SET_BOND]
    assert len(back) == ends
    assert used + drawn <= MAX_USED


def test_what_does_not_fit_a_proof_says_nothing_and_earns_nothing() -> None:
    long = Hidden(tuple(item(prompt=(1,) * 300 + (at,)) for at in range(200)))
    world, sets = begun(QUESTIONS, QUESTIONS, QUESTIONS, long)
    txid = in_round(world)
    open_all(world, sets[:3], {sets[0]: WRONG})
    found = world.records.hidden_set(sets[3])
    world.block((ALICE, opens(sets[3], long.proof(found.drawn, UNPROVEN))))
    found = world.records.hidden_set(sets[3])
    assert (found.answered, found.proven, found.right) == (3, 0, 0)
    world.until(world.height + D - 2)
    # Of four scores the lower median would be wrong's; of three it is right's.
    assert world.live(auto_rollback_id(txid, 0)) is None
    assert settled(world, sets[3]) == []
    assert world.records.hidden_set(sets[3]).bond == SET_BOND
