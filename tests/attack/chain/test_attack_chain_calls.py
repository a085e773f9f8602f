"""Answers and their proofs in the wrong hands: other payees, calls, senders, and twice."""

from dataclasses import replace

import pytest

from esper.consensus.block import Block
from esper.consensus.call_groups import (
    LANE_ANSWER,
    CallGroup,
    group_binding,
    lane_binding,
)
from esper.consensus.chain import extend
from esper.consensus.template import BlockPlan
from esper.crypto.signing import KeyPair
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import ModelId, Txid
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction
from tests.support.chain_world import ChainWorld
from tests.support.forge import forged, planned
from tests.support.vm_world import ALICE, BOB, MINER, address, pending_reward

MINE, HIS = address(MINER), address(BOB)


def rich_caller() -> ChainWorld:
    world = ChainWorld()
    world.stake_and_wait()
    return world


@pytest.fixture(scope="module")
def world() -> ChainWorld:
    return rich_caller()


def refusal(world: ChainWorld, block: Block) -> tuple[str, str]:
    """The rule that refuses a block, and the rule behind it if it is about a transaction."""
    with pytest.raises(RuleViolation) as raised:
        extend(world.chain, block, world.verifier, now_ms=world.now_ms)
    cause = raised.value.__cause__
    return raised.value.rule, type(cause).__name__ if isinstance(cause, RuleViolation) else ""


def accepted(world: ChainWorld, block: Block) -> None:
    world.accept(block)


def answered(world: ChainWorld, transaction: Transaction) -> AnsweredCall:
    assert isinstance(transaction.payload, LlmCall)
    [said] = world.answerer.answer([OpenCall(transaction.txid, transaction.payload)])
    return said


def call_of(
    world: ChainWorld, nonce: int | None = None
) -> tuple[Transaction, AnsweredCall, CallGroup]:
    """Alice's next call, its answer and the miner's proof of it."""
    transaction = world.signed(ALICE, world.call(), nonce)
    said = answered(world, transaction)
    return transaction, said, world.answerer.prove_own([said], MINE)


def test_a_group_is_of_no_use_to_another_finder(world: ChainWorld) -> None:
    call, said, group = call_of(world)
    plan = BlockPlan((call,), (said.answer,), (group,))
    assert refusal(world, planned(world.chain, HIS, plan))[0] == "GroupProofViolation"
    extend(world.chain, planned(world.chain, MINE, plan), world.verifier, now_ms=world.now_ms)


def test_a_group_proves_its_own_calls_alone(world: ChainWorld) -> None:
    # The same prompt, model, price and budget, one nonce later: another call.
    first, said, group = call_of(world)
    nonce = first.nonce + 1
    second, again, _ = call_of(world, nonce=nonce)
    assert again.answer == said.answer
    stolen = replace(group, calls=(replace(group.calls[0], call_id=second.txid),))
    both = (first, second), (said.answer, again.answer)
    assert refusal(world, planned(world.chain, MINE, BlockPlan(*both, (group, stolen))))[0] == (
        "GroupProofViolation"
    )
    # One proof for two calls, or one answer named in two groups.
    once = planned(world.chain, MINE, BlockPlan(*both, (group,)))
    assert refusal(world, once)[0] == "GroupCoverageViolation"
    twice = planned(world.chain, MINE, BlockPlan((first,), (said.answer,), (group, group)))
    assert refusal(world, twice)[0] == "GroupCoverageViolation"


def test_an_order_of_calls_is_proven_too(world: ChainWorld) -> None:
    first, said, _ = call_of(world)
    second, again, _ = call_of(world, nonce=first.nonce + 1)
    group = world.answerer.prove_own([said, again], MINE)
    plan = BlockPlan((first, second), (said.answer, again.answer), (group,))
    extend(world.chain, planned(world.chain, MINE, plan), world.verifier, now_ms=world.now_ms)
    turned = replace(plan, groups=(replace(group, calls=group.calls[::-1]),))
    assert refusal(world, planned(world.chain, MINE, turned))[0] == "GroupProofViolation"


def test_an_open_call_is_not_proven_as_an_own_one(world: ChainWorld) -> None:
    call, _, group = call_of(world)
    plan = BlockPlan((call,), (None,), (group,))
    assert refusal(world, planned(world.chain, MINE, plan))[0] == "GroupCoverageViolation"


def test_bindings_are_of_one_network_payee_model_and_call() -> None:
    zeros, ones = bytes(64), b"\1" * 64
    model, other_model = ModelId(zeros), ModelId(ones)
    call, other_call = Txid(zeros), Txid(ones)
    payee = bytes(33)
    base = group_binding(zeros, payee, model, [call])
    others = {
        group_binding(ones, payee, model, [call]),
        group_binding(zeros, b"\1" * 33, model, [call]),
        group_binding(zeros, payee, other_model, [call]),
        group_binding(zeros, payee, model, [other_call]),
        group_binding(zeros, payee, model, [call, call]),
        lane_binding(zeros, call, payee),
        lane_binding(ones, call, payee),
        lane_binding(zeros, other_call, payee),
        lane_binding(zeros, call, b"\1" * 33),
    }
    assert len(others) == 9
    assert base not in others


def lane(world: ChainWorld) -> tuple[Transaction, AnsweredCall]:
    """A call of Alice's that the miner leaves open, in the chain."""
    call, said, _ = call_of(world)
    accepted(world, planned(world.chain, MINE, BlockPlan((call,), (None,))))
    return call, said


def result_by(world: ChainWorld, key: KeyPair, said: AnsweredCall, ahead: int = 0) -> Transaction:
    nonce = world.chain.state.account(address(key)).nonce + ahead
    return world.signed(key, LlmResult(said.call_id, said.answer), nonce=nonce)


def test_the_proof_of_a_lane_is_of_no_use_to_another_sender() -> None:
    world = rich_caller()
    _, said = lane(world)
    group = world.answerer.prove_lane(said, MINE)
    assert group.kind == LANE_ANSWER
    stolen = BlockPlan((result_by(world, BOB, said),), (), (group,))
    for payee in (MINE, HIS):
        assert refusal(world, planned(world.chain, payee, stolen))[0] == "GroupProofViolation"
    # Whoever finds the block, the result is its sender's.
    own = BlockPlan((result_by(world, MINER, said),), (), (group,))
    accepted(world, planned(world.chain, HIS, own))


def test_a_lane_is_answered_once() -> None:
    world = rich_caller()
    call, said = lane(world)
    group = world.answerer.prove_lane(said, MINE)
    first, second = result_by(world, MINER, said), result_by(world, BOB, said)
    block = forged(
        world.chain, MINE, transactions=[first.to_bytes(), second.to_bytes()],
        groups=[group.to_bytes()],
    )  # fmt: skip
    assert refusal(world, block) == ("RejectedTransactionViolation", "LaneViolation")
    # Without a proof there is no answer at all.
    bare = planned(world.chain, MINE, BlockPlan((first,)))
    assert refusal(world, bare)[0] == "GroupCoverageViolation"
    before = world.chain.state.account(address(ALICE))
    accepted(world, planned(world.chain, MINE, BlockPlan((first,), (), (group,))))
    again = forged(
        world.chain, MINE, transactions=[result_by(world, BOB, said).to_bytes()],
        groups=[group.to_bytes()],
    )  # fmt: skip
    assert refusal(world, again) == ("RejectedTransactionViolation", "LaneViolation")
    # The call itself cannot come back either, and nothing burned twice.
    repeated = forged(world.chain, MINE, transactions=[call.to_bytes()], results=[b"\x90"])
    assert refusal(world, repeated) == ("RejectedTransactionViolation", "NonceUsedViolation")
    after = world.chain.state.account(address(ALICE))
    assert after.older_credits + after.newer_credits > before.older_credits + before.newer_credits


def test_a_call_opened_and_answered_in_one_block_burns_once() -> None:
    world = rich_caller()
    call, said, _ = call_of(world)
    result = result_by(world, MINER, said)
    plan = BlockPlan((call, result), (None,), (world.answerer.prove_lane(said, MINE),))
    block = planned(world.chain, MINE, plan)
    inline = planned(
        world.chain,
        MINE,
        BlockPlan((call,), (said.answer,), (world.answerer.prove_own([said], MINE),)),
    )
    worlds = [ChainWorld(), ChainWorld()]
    for twin, made in zip(worlds, (block, inline), strict=True):
        twin.chain = world.chain
        accepted(twin, made)
    lanes, inlines = (twin.chain.state.account(address(ALICE)) for twin in worlds)
    assert lanes == inlines
    rewards = [pending_reward(twin.chain.state, twin.chain.context.height) for twin in worlds]
    assert rewards[0] is not None
    assert rewards[1] is not None
    assert rewards[0].amount - rewards[1].amount == result.fee
    # An answer before its call answers nothing.
    turned = forged(
        world.chain, MINE, transactions=[result.to_bytes(), call.to_bytes()], results=[b"\x90"],
        groups=[group.to_bytes() for group in plan.groups],
    )  # fmt: skip
    assert refusal(world, turned) == ("RejectedTransactionViolation", "LaneViolation")
