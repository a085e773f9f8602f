"""Hidden sets under attack: draws, displaced and silent sets, openings of others, votes in time."""

from copy import copy
from dataclasses import replace

from esper.dao.bodies import RollbackBody
from esper.dao.hidden.hidden_set import MAX_SETS, SET_SUBJECT, drawn_items, set_bytes
from esper.dao.hidden.openings import HiddenProof
from esper.dao.hidden.rounds import auto_rollback_id
from esper.dao.steps import Step
from esper.primitives.errors import dao_errors as d
from esper.primitives.errors import hidden_errors as e
from esper.primitives.ids import Txid
from esper.vm.governance.claim import Claim
from esper.vm.governance.hidden.set_rules import needed_bond
from esper.vm.view import Change
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
    withdrawal,
)
from tests.support.hidden_world import (
    FEE,
    D,
    activated,
    begun,
    curator_of,
    in_round,
    open_all,
    passed,
    three,
)
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address
from tests.unit.vm.governance.test_dao_rules import refused, told


def drawn(world: DaoWorld, sets: list[Txid]) -> list[tuple[int, ...]]:
    return [world.records.hidden_set(one).drawn for one in sets]


def branched(world: DaoWorld) -> DaoWorld:
    """Another branch from here."""
    other = copy(world)
    other.trail = list(world.trail)
    other.beacons = dict(world.beacons)
    return other


# Draws


def test_whoever_finds_the_block_that_draws_chooses_nothing_of_it() -> None:
    world, sets = three()
    passed(world)
    found = []
    for payee, sent in ((ALICE, ()), (BOB, ()), (CAROL, ((ALICE, QUESTIONS.claim()),))):
        branch = branched(world)
        branch.block(*sent, payee=payee)
        found.append(drawn(branch, sets))
    assert found[0] == found[1] == found[2]
    assert all(found[0])


def test_what_is_drawn_of_a_set_does_not_depend_on_other_sets() -> None:
    alone, (first, *_) = three()
    crowded, (same, *_) = begun(*(QUESTIONS,) * MAX_SETS)
    seed = bytes(range(64))
    wanted = RULES.hidden_samples
    assert first == same
    assert drawn_items(first, seed, 200, (), wanted) == drawn_items(same, seed, 200, (), wanted)
    for world in (alone, crowded):
        in_round(world)
        found, proposal = world.records.hidden_set(first), world.records.governance.live[0].id
        seed = world.proposal(proposal).seed
        assert found.drawn == drawn_items(first, seed, 200, (), wanted)


def test_between_beacon_and_draw_nobody_comes_or_goes() -> None:
    world, sets = three()
    txid = passed(world)
    for set_id in sets:
        key = curator_of(world.records.hidden_set(set_id))
        violation, _ = told(refused(world, key, withdrawal(set_id)))
        assert violation is e.SetWithdrawnViolation
    late = world.block((ALICE, QUESTIONS.claim(100 * SET_BOND)))[0]
    assert world.records.hidden_set(late).is_idle
    world.block()
    assert world.records.hidden_set(late).is_idle, "of after the close"
    assert world.step(txid) == Step.ROUND0


# Changes of branch


def test_another_branch_draws_anew_and_an_opening_of_this_one_is_no_opening_there() -> None:
    world, sets = three()
    passed(world)
    here, fork = branched(world), branched(world)
    here.block()
    # The block before the draw is another one there, and so is the beacon.
    fork.state = fork.state.with_chain(replace(fork.state.chain, beacon=bytes([7]) * 64))
    fork.block()
    body = QUESTIONS.proof(drawn(here, sets)[0])
    here.block((ALICE, opens(sets[0], body)))
    assert drawn(fork, sets) != drawn(here, sets)
    violation, _ = told(refused(fork, ALICE, opens(sets[0], body)))
    assert violation is e.HiddenOpeningViolation
    # There all of what is drawn is still to be opened, and pays.
    open_all(fork, sets)
    fork.until(fork.height + D)
    assert all(fork.records.hidden_set(one).is_idle for one in sets)


def test_draw_openings_and_judging_are_undone_as_if_they_had_not_been() -> None:
    world, sets = three()
    passed(world)
    root, begun_at = world.state.tree.root, len(world.trail)
    world.block()
    open_all(world, sets, {sets[1]: WRONG})
    world.until(world.height + D)
    state = world.state
    for _, execution in reversed(world.trail[begun_at:]):
        state = state.with_changes(
            [Change(one.path, before=one.after, after=one.before) for one in execution.changes]
        )
    assert state.tree.root == root


# Openings


def test_openings_of_other_items_sets_salts_and_senders_are_refused() -> None:
    world, sets = three()
    in_round(world)
    found = world.records.hidden_set(sets[0])
    index = found.drawn[0]
    honest = QUESTIONS.opening(index, RIGHT)
    other = Hidden(questions(199)).opening(index if index < 199 else 0, RIGHT)
    undrawn = next(at for at in range(200) if at not in found.drawn)
    bad = [
        replace(honest, salt=bytes(32)),
        replace(honest, item=item(prompt=(1, 30, 31))),
        replace(honest, path=honest.path[:-1]),
        replace(honest, path=(*honest.path, honest.path[0])),
        replace(QUESTIONS.opening(undrawn, RIGHT), index=index),
        QUESTIONS.opening(undrawn, RIGHT),
        replace(other, index=index),
    ]
    for one in bad:
        violation, _ = told(refused(world, ALICE, opens(sets[0], HiddenProof(1, (one,)))))
        assert violation is e.HiddenOpeningViolation
    body = HiddenProof(1, (honest,))
    for sender in (BOB, CAROL):
        violation, _ = told(refused(world, sender, opens(sets[0], body)))
        assert violation is e.HiddenOpeningViolation
    twice = HiddenProof(1, (honest, honest))
    assert told(refused(world, ALICE, opens(sets[0], twice)))[0] is e.HiddenOpeningViolation
    world.block((ALICE, opens(sets[0], body)))
    assert told(refused(world, ALICE, opens(sets[0], body)))[0] is e.HiddenOpeningViolation


def test_a_curator_who_counts_wrong_cannot_open_and_loses_its_own_bond_alone() -> None:
    liar = Hidden(questions(200))
    world, sets = begun(QUESTIONS, QUESTIONS, QUESTIONS)
    body = replace(liar.body, count=60_000)
    (false,) = world.block((BOB, Claim(SET_SUBJECT, SET_BOND, set_bytes(body))))
    in_round(world)
    found = world.records.hidden_set(false)
    inside = [at for at in found.drawn if at < 200] or [0]
    proof = HiddenProof(1, (replace(liar.opening(inside[0], RIGHT), index=found.drawn[0]),))
    assert told(refused(world, BOB, opens(false, proof)))[0] is e.HiddenOpeningViolation
    open_all(world, sets)
    world.until(world.height + D)
    assert world.records.find_set(false) is None
    assert all(world.records.hidden_set(one).bond == SET_BOND for one in sets)


def test_one_item_many_times_is_seen_once_it_is_opened_and_weighs_as_one_set() -> None:
    # Not prevented: salts hide that they are the same. The lower median bounds what it does.
    same = Hidden(tuple(item(prompt=(1, 30, 31)) for _ in range(200)))
    world, sets = begun(QUESTIONS, QUESTIONS, QUESTIONS)
    (cheap,) = world.block((ALICE, same.claim()))
    txid = in_round(world)
    open_all(world, sets)
    found = world.records.hidden_set(cheap)
    world.block((ALICE, opens(cheap, same.proof(found.drawn, WRONG))))
    world.until(world.height + D)
    assert world.live(auto_rollback_id(txid, 0)) is None


# Places and bonds


def test_sets_of_before_a_proposal_are_displaced_by_nobody_once_it_is_open() -> None:
    world, sets = begun(*(QUESTIONS,) * MAX_SETS)
    world.propose(model_body(), bond=3 * COIN)
    assert needed_bond(TOKENIZER, world.records, RULES) is None
    violation, _ = told(refused(world, CAROL, QUESTIONS.claim(500 * SET_BOND)))
    assert violation is e.SetLimitViolation
    assert world.records.sets_of(TOKENIZER) == tuple(sets)


def test_who_fills_all_places_before_has_bound_bonds_and_is_displaced_for_twice() -> None:
    world, sets = begun(*(QUESTIONS,) * MAX_SETS)
    violation, _ = told(refused(world, CAROL, QUESTIONS.claim(2 * SET_BOND - 1)))
    assert violation is d.BondViolation
    before = world.account(ALICE).balance
    (new,) = world.block((CAROL, QUESTIONS.claim(2 * SET_BOND)))
    assert world.account(ALICE).balance == before + SET_BOND, "the displaced bond went back"
    assert world.records.sets_of(TOKENIZER) == (*sets[1:], new)


def test_no_bond_is_stuck_whatever_becomes_of_the_model() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets)
    world.until(world.height + D)
    activated(world, txid)
    open_all(world, sets)
    live = world.live(txid)
    assert live is not None
    world.until(live.next)
    for set_id in sets:
        key = curator_of(world.records.hidden_set(set_id))
        before = world.account(key).balance
        world.block((key, withdrawal(set_id)))
        assert world.account(key).balance > before
    assert world.records.sets_of(TOKENIZER) == ()


def test_a_curator_who_proposes_has_its_part_of_its_own_fee_and_no_more() -> None:
    world, sets = three()
    in_round(world)
    before = world.account(ALICE).balance
    open_all(world, sets)
    paid = before - world.account(ALICE).balance
    world.until(world.height + D - 1)
    # A third of the half: hers is one set of three.
    assert world.account(ALICE).balance - before + paid == 2 * (FEE // 2 // 6)


def test_silence_of_all_but_one_decides_nothing_and_costs_each_its_bond() -> None:
    world, sets = begun(*(QUESTIONS,) * 4)
    txid = in_round(world)
    open_all(world, sets[:1], {sets[0]: WRONG})
    world.until(world.height + D - 1)
    assert world.live(auto_rollback_id(txid, 0)) is None
    (outcome,) = world.trail[-1][1].rounds
    assert outcome.unjudged is not None
    assert [one.burned for one in outcome.sets] == [0, SET_BOND, SET_BOND, SET_BOND]
    assert world.records.sets_of(TOKENIZER) == (sets[0],)


def test_with_three_sets_one_that_says_nothing_keeps_a_round_from_judging() -> None:
    # Not prevented: it costs the bond, what the others opened is seen, and anybody may ask.
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets[:2], dict.fromkeys(sets, WRONG))
    world.until(world.height + D - 1)
    (outcome,) = world.trail[-1][1].rounds
    assert (outcome.median, outcome.rollback) == (None, ())
    assert [one.score for one in outcome.sets] == [0, 0, None]
    assert outcome.sets[2].burned == SET_BOND
    by_hand = world.propose(RollbackBody(txid), sender=BOB)
    assert world.live(by_hand) is not None


def test_a_model_under_way_holds_sets_as_long_as_its_vote_and_no_longer() -> None:
    world, sets = three()
    txid = world.propose(model_body(), bond=3 * COIN)
    violation, _ = told(refused(world, ALICE, withdrawal(sets[0])))
    assert violation is e.SetWithdrawnViolation
    world.until(world.proposal(txid).close)
    assert world.live(txid) is None, "nobody voted"
    world.block((ALICE, withdrawal(sets[0])))
    assert world.records.find_set(sets[0]) is None


# The vote


def test_a_vote_that_is_opened_to_close_before_the_score_is_seen_stays_open() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets)
    world.until(world.height + D)
    activated(world, txid)
    open_all(world, sets, dict.fromkeys(sets, WRONG))
    live = world.live(txid)
    assert live is not None
    # The proposer asks itself, so that the vote is over in the block that judges.
    world.until(live.next - RULES.rollback_window)
    early = world.propose(RollbackBody(txid), sender=ALICE)
    world.until(live.next)
    assert world.live(auto_rollback_id(txid, 1)) is None
    held = world.live(early)
    assert held is not None
    assert held.next == live.next + RULES.rollback_window
    world.vote(early, ALICE, BOB)
    ended = world.live(txid)
    assert ended is not None
    assert ended.step == Step.END


def test_nobody_opens_the_vote_of_a_round_by_hand_under_its_id() -> None:
    world, sets = three()
    txid = in_round(world)
    (mine,) = world.block((BOB, proposing(RollbackBody(txid))))
    assert mine != auto_rollback_id(txid, 0)
    open_all(world, sets)
    assert address(BOB) == world.proposal(mine).proposer
