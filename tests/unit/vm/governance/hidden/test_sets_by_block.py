"""Hidden sets, by blocks: who may commit to one, displace it, take it back, and open it."""

from dataclasses import replace

import pytest

from esper.crypto.signing import KeyPair
from esper.dao.hidden.hidden_set import HiddenSet, set_bytes
from esper.dao.hidden.openings import UNPROVEN, HiddenProof
from esper.dao.steps import Step
from esper.primitives.errors import dao_errors as e
from esper.primitives.errors import hidden_errors as h
from esper.primitives.ids import Txid
from esper.vm.governance.claim import Claim
from esper.vm.governance.prove import Prove
from tests.support.bench_suites import choice, item, said, shown
from tests.support.dao_world import RULES, DaoWorld, model_body
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
    CURATORS,
    PARAMS,
    D,
    activated,
    begun,
    in_round,
    settled,
    three,
)
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address
from tests.unit.vm.governance.test_dao_rules import SLH, refused, told

NOBODY = Txid(bytes([9]) * 64)
OTHER = Hidden(questions(), tokenizer=bytes([1]) * 64)


def test_a_set_holds_its_bond() -> None:
    world, _ = begun()
    before = world.account(BOB).balance
    (txid,) = world.block((BOB, QUESTIONS.claim()))
    found = world.records.find_set(txid)
    root = QUESTIONS.tree.root
    assert found == HiddenSet(
        address(BOB), TOKENIZER, root, 200, SET_BOND, world.height, (), (), (), 0, 0, 0
    )
    assert world.records.sets_of(TOKENIZER) == (txid,)
    assert 0 < before - SET_BOND - world.account(BOB).balance < SET_BOND


def test_items_and_bond_of_a_set() -> None:
    world, _ = begun()
    few = replace(QUESTIONS.body, count=127)
    assert told(refused(world, BOB, Claim(2, SET_BOND, set_bytes(few)))) == (
        h.SetCountViolation,
        (127, 128),
    )
    world.block((BOB, Claim(2, SET_BOND, set_bytes(replace(few, count=128)))))
    assert told(refused(world, BOB, QUESTIONS.claim(SET_BOND - 1))) == (
        e.BondViolation,
        (SET_BOND - 1, SET_BOND),
    )


def full() -> tuple[DaoWorld, list[Txid]]:
    """Eight sets of one tokenizer; the third and the sixth have the least bonds."""
    world, _ = begun()
    bonds = [SET_BOND + (at not in (2, 5)) for at in range(8)]
    return world, world.block(*((BOB, QUESTIONS.claim(bond)) for bond in bonds))


def test_twice_the_least_bond_takes_a_place() -> None:
    world, sets = full()
    assert told(refused(world, CAROL, QUESTIONS.claim(2 * SET_BOND - 1))) == (
        e.BondViolation,
        (2 * SET_BOND - 1, 2 * SET_BOND),
    )
    world.block((CAROL, OTHER.claim()))
    (txid,) = world.block((CAROL, QUESTIONS.claim(2 * SET_BOND)))
    assert world.records.sets_of(TOKENIZER) == (*sets[:2], *sets[3:], txid)
    assert [(one.proposer, one.returned) for one in settled(world, sets[2])] == [
        (address(BOB), SET_BOND)
    ]
    # Of equal bonds the older one goes first; then the others.
    (second,) = world.block((CAROL, QUESTIONS.claim(2 * SET_BOND)))
    assert world.records.find_set(sets[5]) is None
    assert told(refused(world, CAROL, QUESTIONS.claim(2 * SET_BOND)))[1] == (
        2 * SET_BOND,
        2 * SET_BOND + 2,
    )
    assert world.records.sets_of(TOKENIZER)[-2:] == (txid, second)


def test_sets_that_a_model_waits_for_keep_their_places() -> None:
    world, sets = full()
    world.block((CAROL, QUESTIONS.claim(2 * SET_BOND)))
    txid = world.propose(model_body(), bond=3 * COIN)
    assert told(refused(world, CAROL, QUESTIONS.claim(100 * SET_BOND))) == (
        h.SetLimitViolation,
        (8,),
    )
    assert told(refused(world, BOB, withdrawal(sets[0])))[0] is h.SetWithdrawnViolation
    world.until(world.proposal(txid).close)
    assert world.live(txid) is None
    world.block((CAROL, QUESTIONS.claim(2 * SET_BOND)), (BOB, withdrawal(sets[0])))
    assert world.records.find_set(sets[0]) is None
    assert world.records.find_set(sets[5]) is None


def test_a_longer_bank_and_other_tokenizers_wait_for_nothing() -> None:
    world, sets = full()
    world.propose(model_body(0), bond=3 * COIN)
    other = model_body()
    entry = replace(other.entry, tokenizer_id=OTHER.tokenizer)
    (foreign,) = world.block((CAROL, OTHER.claim()))
    world.block((CAROL, QUESTIONS.claim(2 * SET_BOND)), (BOB, withdrawal(sets[0])))
    world.propose(replace(other, entry=entry), bond=9 * COIN)
    assert isinstance(refused(world, CAROL, withdrawal(foreign)), h.SetWithdrawnViolation)
    world.block((BOB, withdrawal(sets[1])))


def test_who_comes_behind_the_proposal_may_go_until_the_vote_closes() -> None:
    world, _ = begun(QUESTIONS, QUESTIONS)
    txid = world.propose(model_body(), bond=3 * COIN)
    first, second = world.block((ALICE, QUESTIONS.claim()), (ALICE, QUESTIONS.claim()))
    world.block((ALICE, withdrawal(first)))
    world.vote(txid, ALICE, BOB)
    world.until(world.proposal(txid).close)
    found = refused(world, ALICE, withdrawal(second))
    assert "waits for it" in str(found)
    (late,) = world.block((ALICE, QUESTIONS.claim()))
    world.block((ALICE, withdrawal(late)))


def test_a_set_waits_for_the_second_round_and_no_longer() -> None:
    world, sets = three()
    txid = in_round(world)
    assert "has drawn of it" in str(refused(world, ALICE, withdrawal(sets[0])))
    for at, set_id in enumerate(sets):
        drawn = world.records.hidden_set(set_id).drawn
        world.block((CURATORS[at], opens(set_id, QUESTIONS.proof(drawn))))
    world.until(world.height + D - 3)
    found = refused(world, ALICE, withdrawal(sets[0]))
    assert isinstance(found, h.SetWithdrawnViolation)
    assert "waits for it" in str(found)
    activated(world, txid)
    for at, set_id in enumerate(sets):
        drawn = world.records.hidden_set(set_id).drawn
        world.block((CURATORS[at], opens(set_id, QUESTIONS.proof(drawn))))
    world.block()
    world.block((ALICE, withdrawal(sets[0])))
    assert [one.returned for one in settled(world, sets[0])] == [SET_BOND]


def test_a_trial_waits_for_no_set_though_nobody_was_paid() -> None:
    world, sets = begun(QUESTIONS, QUESTIONS)
    txid = in_round(world)
    assert "waits for it" in str(refused(world, ALICE, withdrawal(sets[0])))
    activated(world, txid)
    assert (world.step(txid), world.proposal(txid).fee > 0) == (Step.TRIAL, True)
    world.block((ALICE, withdrawal(sets[0])))


def test_a_set_is_taken_back_by_its_curator_without_a_bond() -> None:
    world, (txid,) = begun(QUESTIONS)
    for key, set_id in ((BOB, txid), (ALICE, NOBODY)):
        found = refused(world, key, withdrawal(set_id))
        assert (type(found), "no set of the sender" in str(found)) == (
            h.SetWithdrawnViolation,
            True,
        )
    assert told(refused(world, ALICE, withdrawal(txid, bond=1)))[0] is e.DaoEncodingViolation
    before = world.account(ALICE).balance
    world.block((ALICE, withdrawal(txid)))
    assert world.records.find_set(txid) is None
    assert world.records.sets_of(TOKENIZER) == ()
    assert 0 < before + SET_BOND - world.account(ALICE).balance < SET_BOND


def test_curators_have_a_suite_of_those_who_vote() -> None:
    world, (txid,) = begun(QUESTIONS)
    for payload in (QUESTIONS.claim(), withdrawal(txid), opens(txid, HiddenProof(1, ()))):
        with pytest.raises(e.DaoSuiteViolation):
            payload.check_in_context(address(SLH), world.ledger, world.context())


def test_bodies_of_their_subject() -> None:
    for payload in (Claim(2, COIN, b"\1"), Claim(3, 0, b""), Claim(4, 0, b""), Claim(0, 0, b"")):
        with pytest.raises(e.DaoEncodingViolation):
            payload.read()
    for prove in (Prove(3, NOBODY, 0, b"\1"), Prove(5, NOBODY, 0, b"")):
        with pytest.raises(e.DaoEncodingViolation):
            prove.read()


def drawn_world() -> tuple[DaoWorld, Txid, tuple[int, ...]]:
    """A set of ALICE's in a round, and what was drawn of it."""
    world, sets = three()
    in_round(world)
    return world, sets[0], world.records.hidden_set(sets[0]).drawn


def test_a_set_is_opened_while_a_round_has_it() -> None:
    world, sets = three()
    body = QUESTIONS.proof([0])
    for target in (NOBODY, sets[0]):
        assert told(refused(world, ALICE, opens(target, body))) == (
            e.ProveTargetViolation,
            (target,),
        )


Rule = type[h.HiddenOpeningViolation]


def said_of(
    world: DaoWorld, set_id: Txid, body: HiddenProof, rule: Rule, key: KeyPair = ALICE
) -> str:
    """What the rule that an opening breaks says."""
    found = refused(world, key, opens(set_id, body))
    assert isinstance(found, rule)
    return str(found)


def test_what_was_drawn_is_opened_once_by_its_curator() -> None:
    rule = h.HiddenOpeningViolation
    world, set_id, drawn = drawn_world()
    whole = QUESTIONS.proof(drawn)
    assert "not the set's curator" in said_of(world, set_id, whole, rule, BOB)
    assert "opens nothing" in said_of(world, set_id, HiddenProof(1, ()), rule)
    twice = QUESTIONS.proof([drawn[0], drawn[0]])
    assert "stands in it twice" in said_of(world, set_id, twice, rule)
    other = next(at for at in range(200) if at not in drawn)
    assert "was not drawn" in said_of(world, set_id, QUESTIONS.proof([other]), rule)
    world.block((ALICE, opens(set_id, QUESTIONS.proof(drawn[1:], WRONG))))
    found = world.records.hidden_set(set_id)
    assert (found.answered, found.proven, found.right) == (2, 2, 0)
    assert "is open already" in said_of(world, set_id, whole, rule)
    world.block((ALICE, opens(set_id, QUESTIONS.proof(drawn[:1]))))
    found = world.records.hidden_set(set_id)
    assert (found.answered, found.proven, found.right) == (3, 3, 1)


def test_items_are_those_that_were_committed_to() -> None:
    rule = h.HiddenOpeningViolation
    world, set_id, drawn = drawn_world()
    honest = QUESTIONS.opening(drawn[0], RIGHT)
    for change in (
        {"salt": bytes(31) + b"\xff"},
        {"item": replace(honest.item, expected=((41,),))},
        {"path": honest.path[:-1]},
        {"path": (*honest.path, bytes(64))},
        {"index": drawn[1]},
    ):
        body = HiddenProof(1, (replace(honest, **change),))
        assert "does not lead from item" in said_of(world, set_id, body, rule)


def test_answers_are_those_to_be_shown() -> None:
    rule = h.HiddenOpeningViolation
    world, set_id, drawn = drawn_world()
    assert "the answer to item" in said_of(world, set_id, QUESTIONS.proof(drawn, UNPROVEN), rule)
    assert "stops after 1" in said_of(world, set_id, QUESTIONS.proof(drawn, shown(40)), rule)
    listed = QUESTIONS.proof(drawn, said(40), listed=4)
    assert "lists of 4, must be one of 1" in said_of(world, set_id, listed, rule)


def with_items(made: Hidden) -> tuple[DaoWorld, Txid, tuple[int, ...]]:
    world, sets = begun(made, made, made)
    in_round(world)
    return world, sets[0], world.records.hidden_set(sets[0]).drawn


def test_choices_are_read_by_lists_that_hold_one() -> None:
    rule = h.HiddenOpeningViolation
    made = Hidden(tuple(choice(at, right=40) for at in range(200)))
    world, set_id, drawn = with_items(made)
    short = made.proof(drawn, shown(200, listed=4), listed=4)
    assert told(refused(world, ALICE, opens(set_id, short))) == (e.ListShortViolation, (4, 1024))
    odd = made.proof(drawn, shown(40, listed=5), listed=5)
    assert "must be one of 4, 16, 64, 256, 1024" in said_of(world, set_id, odd, rule)
    one = made.opening(drawn[0], shown(40, listed=4))
    other = made.opening(drawn[1], shown(38, listed=4))
    world.block((ALICE, opens(set_id, HiddenProof(4, (one, other)))))
    found = world.records.hidden_set(set_id)
    # 38, 39, 40, 41: the first choice that is listed is the right one.
    assert (found.proven, found.right) == (3, 3)


def test_one_proof_shows_one_form_and_as_much_as_fits() -> None:
    mixed = Hidden(tuple(choice(at) if at % 2 else item(prompt=(1, 30, at)) for at in range(200)))
    for made, many, words in (
        (mixed, 2, "one proof shows one form"),
        (Hidden(tuple(item(prompt=(1,) * 120 + (at,)) for at in range(200))), 4, "fewer at once"),
    ):
        rules = replace(RULES, hidden_samples=8)
        world, sets = begun(made, made, made, params=replace(PARAMS, governance=rules))
        in_round(world)
        drawn = world.records.hidden_set(sets[0]).drawn
        picked = drawn[:many] if many > 2 else _one_of_each(drawn)
        body = made.proof(picked, RIGHT)
        assert words in said_of(world, sets[0], body, h.HiddenOpeningViolation)


def _one_of_each(drawn: tuple[int, ...]) -> tuple[int, int]:
    return next(at for at in drawn if at % 2), next(at for at in drawn if not at % 2)


def test_what_does_not_fit_is_opened_without_an_answer() -> None:
    rule = h.HiddenOpeningViolation
    made = Hidden(tuple(item(prompt=(1,) * 300 + (at,)) for at in range(200)))
    world, set_id, drawn = with_items(made)
    assert "does not fit a proof" in said_of(world, set_id, made.proof(drawn, RIGHT), rule)
    assert "lists are 1 long, not 4" in said_of(world, set_id, made.proof(drawn, UNPROVEN, 4), rule)
    world.block((ALICE, opens(set_id, made.proof(drawn, UNPROVEN))))
    found = world.records.hidden_set(set_id)
    assert (found.answered, found.proven, found.right) == (3, 0, 0)
