"""Acts that cross each other, reverts in odd blocks, and changes that undo each other."""

from dataclasses import replace

import pytest

from esper.crypto.signing import KeyPair
from esper.dao.bodies import Body, RollbackBody
from esper.dao.registry import ONE
from esper.dao.steps import Step
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.vm.governance.vote import Vote
from esper.vm.payload import Payload
from tests.support.dao_world import (
    RULES,
    DaoWorld,
    change_body,
    model_body,
    own_entry,
    proposing,
)
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, make

V, VR, L, G, R = (
    RULES.vote_window,
    RULES.rollback_window,
    RULES.horizon,
    RULES.grace,
    RULES.trial,
)
FEE_KEY = 12


@pytest.fixture
def world() -> DaoWorld:
    """Height 19; 600, 300 and 100 coins are staked."""
    found = DaoWorld()
    found.stake(600, 300, 100)
    found.until(19)
    return found


def rule_of(world: DaoWorld, key: KeyPair, payload: Payload) -> str:
    """The rule that this breaks in the next block."""
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block((key, payload))
    return type(caught.value.__cause__).__name__


def passed(world: DaoWorld, body: Body) -> Txid:
    txid = world.propose(body, bond=3 * COIN)
    world.vote(txid, ALICE)
    return txid


def confirmed(world: DaoWorld, body: Body) -> Txid:
    """At 43, the block before it is judged, with a miner who is ready."""
    txid = passed(world, body)
    world.until(34)
    world.make_ready(txid)
    world.until(43)
    return txid


def taken_back_at_once(world: DaoWorld, model: Txid) -> Txid:
    """A rollback that is opened and reached in one block."""
    sent = make(BOB, proposing(RollbackBody(model), COIN), world.account(BOB).nonce)
    yes = Vote(sent.txid, 1)
    return world.block((BOB, sent.payload), (ALICE, yes), (BOB, yes))[0]


def test_taken_back_in_the_very_block_that_confirmed_it(world: DaoWorld) -> None:
    """Both act at one height, the activation first: nobody ever mines the new model."""
    before = world.registry
    txid = confirmed(world, model_body())
    rollback = taken_back_at_once(world, txid)
    assert (world.height, world.live(rollback), world.step(txid)) == (44, None, Step.END)
    assert [one.height for one in world.schedule] == [64, 64]
    world.until(63)
    assert world.registry.tiers[0].own == before.tiers[0].own
    assert not world.registry.tiers[0].previous
    world.until(64)
    assert not world.records.governance.live


def test_a_tier_taken_back_in_the_very_block_that_confirmed_it(world: DaoWorld) -> None:
    before = world.registry
    txid = confirmed(world, model_body(tier=3, share=10_922))
    taken_back_at_once(world, txid)
    world.until(63)
    assert world.registry == before


@pytest.mark.parametrize("height", [63, 64, 65, 83])
def test_taken_back_around_the_activation_and_before_the_trial_is_judged(
    world: DaoWorld, height: int
) -> None:
    before = world.registry.tiers[0].own
    txid = confirmed(world, model_body())
    world.until(min(height, 81) - 1)
    sent = make(BOB, proposing(RollbackBody(txid), COIN), world.account(BOB).nonce)
    (rollback,) = world.block((BOB, sent.payload))
    world.until(height - 1)
    world.vote(rollback, ALICE, BOB)
    assert world.height == max(height, min(height, 81) + 1)
    assert (world.live(rollback), world.step(txid)) == (None, Step.END)
    world.until(world.height + L - 1)
    assert (world.registry.tiers[0].own, world.registry.tiers[0].previous) == (before, ())
    world.until(world.height + 1)
    assert not world.records.governance.live


def test_the_block_that_judges_the_trial_comes_before_its_votes(world: DaoWorld) -> None:
    """A rollback closes with the judgement at the latest: its votes are counted no more."""
    txid = confirmed(world, model_body())
    world.until(80)
    (rollback,) = world.block((BOB, proposing(RollbackBody(txid), COIN)))
    world.vote(rollback, ALICE)
    world.until(83)
    assert rule_of(world, BOB, Vote(rollback, 1)) == "VoteClosedViolation"
    world.until(84)
    assert [one.act.__class__.__name__ for one in world.schedule] == ["Settlement"]
    world.until(104)
    assert world.registry.tiers[0].own == own_entry(model_body())


def test_a_rollback_has_no_rollback_and_is_tried_again_after_it_failed(world: DaoWorld) -> None:
    txid = confirmed(world, model_body())
    for _ in range(3):
        (rollback,) = world.block((BOB, proposing(RollbackBody(txid), COIN)))
        assert rule_of(world, CAROL, proposing(RollbackBody(rollback), COIN)) == (
            "RollbackViolation"
        )
        world.vote(rollback, CAROL)
        world.until(world.height + VR)
        assert world.live(rollback) is None
    taken_back_at_once(world, txid)
    assert world.step(txid) == Step.END
    assert rule_of(world, BOB, proposing(RollbackBody(txid), COIN)) == "RollbackViolation"


def test_a_retirement_crosses_a_revert_and_a_tier_stays(world: DaoWorld) -> None:
    """Tier 0 ends while the only other is taken back: the last one stays, with its model."""
    body = model_body(tier=3, share=8192)
    txid = confirmed(world, body)
    world.until(45)
    change = passed(world, change_body(retire=(0,)))
    world.until(63)
    judged = 46 + V + G - L
    world.until(judged, tier=3)
    assert (world.height, world.step(change)) == (70, Step.ACT)
    taken_back_at_once(world, txid)
    world.until(judged + L + 2, tier=3)
    assert [tier.own for tier in world.registry.tiers] == [own_entry(body)]
    assert world.registry.tiers[0].share == ONE
    world.until(judged + L + 10, tier=3)
    assert not world.records.governance.live


def test_a_retirement_is_void_if_the_revert_of_the_other_comes_first(world: DaoWorld) -> None:
    txid = confirmed(world, model_body(tier=3, share=8192))
    world.until(46)
    change = passed(world, change_body(retire=(0,)))
    world.until(63)
    world.until(68, tier=3)
    taken_back_at_once(world, txid)
    world.until(70, tier=3)
    assert world.step(change) == Step.CHECK
    world.until(71, tier=3)
    assert world.live(change) is None


def test_of_two_changes_of_one_key_the_second_is_void(world: DaoWorld) -> None:
    """Bodies differ, both pass, and the key may not move twice within four windows."""
    fee = world.params.limits.fee_per_byte
    first = change_body(settings=[(FEE_KEY, 2 * fee)])
    ids = [passed(world, first), passed(world, replace(first, link=b"again"))]
    world.until(60)
    assert [world.step(one) for one in ids] == [Step.ACT, None]
    world.until(67)
    assert world.context().params.limits.fee_per_byte == 2 * fee
    rests_until = 64 + 4 * V
    quadrupled = proposing(change_body(settings=[(FEE_KEY, 4 * fee)]), 3 * COIN)
    assert rule_of(world, ALICE, quadrupled) == "CooldownViolation"
    world.until(rests_until - 1)
    world.block((ALICE, quadrupled))


def test_three_changes_lead_no_further_than_the_bounds(world: DaoWorld) -> None:
    at_first = world.params.credits.per_block
    for factor in (2, 4):
        txid = passed(world, change_body(settings=[(1, factor * at_first)]))
        world.until(world.height + V + G + 4 * V)
        assert world.live(txid) is None
        assert world.context().params.credits.per_block == factor * at_first
    assert (
        rule_of(world, ALICE, proposing(change_body(settings=[(1, 4 * at_first + 1)]), 3 * COIN))
        == "SettingBoundsViolation"
    )
    txid = passed(world, change_body(settings=[(1, 2 * at_first)]))
    world.until(world.height + V + G)
    assert world.context().params.credits.per_block == 2 * at_first
