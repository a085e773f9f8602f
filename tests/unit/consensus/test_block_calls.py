"""Blocks with transactions and calls: the honest block, and every rule of groups broken once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from esper.consensus.block import Block, calls_root, result_root, transaction_root
from esper.consensus.block_isolation import check_block_in_isolation
from esper.consensus.call_groups import CallGroup, decode_call_group, encode_result
from esper.consensus.call_rules import check_call_groups
from esper.consensus.chain import connect
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import Txid
from esper.vm.ledger import Ledger
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay
from tests.support.chain_world import ChainWorld, funded_network
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, pending_reward, taken_back

TO_CAROL = Transfer((Output(address(CAROL), COIN),))


@pytest.fixture(scope="module")
def world() -> ChainWorld:
    """Alice has credits; the miner answers."""
    grown = ChainWorld()
    grown.stake_and_wait()
    return grown


@pytest.fixture(scope="module")
def block(world: ChainWorld) -> Block:
    """A block of three calls in two groups, and a transfer."""
    nonce = world.chain.state.account(address(ALICE)).nonce
    calls = [world.signed(ALICE, world.call(prompt=(1, 60 + i)), nonce=nonce + i) for i in range(3)]
    block, planned = world.mined(*calls, world.signed(BOB, TO_CAROL))
    assert planned.left_out == {}
    assert len(block.body.results) == 3
    assert len(block.body.call_groups) == 2
    return block


def rebuilt(block: Block, **lists: Any) -> Block:
    """The block with other lists, and a header that names them."""
    body = replace(block.body, **lists)
    pre = replace(
        block.header.pre,
        tx_root=transaction_root(body.transactions),
        result_root=result_root(body.results),
        calls_root=calls_root(body.call_groups),
    )
    return replace(block, header=replace(block.header, pre=pre), body=body)


def refusal(block: Block, world: ChainWorld) -> RuleViolation:
    """Why a block's lists are refused, whatever its work is worth."""
    try:
        content = check_block_in_isolation(block, world.params.limits)
        connect(world.chain.context, world.chain.state, block, content, world.verifier)
    except RuleViolation as violation:
        return violation
    raise AssertionError("the block was accepted")


def groups(block: Block) -> list[CallGroup]:
    return [decode_call_group(data, 1 << 20) for data in block.body.call_groups]


def with_groups(block: Block, *changed: CallGroup) -> Block:
    return rebuilt(block, call_groups=tuple(group.to_bytes() for group in changed))


def test_the_honest_block_is_accepted(world: ChainWorld, block: Block) -> None:
    content = check_block_in_isolation(block, world.params.limits)
    context, execution = connect(
        world.chain.context, world.chain.state, block, content, world.verifier
    )
    burned = sum(receipt.burned for receipt in execution.receipts)
    tokens = sum(2 + len(answer) for answer in content.answers if answer is not None)
    assert burned == world.params.credits.minimum_bid * sum(
        2 + 4 * len(answer) for answer in content.answers if answer is not None
    )
    assert context.tip_work.paid_tokens == tokens
    assert execution.paid_tokens == tokens
    after = world.chain.state.with_changes(execution.changes)
    assert after.account(address(CAROL)).balance == COIN
    assert after.with_changes(taken_back(execution.changes)).root == world.chain.state.root
    # A tenth of the subsidy is in proportion to what burned; the transfer's fee is in the reward.
    reward = pending_reward(after, context.height)
    assert reward is not None
    bonus = 5 * COIN * burned // world.params.reward.bonus_credit_cap
    assert reward.amount == content.coinbase.amount == 45 * COIN + bonus + 100_000


def first_group(block: Block, **changes: Any) -> Block:
    first, *others = groups(block)
    return with_groups(block, replace(first, **changes), *others)


def first_call(block: Block, **changes: Any) -> Block:
    first = groups(block)[0]
    return first_group(block, calls=(replace(first.calls[0], **changes), *first.calls[1:]))


def with_results(block: Block, *results: bytes) -> Block:
    return rebuilt(block, results=results)


ISOLATED_CASES: list[tuple[str, Callable[[Block], Block]]] = [
    ("ResultCountViolation", lambda b: with_results(b, *b.body.results[:-1])),
    ("ResultCountViolation", lambda b: with_results(b, *b.body.results, b"\x90")),
    ("ResultEncodingViolation", lambda b: with_results(b, b"\xc0", *b.body.results[1:])),
    (
        "ResultEncodingViolation",
        lambda b: with_results(b, b"\xdc\x00\x81" + b"\x07" * 129, *b.body.results[1:]),
    ),
    ("GroupEncodingViolation", lambda b: rebuilt(b, call_groups=(b"\xc0",))),
    (
        "DuplicateTransactionViolation",
        lambda b: rebuilt(b, transactions=(b.body.transactions[3], *b.body.transactions)),
    ),
]


@pytest.mark.parametrize(("rule", "change"), ISOLATED_CASES)
def test_isolated_rules(
    rule: str, change: Callable[[Block], Block], world: ChainWorld, block: Block
) -> None:
    assert refusal(change(block), world).rule == rule


GROUP_CASES: list[tuple[str, Callable[[Block], Block]]] = [
    ("GroupLimitViolation", lambda b: with_groups(b, *groups(b), groups(b)[0])),
    ("GroupCoverageViolation", lambda b: with_groups(b, groups(b)[0])),
    ("GroupCoverageViolation", lambda b: with_groups(b, groups(b)[0], groups(b)[0])),
    ("GroupCoverageViolation", lambda b: first_call(b, call_id=bytes(64))),
    ("GroupCoverageViolation", lambda b: first_group(b, kind=1)),
    ("GroupModelViolation", lambda b: first_group(b, model_id=bytes(64))),
    (
        "GroupModelViolation",
        lambda b: with_groups(
            b,
            replace(groups(b)[0], calls=()),
            replace(groups(b)[1], calls=groups(b)[0].calls + groups(b)[1].calls),
        ),
    ),
    (
        "GroupRowsViolation",
        lambda b: with_groups(
            b, replace(groups(b)[0], calls=groups(b)[0].calls + groups(b)[1].calls)
        ),
    ),
    ("GroupLogitsViolation", lambda b: first_call(b, logits=())),
    (
        "GroupProofViolation",
        lambda b: first_call(b, logits=(1,) * len(groups(b)[0].calls[0].logits)),
    ),
    ("GroupProofViolation", lambda b: first_group(b, proof=groups(b)[1].proof)),
    ("GroupProofViolation", lambda b: first_group(b, proof=b"")),
    ("AuditGroupViolation", lambda b: with_groups(b, *groups(b), replace(groups(b)[0], kind=2))),
    ("AuditGroupViolation", lambda b: with_groups(b, *groups(b), replace(groups(b)[0], kind=3))),
]


@pytest.mark.parametrize(("rule", "change"), GROUP_CASES)
def test_group_rules(
    rule: str, change: Callable[[Block], Block], world: ChainWorld, block: Block
) -> None:
    assert refusal(change(block), world).rule == rule


def test_another_answer_is_refused(world: ChainWorld, block: Block) -> None:
    # As long as the honest one, so that it burns the same and leads to the same state.
    [first, *others] = block.body.results
    tokens = check_block_in_isolation(block, world.params.limits).answers[0]
    assert tokens is not None
    other = encode_result((tokens[0] ^ 1, *tokens[1:]))
    assert other != first
    assert refusal(with_results(block, other, *others), world).rule == "GroupProofViolation"


def test_a_group_is_worth_nothing_to_another_payee(world: ChainWorld, block: Block) -> None:
    content = check_block_in_isolation(block, world.params.limits)
    state, payee = world.chain.state, block.header.pre.payee
    context = world.chain.context.execution_context(state, payee)
    check_call_groups(content, state, context, world.verifier)
    with pytest.raises(RuleViolation, match="call group 0"):
        check_call_groups(content, state, replace(context, payee=address(BOB)), world.verifier)


def test_a_transaction_that_breaks_a_rule_spoils_its_block(world: ChainWorld, block: Block) -> None:
    poor = world.signed(CAROL, TO_CAROL, nonce=0).to_bytes()
    violation = refusal(rebuilt(block, transactions=(poor, *block.body.transactions)), world)
    assert violation.rule == "RejectedTransactionViolation"
    assert "FundsViolation" in str(violation)


@pytest.fixture(scope="module")
def open_call() -> tuple[ChainWorld, Txid]:
    """A world where even the shortest answer is too long for its block, and a call left open."""
    grown = ChainWorld(funded_network(inline_answer_bytes=1))
    grown.stake_and_wait()
    call = grown.signed(ALICE, grown.call())
    grown.grow(call)
    return grown, call.txid


def test_a_lane_is_answered_by_a_result_with_its_proof(open_call: tuple[ChainWorld, Txid]) -> None:
    world, call_id = open_call
    assert Ledger(Overlay(world.chain.state)).lane(call_id) is not None
    block, planned = world.mined()
    assert [group.kind for group in groups(block)] == [1]
    # The proof is bound to the sender of the result.
    forged = with_groups(block, replace(groups(block)[0], proof=groups(block)[0].proof[:-1] + b"x"))
    assert refusal(forged, world).rule == "GroupProofViolation"
    assert refusal(with_groups(block), world).rule == "GroupCoverageViolation"
    assert refusal(
        with_groups(block, replace(groups(block)[0], kind=0)), world
    ).rule == "GroupCoverageViolation"  # fmt: skip
    world.accept(block)
    assert Ledger(Overlay(world.chain.state)).lane(call_id) is None
    assert len(planned.plan.transactions) == 1


def test_groups_of_two_lanes_are_too_long() -> None:
    world = ChainWorld(funded_network(inline_answer_bytes=1))
    world.stake_and_wait()
    nonce = world.chain.state.account(address(ALICE)).nonce
    calls = [world.signed(ALICE, world.call((1, 70 + i)), nonce=nonce + i) for i in range(2)]
    world.grow(*calls)
    spare = replace(world.params.calls, groups_per_block=3)
    world.params = replace(world.params, calls=spare)
    world.chain = replace(world.chain, context=replace(world.chain.context, params=world.params))
    block, _ = world.mined()
    first, second = groups(block)
    both = replace(first, calls=first.calls + second.calls)
    assert refusal(with_groups(block, both), world).rule == "GroupRowsViolation"


def test_receipts_can_be_shown_under_the_state_root(world: ChainWorld, block: Block) -> None:
    content = check_block_in_isolation(block, world.params.limits)
    _, execution = connect(world.chain.context, world.chain.state, block, content, world.verifier)
    before = Ledger(Overlay(world.chain.state)).receipts
    after = Ledger(Overlay(world.chain.state.with_changes(execution.changes))).receipts
    assert (before.count, after.count) == (1, 5)
    for receipt in execution.receipts:
        before, _ = before.extended([receipt.to_bytes()])
    assert before == after
