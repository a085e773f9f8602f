"""One chain, one state: however blocks arrive, whatever was undone, and after any restart."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.block import Block, proof_hash
from esper.consensus.chain import BlockBytes
from esper.consensus.ports import WorkClaim
from esper.consensus.template import BlockPlan
from esper.node.chain.chain_manager import ChainManager
from esper.node.workers.call_answerer import OpenCall
from esper.primitives.errors.block_errors import (
    OutputsHashViolation,
    ProofHashViolation,
    TransactionRootViolation,
)
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.header_errors import TimeFutureViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.units import FIXED_POINT_ONE
from esper.storage.side_blocks import SideBlocks
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.chain_world import ChainWorld
from tests.support.fake_work import FakeVerifier
from tests.support.forge import forged, planned
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, address
from tests.unit.node.chain.test_chain_manager import PARAMS, SECRET, Node, assert_at, branch, submit

EPOCH = PARAMS.credits.epoch_blocks
FAST = replace(
    PARAMS,
    calls=replace(PARAMS.calls, lane_expiry_blocks=3),
    governance=replace(PARAMS.governance, horizon=30, grace=50, trial=50),
    limits=replace(PARAMS.limits, undo_depth=25),
)
"""Lanes lapse soon, so that a short branch crosses every kind of boundary, and can be undone."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, FAST)
    yield opened
    opened.store.close()


def history(from_world: ChainWorld | None, blocks: int, shift: int) -> ChainWorld:
    """A branch of stakes, unstakes, gifts, calls inline and open; ``shift`` tells it from others.

    It crosses credit epochs, maturity, the release of unbonded stake and the lapse of lanes.
    """
    world = ChainWorld(FAST, signs_results=False)
    if from_world is not None:
        world.chain = from_world.chain
    for _ in range(blocks):
        height = world.chain.context.height + 1
        nonce = world.chain.state.account(address(ALICE)).nonce
        step = (height + shift) % 5
        transactions: list[Transaction] = []
        answers: list[tuple[int, ...] | None] = []
        groups = []
        if height == 1:
            transactions.append(world.signed(ALICE, Stake(500 * COIN)))
        elif step == 0:
            transactions.append(world.signed(ALICE, Unstake(COIN + shift)))
        elif step == 1 and height > 1:
            transactions.append(world.signed(ALICE, CreditTransfer(address(BOB), 1000 + shift)))
        elif step in (2, 3):
            transactions.append(world.signed(ALICE, world.call(prompt=(1, 50 + shift))))
            payload = transactions[-1].payload
            assert isinstance(payload, LlmCall)
            [said] = world.answerer.answer([OpenCall(transactions[-1].txid, payload)])
            answers.append(said.answer if step == 2 else None)
            groups += [world.answerer.prove_own([said], address(MINER))] if step == 2 else []
        else:
            pay = Transfer((Output(address(CAROL), COIN + shift),))
            transactions.append(world.signed(ALICE, pay, nonce=nonce))
        plan = BlockPlan(tuple(transactions), tuple(answers), tuple(groups))
        world.accept(planned(world.chain, address(MINER), plan))
    return world


def test_a_change_of_chain_over_every_boundary_leaves_no_trace(node: Node, tmp_path: Path) -> None:
    stem = history(None, 4, 0)
    left = history(stem, 2 * EPOCH, 1)
    right = history(stem, 2 * EPOCH + 1, 2)
    longer = history(left, 2, 1)
    for block in (*stem.blocks, *left.blocks):
        submit(node, block)
    assert_at(node, left.chain)
    # All of the other branch is judged as side blocks first, with contexts that do not know yet
    # what its calls were worth.
    for block in right.blocks:
        submit(node, block)
    assert_at(node, right.chain)
    node.restart()
    assert_at(node, right.chain)
    for block in longer.blocks:
        submit(node, block)
    assert_at(node, longer.chain)
    # A node that saw nothing but the winning branch has the same bytes.
    direct = Node(tmp_path / "direct", FAST)
    for block in (*stem.blocks, *left.blocks, *longer.blocks):
        submit(direct, block)
    assert dict(direct.store.state) == dict(node.store.state)
    assert direct.manager.context == node.manager.context
    assert direct.store.receipt_root == node.store.receipt_root
    direct.store.close()


def test_the_order_of_arrival_decides_nothing_but_ties(tmp_path: Path) -> None:
    stem = history(None, 2, 0)
    left, right = history(stem, 3, 1), history(stem, 4, 2)
    orders: list[Sequence[Block]] = [
        (*left.blocks, *right.blocks),
        (*right.blocks, *left.blocks),
        (right.blocks[0], *left.blocks, *right.blocks[1:]),
        (left.blocks[0], *right.blocks, *left.blocks[1:]),
    ]
    for number, order in enumerate(orders):
        opened = Node(tmp_path / str(number), FAST)
        for block in (*stem.blocks, *order):
            submit(opened, block)
            if number == 3:
                opened.restart()
        assert_at(opened, right.chain)
        opened.store.close()


def test_a_transaction_counts_on_each_branch_and_never_twice(node: Node) -> None:
    # Both branches may hold it: that is one payment, whichever branch wins.
    stem = history(None, 2, 0)
    pay = stem.signed(ALICE, Transfer((Output(address(BOB), COIN),)))
    left, right = history(stem, 0, 1), history(stem, 0, 2)
    left.accept(planned(left.chain, address(MINER), BlockPlan((pay,))))
    right.accept(planned(right.chain, address(BOB), BlockPlan((pay,))))
    right.accept(planned(right.chain, address(BOB), BlockPlan()))
    for block in (*stem.blocks, *left.blocks, *right.blocks):
        submit(node, block)
    assert_at(node, right.chain)
    paid = stem.chain.state.account(address(BOB)).balance + COIN
    assert right.chain.state.account(address(BOB)).balance == paid
    again = forged(right.chain, address(MINER), transactions=[pay.to_bytes()])
    with pytest.raises(RuleViolation, match="NonceUsedViolation"):
        submit(node, again)


def test_parts_of_others_do_not_blacken_a_name(node: Node) -> None:
    # A peer that swaps parts must not make the node refuse the honest block afterwards.
    world = history(None, 3, 0)
    first, second, third = world.blocks
    submit(node, first)
    swapped = [
        (replace(second, body=replace(second.body, outputs=third.body.outputs)),
         OutputsHashViolation),
        (replace(second, proof=third.proof), ProofHashViolation),
        (replace(second, body=replace(second.body, transactions=third.body.transactions)),
         TransactionRootViolation),
    ]  # fmt: skip
    for block, rule in swapped:
        assert block.header.block_id == second.header.block_id
        with pytest.raises(rule):
            submit(node, block)
        assert not node.manager.knows(second.header.block_id)
    assert submit(node, second) == (0, 1)


def test_a_block_of_the_future_is_taken_when_its_time_comes(node: Node) -> None:
    world = history(None, 1, 0)
    [block] = world.blocks
    early = block.header.pre.time_ms - FAST.difficulty.future_limit_ms - 1
    with pytest.raises(TimeFutureViolation):
        node.manager.submit(BlockBytes.of(block), now_ms=early)
    assert not node.manager.knows(block.header.block_id)
    assert node.manager.submit(BlockBytes.of(block), now_ms=early + 1).new


class ManyProofs:
    """A verifier for which a work has many proofs, as it has where a prover draws randomness."""

    def __init__(self) -> None:
        self._one = FakeVerifier(FAST.model)

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self._one.verify(claim, proof[:74])


def sibling(block: Block, number: int) -> Block:
    proof = block.proof + bytes([number])
    return replace(block, header=replace(block.header, proof_hash=proof_hash(proof)), proof=proof)


def test_sibling_proofs_gain_nothing_and_lead_to_one_state(node: Node) -> None:
    node.manager = ChainManager(node.store, FAST, ManyProofs(), secret=SECRET, now_ms=node.now_ms)
    stem = history(None, 1, 0)
    [first] = stem.blocks
    submit(node, first)
    before = node.manager.context
    for number in range(5):
        # At once, so that they would draw lots if they were rivals.
        arrival = node.manager.submit(BlockBytes.of(sibling(first, number)), now_ms=node.now_ms)
        assert arrival.new
        assert arrival.applied == ()
    assert node.manager.context == before
    # A child of the fifth: its branch is heavier, and nothing but the names differs.
    twin_id = sibling(first, 4).header.block_id
    beside = replace(stem.chain, context=replace(stem.chain.context, tip_id=twin_id))
    child = planned(beside, address(MINER), BlockPlan())
    assert child.header.pre.parent == twin_id
    assert submit(node, child) == (1, 2)
    assert node.manager.context.weight == before.weight + FIXED_POINT_ONE
    # Each is kept: what bounds their number is the network's business, not the rules'.
    assert len(set(SideBlocks(node.datadir))) == 5


def test_an_invalid_body_costs_its_miner_the_block_and_the_node_nothing(node: Node) -> None:
    world = history(None, 2, 0)
    for block in world.blocks:
        submit(node, block)
    greedy = forged(world.chain, address(MINER), coinbase=None, state_root=b"\7" * 32)
    with pytest.raises(RuleViolation) as raised:
        submit(node, greedy)
    assert raised.value.rule == "StateRootViolation"
    assert_at(node, world.chain)
    with pytest.raises(InvalidAncestorViolation):
        submit(node, greedy)
    # Forgotten at a restart, and refused for the same reason again.
    node.restart()
    with pytest.raises(RuleViolation) as raised:
        submit(node, greedy)
    assert raised.value.rule == "StateRootViolation"


def test_the_genesis_block_and_its_name_are_known(node: Node) -> None:
    world, _ = branch(None, 1, step_ms=1, params=FAST)
    [block] = world.blocks
    genesis = node.manager.context.tip_id
    assert block.header.pre.parent == genesis
    assert node.manager.knows(genesis)
    assert submit(node, block) == (0, 1)
