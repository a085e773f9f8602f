"""Each rule of what the DAO is told, by a transaction that breaks it beside an honest twin."""

from dataclasses import replace
from typing import Any

import pytest

from esper.crypto.signing import KeyPair, key_from_secret
from esper.dao.bodies import CHANGE_BODY, Moved, RollbackBody
from esper.dao.records import Live
from esper.dao.settings import SETTINGS
from esper.dao.steps import Step
from esper.primitives.codec import encode
from esper.primitives.errors import dao_errors as e
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.ledger import Ledger
from esper.vm.payload import Payload
from esper.vm.records import Account
from esper.vm.settled_bond import SettledBond
from esper.vm.stake import Stake
from esper.vm.unstake import Unstake
from esper.vm.view import Overlay
from tests.support.dao_world import RULES, DaoWorld, change_body, model_body, proposing, proving
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, address
from tests.vectors.writers.write_signatures import SLH_SECRET

SLH = key_from_secret(SLH_SECRET)
NOBODY_ID = Txid(bytes(64))
FEE_KEY = 12


def refused(world: DaoWorld, sender: KeyPair, payload: Payload) -> TransactionViolation:
    """The rule that a block of one transaction breaks; the world stays as it is."""
    with pytest.raises(RejectedTransactionViolation) as caught:
        replace_world(world).block((sender, payload))
    cause = caught.value.__cause__
    assert isinstance(cause, TransactionViolation)
    return cause


def told(violation: TransactionViolation) -> tuple[type[TransactionViolation], tuple[object, ...]]:
    """Its rule, and what it says."""
    return type(violation), violation.args


def replace_world(world: DaoWorld) -> DaoWorld:
    """A world that goes on from the same place by itself."""
    twin = DaoWorld(world.params)
    twin.state, twin.height = world.state, world.height
    twin.registry, twin.schedule = world.registry, world.schedule
    return twin


def fee_change(factor: int = 2, link: bytes = b"") -> Any:
    fee = DaoWorld().params.limits.fee_per_byte
    return replace(change_body(settings=[(FEE_KEY, factor * fee)]), link=link)


@pytest.fixture
def world() -> DaoWorld:
    """Height 19; 600, 300 and 100 coins are staked."""
    found = DaoWorld()
    found.stake(600, 300, 100)
    found.until(19)
    return found


@pytest.fixture
def passed(world: DaoWorld) -> tuple[DaoWorld, Txid]:
    """A model that waits to be checked at 44, at height 34."""
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, ALICE)
    world.until(34)
    assert world.step(txid) is Step.CHECK
    return world, txid


def test_bodies_of_their_subject(world: DaoWorld) -> None:
    change = encode(CHANGE_BODY, change_body(settings=[(FEE_KEY, 4)]))
    for payload in (
        Propose(1, 9 * COIN, change),
        Propose(0, 9 * COIN, change),
        Propose(4, 9 * COIN, change),
        Propose(2, 9 * COIN, change + b"\0"),
        Propose(2, 9 * COIN, b""),
        Vote(NOBODY_ID, 3),
        Delegate(address(BOB)[:-1]),
        replace(proving(NOBODY_ID, 1), subject=2),
        Prove(1, NOBODY_ID, 0, b"junk"),
    ):
        assert type(refused(world, ALICE, payload)) is e.DaoEncodingViolation
    world.block((ALICE, Propose(2, 9 * COIN, change)))


def test_the_suite_of_those_who_vote(world: DaoWorld) -> None:
    account = Account(balance=1000 * COIN, stake=500 * COIN)
    world.state = world.state.with_account(address(SLH), account)
    for payload in (
        proposing(fee_change()),
        Vote(NOBODY_ID, 1),
        Delegate(b""),
        proving(NOBODY_ID, 1),
    ):
        assert told(refused(world, SLH, payload)) == (e.DaoSuiteViolation, (2, 1))


def test_a_proposer_has_a_stake_since_the_epoch_began() -> None:
    world = DaoWorld()
    assert type(refused(world, ALICE, proposing(fee_change()))) is e.ElectorateViolation
    world.block((ALICE, Stake(9_000 * COIN)), (BOB, Stake(9 * COIN)), (CAROL, Stake(9 * COIN)))
    # It counts from the next epoch on.
    assert type(refused(world, ALICE, proposing(fee_change()))) is e.ElectorateViolation
    world.until(10)
    small = (9 * COIN, 9_018 * COIN // 1000)
    assert told(refused(world, BOB, proposing(fee_change()))) == (e.ProposerStakeViolation, small)
    world.block((BOB, Stake(COIN)))
    assert told(refused(world, BOB, proposing(fee_change()))) == (e.ProposerStakeViolation, small)
    world.until(20)
    world.block((BOB, proposing(fee_change())))
    assert type(refused(world, CAROL, proposing(fee_change()))) is e.ProposerStakeViolation


def test_an_electorate_is_a_part_of_all_coins_where_they_are_worth_something() -> None:
    params = DaoWorld().params
    rules = replace(params.governance, counts_issue=True)
    world = DaoWorld(replace(params, governance=rules))
    world.stake(1_000, 300, 199)
    refusal = refused(world, ALICE, proposing(fee_change()))
    assert isinstance(refusal, e.ElectorateViolation)
    assert refusal.needed == -(-world.state.chain.issued // 20)
    world.block((BOB, Stake(500 * COIN)))
    world.until(20)
    txid = world.propose(fee_change(), bond=2 * COIN)
    assert world.proposal(txid).quorum == world.trail[20][0].chain.issued // 8


def test_bonds_double_and_eight_are_open_at_most(world: DaoWorld) -> None:
    for opened in range(8):
        least = COIN << opened
        body = fee_change(link=bytes([65 + opened]))
        assert told(refused(world, ALICE, proposing(body, least - 1))) == (
            e.BondViolation,
            (least - 1, least),
        )
        world.block((ALICE, proposing(body, least)))
    body = fee_change(link=b"one too many")
    assert type(refused(world, ALICE, proposing(body, COIN << 8))) is e.OpenLimitViolation
    assert type(refused(world, ALICE, proposing(model_body(), COIN << 8))) is e.OpenLimitViolation
    # Once the votes have failed there is room again.
    world.until(31)
    world.block((ALICE, proposing(body, COIN << 7)))


def test_eight_changes_are_under_way_at_most(world: DaoWorld) -> None:
    keys = (1, 2, 3, 4, 5, 10, 11, 12)
    values = {key: SETTINGS[key].of(world.params) for key in (*keys, 13)}
    changes = [change_body(settings=[(key, 2 * values[key])]) for key in keys]
    world.block(*((ALICE, proposing(body, COIN << at)) for at, body in enumerate(changes)))
    for live in world.records.governance.live:
        world.vote(live.id, ALICE)
    world.until(40)
    assert [one.subject for one in world.records.governance.live] == 8 * [2]
    ninth = change_body(settings=[(13, 2 * values[13])])
    assert type(refused(world, ALICE, proposing(ninth))) is e.OpenLimitViolation
    # Models have their own room.
    world.propose(model_body(), bond=2 * COIN)
    world.until(20 + RULES.vote_window + RULES.grace)
    assert not world.records.governance.live
    world.propose(ninth, bond=4 * COIN)


def test_a_model_brings_a_fee_and_a_longer_bank_brings_none(world: DaoWorld) -> None:
    least = COIN + COIN // 4
    assert told(refused(world, ALICE, proposing(model_body(), least - 1))) == (
        e.BondViolation,
        (least - 1, least),
    )
    world.propose(model_body(), bond=least)
    longer = proposing(model_body(0), 2 * COIN - 1)
    assert told(refused(world, ALICE, longer)) == (e.BondViolation, (2 * COIN - 1, 2 * COIN))
    txid = world.propose(model_body(0), bond=2 * COIN)
    assert (world.proposal(txid).bond, world.proposal(txid).fee) == (2 * COIN, 0)


def test_a_tier_has_one_model_on_its_way(passed: tuple[DaoWorld, Txid]) -> None:
    world, txid = passed
    other = proposing(model_body(2))
    assert told(refused(world, ALICE, other)) == (e.TierBusyViolation, (0, 1))
    world.make_ready(txid)
    world.until(104 - RULES.vote_window - 2)
    assert told(refused(world, ALICE, other)) == (e.TierBusyViolation, (0, 1))
    # The first block whose vote cannot close before the trial has ended.
    world.until(104 - RULES.vote_window - 1)
    world.block((ALICE, other))


def test_of_two_models_that_pass_the_first_gets_the_tier(world: DaoWorld) -> None:
    first, second = world.block(
        (ALICE, proposing(model_body(1), 2 * COIN)), (ALICE, proposing(model_body(2), 3 * COIN))
    )
    world.vote(first, ALICE)
    world.vote(second, ALICE)
    world.until(32)
    assert (world.step(first), world.live(second)) == (Step.DRAW, None)


def test_a_model_is_in_one_tier_alone(passed: tuple[DaoWorld, Txid]) -> None:
    world, txid = passed
    elsewhere = proposing(model_body(1, tier=2, share=4096))
    assert told(refused(world, ALICE, elsewhere)) == (e.DuplicateModelViolation, (0,))
    own = replace(model_body(0), share=4096)
    own = replace(own, entry=replace(own.entry, tier=2))
    assert told(refused(world, ALICE, proposing(own))) == (e.DuplicateModelViolation, (0,))
    world.make_ready(txid)
    world.until(50)
    # It is confirmed, and the old one is going to be the previous one.
    assert told(refused(world, ALICE, elsewhere)) == (e.DuplicateModelViolation, (0,))
    assert told(refused(world, ALICE, proposing(own))) == (e.DuplicateModelViolation, (0,))
    world.until(120)
    world.block((ALICE, proposing(own)))


def test_there_are_eight_tiers_with_those_on_their_way() -> None:
    world = DaoWorld()
    world.stake(600, 300, 100)
    world.until(19)
    ids = [
        world.block((ALICE, proposing(model_body(at, tier=at, share=1024), COIN << at)))[0]
        for at in range(1, 8)
    ]
    for txid in ids:
        world.vote(txid, ALICE)
    ninth = proposing(model_body(9, tier=9, share=1024))
    world.until(41)
    assert all(world.step(txid) in (Step.DRAW, Step.CHECK) for txid in ids)
    refusal = refused(world, BOB, ninth)
    assert isinstance(refusal, e.TierLimitViolation)
    assert refusal.tier == 9


def test_what_can_be_taken_back_and_until_when(world: DaoWorld) -> None:
    def rollback(txid: Txid) -> Payload:
        return proposing(RollbackBody(txid), COIN)

    def reason(txid: Txid) -> str:
        refusal = refused(world, BOB, rollback(txid))
        assert isinstance(refusal, e.RollbackViolation)
        return refusal.reason

    txid = world.propose(model_body(), bond=2 * COIN)
    change = world.propose(fee_change(), bond=2 * COIN)
    assert reason(NOBODY_ID) == "it names no model that is under way"
    assert reason(change) == "it names no model that is under way"
    assert "not drawn" in reason(txid)
    world.vote(txid, ALICE)
    world.until(32)
    assert "not drawn" in reason(txid)
    world.until(34)
    world.make_ready(txid)
    # Until 40: 43 is the last height before the check.
    world.until(39)
    replace_world(world).block((BOB, rollback(txid)))
    world.until(40)
    assert reason(txid) == "its vote would close at 44, 43 is the last height"
    # Revert from 44 to 81.
    world.until(43)
    replace_world(world).block((BOB, rollback(txid)))
    world.until(80)
    twin = replace_world(world)
    twin.block((BOB, rollback(txid)))
    with pytest.raises(RejectedTransactionViolation):
        twin.block((CAROL, rollback(txid)))
    world.until(81)
    assert reason(txid) == "its vote would close at 85, 84 is the last height"
    world.until(84)
    assert "settled" in reason(txid)


def test_one_rollback_at_a_time(passed: tuple[DaoWorld, Txid]) -> None:
    world, txid = passed
    assert told(refused(world, BOB, proposing(RollbackBody(txid), COIN - 1))) == (
        e.BondViolation,
        (COIN - 1, COIN),
    )
    world.propose(RollbackBody(txid), sender=BOB, bond=COIN)
    again = proposing(RollbackBody(txid), COIN)
    assert "is open about the same model" in str(refused(world, CAROL, again))


def test_votes_are_for_what_is_open_once_and_weigh_something(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=2 * COIN)
    assert type(refused(world, ALICE, Vote(NOBODY_ID, 1))) is e.VoteClosedViolation
    assert told(refused(world, MINER, Vote(txid, 1))) == (e.NoWeightViolation, (2,))
    world.vote(txid, ALICE)
    assert told(refused(world, ALICE, Vote(txid, 0))) == (e.VotedViolation, (txid,))
    world.until(30)
    replace_world(world).block((BOB, Vote(txid, 1)))
    world.until(31)
    assert told(refused(world, BOB, Vote(txid, 1))) == (e.VoteClosedViolation, (txid,))


def test_a_stake_that_came_later_or_went_has_its_weight_of_the_beginning(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=2 * COIN)
    world.block((ALICE, Unstake(600 * COIN)), (BOB, Stake(5_000 * COIN)), (MINER, Stake(1)))
    assert type(refused(world, MINER, Vote(txid, 1))) is e.NoWeightViolation
    world.vote(txid, ALICE)
    world.vote(txid, BOB, choice=2)
    held = world.proposal(txid)
    assert (held.yes, held.no, held.abstain) == (600 * COIN, 0, 300 * COIN)


def test_delegates_are_others_with_a_stake(world: DaoWorld) -> None:
    for whom, why in ((ALICE, "the sender"), (MINER, "no stake")):
        refusal = refused(world, ALICE, Delegate(address(whom)))
        assert isinstance(refusal, e.DelegateViolation)
        assert why in refusal.reason
    world.block((CAROL, Delegate(address(ALICE))))
    assert world.records.voter(address(ALICE)).pot == 100 * COIN
    # Not for this epoch's proposals.
    txid = world.propose(model_body(), bond=2 * COIN)
    world.vote(txid, ALICE)
    assert world.proposal(txid).yes == 600 * COIN
    world.until(29)
    later = world.propose(model_body(2), bond=3 * COIN)
    world.vote(later, ALICE)
    assert world.proposal(later).yes == 700 * COIN
    world.vote(later, CAROL, choice=0)
    held = world.proposal(later)
    assert (held.yes, held.no) == (600 * COIN, 100 * COIN)
    world.block((CAROL, Delegate(b"")))
    assert world.records.voter(address(ALICE)).pot == 0


def test_who_votes_first_and_then_their_delegate(world: DaoWorld) -> None:
    world.block((CAROL, Delegate(address(BOB))), (BOB, Delegate(address(ALICE))))
    world.until(30)
    txid = world.propose(model_body(), bond=3 * COIN)
    # Pots are not passed on: ALICE has BOB's own stake alone.
    world.vote(txid, CAROL, choice=0)
    world.vote(txid, BOB)
    world.vote(txid, ALICE, choice=2)
    held = world.proposal(txid)
    assert (held.yes, held.no, held.abstain) == (300 * COIN, 100 * COIN, 600 * COIN)


def test_readiness_is_shown_once_by_who_mined_while_it_counts(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=2 * COIN)
    assert told(refused(world, MINER, proving(NOBODY_ID, 19))) == (
        e.ProveTargetViolation,
        (NOBODY_ID,),
    )
    assert told(refused(world, MINER, proving(txid, 19))) == (e.ReadinessViolation, (1,))
    world.vote(txid, ALICE)
    rollback = world.height
    world.until(34)
    # Matured at once with its fifth block: the reward of 30 is gone.
    assert told(refused(world, MINER, proving(txid, 30))) == (e.RewardMissingViolation, (30,))
    assert told(refused(world, ALICE, proving(txid, 31))) == (e.RewardMissingViolation, (31,))
    assert told(refused(world, MINER, proving(txid, 35))) == (e.RewardMissingViolation, (35,))
    world.block((MINER, proving(txid, 31)), payee=BOB)
    assert world.records.voter(address(MINER)).ready == (1,)
    assert told(refused(world, MINER, proving(txid, 32))) == (e.ReadyTwiceViolation, (1,))
    assert rollback < world.height


def test_a_proof_pays_for_its_room(world: DaoWorld, passed: tuple[DaoWorld, Txid]) -> None:
    world, txid = passed
    refusal = refused(world, MINER, proving(txid, 34, room=1 << 20))
    assert "fee" in str(refusal)


def test_bonds_come_back_or_burn_by_what_the_votes_say() -> None:
    for votes, kept in (
        ({}, 0),
        ({CAROL: 0}, 0),
        ({CAROL: 1}, 9),
        ({BOB: 0}, 10),
        ({BOB: 1}, 10),
    ):
        world = DaoWorld()
        world.stake(600, 300, 100)
        world.until(19)
        issued = world.state.chain.issued
        before = world.account(ALICE).balance
        txid = world.propose(fee_change(), bond=10 * COIN)
        for key, choice in votes.items():
            world.vote(txid, key, choice=choice)
        world.until(32)
        lost = before - world.account(ALICE).balance
        assert (10 - kept) * COIN < lost < (10 - kept) * COIN + COIN // 100
        rewards = sum(one.reward for _, one in world.trail[19:])
        fees = sum(receipt.fee for _, one in world.trail[19:] for receipt in one.receipts)
        # Histories are told the same.
        [settled] = [found for _, one in world.trail[19:] for found in one.settled]
        burned = (10 - kept) * COIN
        assert settled == SettledBond(txid, address(ALICE), kept * COIN, burned)
        assert world.state.chain.issued == issued + rewards - fees - (10 - kept) * COIN


def test_votes_leave_the_record_once_nothing_needs_them(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=2 * COIN)
    world.vote(txid, ALICE)
    assert len(world.records.voter(address(ALICE)).votes) == 1
    world.until(70)
    world.block((ALICE, Stake(1)))
    voter = world.records.voter(address(ALICE))
    assert voter.votes == ()
    assert [one.epoch for one in voter.ring] == [7]


def test_a_change_is_judged_again_before_it_acts(world: DaoWorld) -> None:
    fee = world.params.limits.fee_per_byte
    first, second = world.block(
        (ALICE, proposing(change_body(settings=[(FEE_KEY, 2 * fee)]), COIN)),
        (ALICE, proposing(change_body(settings=[(FEE_KEY, fee // 2 or 1)]), 2 * COIN)),
    )
    world.vote(first, ALICE)
    world.vote(second, ALICE)
    world.until(32)
    assert world.step(second) is Step.CHECK
    world.until(32 + RULES.grace - RULES.horizon)
    # The first one moves the key: it rests, and the second one is void.
    assert (world.step(first), world.live(second)) == (Step.ACT, None)


def test_moved_is_what_a_change_says() -> None:
    assert change_body(shares=[(0, 65_536)]).shares == (Moved(0, 65_536),)


def test_no_more_is_under_way_than_the_record_holds(world: DaoWorld) -> None:
    overlay = Overlay(world.state)
    records = DaoLedger(Ledger(overlay))
    many = tuple(Live(at, Txid(bytes([at]) * 64), 2, 0, Step.ACT, 90) for at in range(7))
    rollbacks = tuple(Live(at, Txid(bytes([at]) * 64), 3, 0, Step.CLOSE, 90) for at in range(8, 33))
    records.set_governance(replace(records.governance, number=40, live=(*many, *rollbacks)))
    world.state = world.state.with_changes(overlay.changes())
    refusal = refused(world, ALICE, proposing(fee_change(), COIN))
    assert told(refusal) == (e.OpenLimitViolation, ("proposals are under way", 32))
