"""Weight that is not there, votes out of turn, and who pays for keeping others from proposing."""

from dataclasses import replace

import pytest

from esper.consensus.execution import execute_block
from esper.crypto.signatures import SequentialVerifier
from esper.crypto.signing import KeyPair
from esper.dao.steps import MAX_EXTENSIONS, Step
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.dao_errors import NoWeightViolation
from esper.primitives.errors.transaction_errors import SignatureViolation, TransactionViolation
from esper.primitives.ids import Txid
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.vote import Vote
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.dao_world import RULES, DaoWorld, model_body, proposing
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, address, make, sign

V, TAIL = RULES.vote_window, RULES.vote_tail


@pytest.fixture
def world() -> DaoWorld:
    """Height 19, the last block before an epoch; 600, 300 and 100 coins are staked."""
    found = DaoWorld()
    found.stake(600, 300, 100)
    found.until(19)
    return found


def rule_of(world: DaoWorld, key: KeyPair, payload: Payload) -> str:
    """The rule that this breaks in the next block."""
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block((key, payload))
    assert isinstance(caught.value.__cause__, TransactionViolation)
    return type(caught.value.__cause__).__name__


def test_all_places_cost_a_quarter_of_all_stake(world: DaoWorld) -> None:
    """And more than a quarter of it is gone if nobody cares for what fills them."""
    before, issued = world.account(ALICE).balance, world.state.chain.issued
    stake = 1000 * COIN
    for at in range(8):
        bond = (stake // 1000 << at) + stake // 4000
        world.propose(model_body(at + 1), bond=bond)
    held = before - world.account(ALICE).balance
    assert held >= stake * 255 // 1000
    assert rule_of(world, BOB, proposing(model_body(9), stake)) == "OpenLimitViolation"
    world.until(60)
    assert not world.records.governance.live
    burned = issued + sum(one[1].reward for one in world.trail[19:]) - world.state.chain.issued
    fees = 8 * stake // 4000
    assert burned >= held - fees - COIN


def test_a_stake_of_the_epochs_first_block_came_too_late(world: DaoWorld) -> None:
    world.block((MINER, Stake(COIN)))
    (txid,) = world.block((ALICE, proposing(model_body(), 3 * COIN)))
    assert world.proposal(txid).epoch == world.height // world.params.credits.epoch_blocks
    assert rule_of(world, MINER, Vote(txid, 1)) == "NoWeightViolation"


def test_coins_that_voted_do_not_vote_again_elsewhere(world: DaoWorld) -> None:
    """Unstaked in the epoch's first block, they are back before the longest vote ends."""
    world.block((ALICE, Unstake(600 * COIN)))
    back = world.height + world.params.reward.unbonding
    world.until(28)
    (txid,) = world.block((BOB, proposing(model_body(), 3 * COIN)))
    world.vote(txid, ALICE)
    assert world.proposal(txid).yes == 600 * COIN
    world.until(back - 1)
    assert world.step(txid) == Step.CLOSE
    # In the middle of the vote the coins are another's, and weigh nothing more.
    sent = [
        (ALICE, Transfer((Output(address(MINER), 600 * COIN),))),
        (MINER, Stake(600 * COIN)),
    ]
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block(*sent, (MINER, Vote(txid, 1)))
    assert isinstance(caught.value.__cause__, NoWeightViolation)
    world.block(*sent)


def test_a_delegate_of_a_delegate_votes_for_nobody_else(world: DaoWorld) -> None:
    world.block((ALICE, Delegate(address(BOB))), (BOB, Delegate(address(CAROL))))
    world.until(30)
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, CAROL)
    assert world.proposal(txid).yes == (100 + 300) * COIN
    world.vote(txid, BOB, choice=0)
    tally = world.proposal(txid)
    assert (tally.yes, tally.no) == (100 * COIN, 900 * COIN)
    world.vote(txid, ALICE, choice=2)
    tally = world.proposal(txid)
    assert (tally.yes, tally.no, tally.abstain) == (100 * COIN, 300 * COIN, 600 * COIN)


def test_two_who_delegate_to_each_other(world: DaoWorld) -> None:
    world.block((ALICE, Delegate(address(BOB))), (BOB, Delegate(address(ALICE))))
    world.until(30)
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, ALICE)
    assert world.proposal(txid).yes == 900 * COIN
    world.vote(txid, BOB, choice=0)
    tally = world.proposal(txid)
    assert (tally.yes, tally.no) == (600 * COIN, 300 * COIN)


def test_a_delegation_in_the_block_of_the_vote_moves_nothing(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=3 * COIN)
    world.block((ALICE, Delegate(address(BOB))), (BOB, Vote(txid, 1)), (ALICE, Vote(txid, 0)))
    tally = world.proposal(txid)
    assert (tally.yes, tally.no) == (300 * COIN, 600 * COIN)


def test_the_quorum_does_not_fall_with_the_stake(world: DaoWorld) -> None:
    """Most unstake while a vote is open: what is left is no quorum of what was."""
    txid = world.propose(model_body(), bond=3 * COIN)
    world.block((ALICE, Unstake(600 * COIN)), (BOB, Unstake(300 * COIN)))
    world.until(30)
    assert world.records.governance.stake == 100 * COIN
    world.vote(txid, CAROL)
    world.until(20 + V + 1)
    assert world.live(txid) is None


def test_votes_of_the_opening_and_of_the_closing_block(world: DaoWorld) -> None:
    opening = make(ALICE, proposing(model_body(), 3 * COIN), world.account(ALICE).nonce)
    (txid, _) = world.block((ALICE, opening.payload), (BOB, Vote(opening.txid, 1)))
    assert (txid, world.proposal(txid).yes) == (opening.txid, 300 * COIN)
    world.until(20 + V - 1)
    assert world.step(txid) == Step.CLOSE
    assert rule_of(world, CAROL, Vote(txid, 0)) == "VoteClosedViolation"


def test_a_swing_in_the_last_block_three_times_and_no_more() -> None:
    """Each time the others have the tail to answer; the fourth swing is too late."""
    world = DaoWorld()
    world.stake(300, 290, 280)
    world.until(18)
    world.block((ALICE, Delegate(address(BOB))))
    world.until(19)
    txid = world.propose(model_body(), bond=3 * COIN)
    close = 20 + V
    # Bob with Alice's: no. Then Alice for herself, and so on: each turns it in the last block.
    swings = iter(((CAROL, 1), (BOB, 0), (ALICE, 1)))
    for extension in range(MAX_EXTENSIONS):
        world.until(close - 2)
        who, choice = next(swings)
        world.vote(txid, who, choice=choice)
        world.until(close)
        close += TAIL
        held = world.proposal(txid)
        assert (held.extensions, held.close) == (extension + 1, close)
    world.until(close)
    assert world.step(txid) == Step.DRAW


def test_a_vote_for_another_network_is_nobodys(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=3 * COIN)
    vote = make(ALICE, Vote(txid, 1), world.account(ALICE).nonce)
    context = replace(world.context(), signatures=SequentialVerifier())
    execute_block(world.state, world._parent(), [sign(ALICE, vote)], context)
    foreign = sign(ALICE, vote, bytes(64))
    with pytest.raises(RejectedTransactionViolation) as caught:
        execute_block(world.state, world._parent(), [foreign], context)
    assert isinstance(caught.value.__cause__, SignatureViolation)


def test_a_vote_is_for_what_was_read(world: DaoWorld) -> None:
    """Whoever changes a word of a proposal, by another branch or another fee, has another id."""
    sent = make(ALICE, proposing(model_body(), 3 * COIN), world.account(ALICE).nonce)
    others = (
        replace(sent, payload=proposing(model_body(2), 3 * COIN)),
        replace(sent, payload=proposing(model_body(), 4 * COIN)),
        replace(sent, fee=sent.fee + 1),
    )
    assert len({sent.txid, *(one.txid for one in others)}) == 4
    world.block((ALICE, proposing(model_body(2), 3 * COIN)))
    assert rule_of(world, BOB, Vote(Txid(sent.txid), 1)) == "VoteClosedViolation"
