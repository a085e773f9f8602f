"""What blocks beside the chain may cost: disk, proofs, executions; who is told of what failed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.block import Block, proof_hash
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.ports import WorkClaim
from esper.node.chain import branches as branches_module
from esper.node.chain.branches import NoRoomBesideError
from esper.node.chain.chain_manager import ChainManager
from esper.primitives.errors.block_errors import (
    OutputsHashViolation,
    StateRootViolation,
    TransactionRootViolation,
)
from esper.primitives.errors.chain_errors import (
    InvalidAncestorViolation,
    InvalidSiblingViolation,
    TooDeepReorganisation,
)
from esper.primitives.errors.header_errors import TimeFutureViolation
from esper.primitives.errors.work_errors import ProofViolation
from esper.storage.chain_store import ChainStore
from esper.storage.errors import DiskReserveError, StorageError
from tests.support.chain_world import ChainWorld
from tests.support.fake_work import FakeVerifier
from tests.unit.node.chain.test_chain_manager import (
    FAR,
    PARAMS,
    SECRET,
    Node,
    _LyingState,
    assert_at,
    branch,
    empty_blocks,
    network,
    submit,
)

SHORT = network(undo_depth=2)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, PARAMS)
    yield opened
    opened.store.close()


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, SHORT)
    yield opened
    opened.store.close()


class ManyProofs:
    """A verifier for which a work has many proofs, as it has where a prover draws randomness."""

    def __init__(self) -> None:
        self._one = FakeVerifier(PARAMS.model)
        self.asked = 0

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.asked += 1
        self._one.verify(claim, proof[:74])


def sibling(block: Block, number: int) -> Block:
    proof = block.proof + bytes([number])
    return replace(block, header=replace(block.header, proof_hash=proof_hash(proof)), proof=proof)


def false_root(chain: ProvenChain) -> Block:
    """A block whose work is done and whose state root is a lie."""
    world = ChainWorld(PARAMS)
    found = world.miner.mine(
        chain.context,
        _LyingState(chain),
        lambda: world.now_ms + 20_000 + 10_000 * chain.context.height,
    )
    return found.block


def managed(node: Node, side_bytes: int | None = None) -> ManyProofs:
    verifier = ManyProofs()
    node.manager = ChainManager(
        node.store, node.params, verifier, secret=SECRET, now_ms=node.now_ms, side_bytes=side_bytes
    )
    return verifier


def test_a_branch_that_cannot_be_followed_leaves_no_bodies(short: Node) -> None:
    _, chain = branch(None, 3, step_ms=1, params=SHORT)
    _, old = branch(None, 4, step_ms=2, params=SHORT)
    # Three blocks deep when it comes; two can be undone.
    for block in chain:
        submit(short, block)
    for block in old[:3]:
        assert submit(short, block) == (0, 0)
        assert short.manager.knows(block.header.block_id)
    assert short.side() == set()
    # The headers are remembered: enough of them, and the operator is asked.
    with pytest.raises(TooDeepReorganisation, match="undoes 3 blocks, at most 2"):
        submit(short, old[3])
    assert short.side() == set()


def test_what_became_shallow_again_may_be_brought_again(short: Node) -> None:
    world, chain = branch(None, 3, step_ms=1, params=SHORT)
    _, old = branch(None, 4, step_ms=2, params=SHORT)
    for block in (*chain, *old[:3]):
        submit(short, block)
    with pytest.raises(TooDeepReorganisation):
        submit(short, old[3])
    # The chain is lower: the branch could be followed, if more than its headers were here.
    short.manager.known.branches.put_aside(chain[2].header.block_id, BlockBytes.of(chain[2]))
    short.store.rewind()
    short.manager.catch_up(chain[2].header.block_id)
    assert_at(short, world.chain)
    assert not any(short.manager.knows(block.header.block_id) for block in old)
    assert submit(short, old[0]) == (0, 0)


def test_blocks_beside_the_chain_have_a_bound_and_the_lightest_branch_leaves(node: Node) -> None:
    stem, first = branch(None, 3, step_ms=1)
    for block in first:
        submit(node, block)
    _, low = branch(None, 1, step_ms=2)
    _, high = branch(ProvenChain.genesis(PARAMS), 2, step_ms=3)
    size = sum(map(len, (low[0].header.to_bytes(), low[0].body.to_bytes(), low[0].proof)))
    managed(node, side_bytes=2 * size + size // 2)
    submit(node, low[0])
    submit(node, high[0])
    assert node.side() == {low[0].header.block_id, high[0].header.block_id}
    # The second of the other branch makes that the heavier one.
    submit(node, high[1])
    assert node.side() == {block.header.block_id for block in high}
    assert not node.manager.knows(low[0].header.block_id)
    # What is no heavier than all that is there is not kept, and may come again later.
    with pytest.raises(NoRoomBesideError, match="all of them weigh more"):
        submit(node, low[0])
    assert not node.manager.knows(low[0].header.block_id)
    assert node.side() == {block.header.block_id for block in high}
    assert_at(node, stem.chain)


def test_headers_alone_have_a_bound_as_well(short: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches_module, "HEADERS_ONLY", 1)
    _, chain = branch(None, 3, step_ms=1, params=SHORT)
    for block in chain:
        submit(short, block)
    _, one = branch(None, 1, step_ms=2, params=SHORT)
    _, two = branch(None, 1, step_ms=3, params=SHORT)
    submit(short, one[0])
    with pytest.raises(NoRoomBesideError):
        submit(short, two[0])
    assert short.manager.knows(one[0].header.block_id)
    assert not short.manager.knows(two[0].header.block_id)


def test_the_reserve_is_asked_for_blocks_beside_the_chain(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = branch(None, 2, step_ms=1)
    _, other = branch(None, 1, step_ms=2)
    for block in first:
        submit(node, block)

    def spent(*_: object) -> None:
        raise DiskReserveError(node.datadir, 0, 1)

    monkeypatch.setattr(type(node.store.options), "check_reserve", spent)
    with pytest.raises(DiskReserveError):
        submit(node, other[0])
    assert (node.side(), node.manager.knows(other[0].header.block_id)) == (set(), False)
    monkeypatch.undo()
    assert submit(node, other[0]) == (0, 0)
    assert node.side() == {other[0].header.block_id}


def test_a_restart_verifies_no_proof_again(node: Node) -> None:
    _, first = branch(None, 2, step_ms=1)
    right, other = branch(None, 3, step_ms=2)
    for block in (*first, *other[:2]):
        submit(node, block)
    verifier = managed(node)
    assert verifier.asked == 0
    assert all(node.manager.knows(block.header.block_id) for block in other[:2])
    # They are taken up as they were: a third block makes the branch the chain.
    submit(node, other[2])
    assert_at(node, right.chain)


def test_one_false_root_is_executed_once_whatever_proves_it(node: Node) -> None:
    verifier = managed(node)
    stem, first = branch(None, 1, step_ms=1)
    submit(node, first[0])
    bad = false_root(stem.chain)
    with pytest.raises(StateRootViolation):
        submit(node, bad)
    asked = verifier.asked
    for number in range(6):
        with pytest.raises(InvalidSiblingViolation):
            submit(node, sibling(bad, number))
    assert verifier.asked == asked
    assert_at(node, stem.chain)


def test_siblings_that_wait_fail_with_the_first(node: Node) -> None:
    managed(node)
    stem, first = branch(None, 1, step_ms=1)
    for block in first:
        submit(node, block)
    left, more = branch(stem.chain, 1, step_ms=2)
    submit(node, more[0])
    bad = false_root(stem.chain)
    twins = [sibling(bad, number) for number in range(3)]
    for block in (bad, *twins):
        assert submit(node, block) == (0, 0)
    false_chain = ProvenChain(
        stem.chain.context.extended(bad.header, bad.body.outputs, 0), stem.chain.state
    )
    [child] = empty_blocks(false_chain, 1)
    node.now_ms += 10_000
    arrival = node.manager.submit(BlockBytes.of(child), now_ms=node.now_ms)
    # Who is invalid, and why, is in the answer, though the block itself broke no rule.
    assert arrival.new
    assert set(arrival.invalid) == {one.header.block_id for one in (bad, *twins, child)}
    assert {violation.rule for violation in arrival.invalid.values()} == {"StateRootViolation"}
    assert (arrival.undone, arrival.applied) == ((), ())
    assert_at(node, left.chain)
    assert node.side() == set()
    for block in (bad, *twins, child):
        with pytest.raises(InvalidAncestorViolation):
            submit(node, block)


def test_junk_lists_under_a_worked_header_cost_no_proofs(node: Node) -> None:
    verifier = managed(node)
    world, [honest] = branch(None, 1, step_ms=1)
    for number in range(50):
        body = replace(honest.body, transactions=(b"%d" % number, *honest.body.transactions))
        with pytest.raises(TransactionRootViolation):
            submit(node, replace(honest, body=body))
    assert verifier.asked == 1
    # Other outputs or another proof under the id are still seen for what they are.
    outputs = replace(honest.body.outputs, answers=honest.body.outputs.answers[::-1])
    with pytest.raises(OutputsHashViolation):
        submit(node, replace(honest, body=replace(honest.body, outputs=outputs)))
    assert submit(node, honest) == (0, 1)
    assert verifier.asked == 1
    assert_at(node, world.chain)


def test_an_id_that_was_refused_for_good_is_refused_for_nothing(node: Node) -> None:
    verifier = managed(node)
    _, [honest] = branch(None, 1, step_ms=1)
    forged = replace(honest, proof=honest.proof[:-1] + b"?")
    header = replace(honest.header, proof_hash=proof_hash(forged.proof))
    forged = replace(forged, header=header)
    for _ in range(3):
        with pytest.raises(ProofViolation):
            submit(node, forged)
    assert verifier.asked == 1
    # What the clock refuses is asked again.
    early = honest.header.pre.time_ms - PARAMS.difficulty.future_limit_ms - 1
    for _ in range(2):
        with pytest.raises(TimeFutureViolation):
            node.manager.submit(BlockBytes.of(honest), now_ms=early)
    assert node.manager.submit(BlockBytes.of(honest), now_ms=FAR).applied


def test_a_block_that_a_stopped_change_of_chain_left_in_the_tree_is_on_disk(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem, first = branch(None, 1, step_ms=1)
    _, left_blocks = branch(stem.chain, 2, step_ms=2)
    right, right_blocks = branch(stem.chain, 3, step_ms=3)
    for block in (*first, *left_blocks, *right_blocks[:2]):
        submit(node, block)
    append = ChainStore.append

    def full(*_: object) -> None:
        raise StorageError("no room")

    monkeypatch.setattr(ChainStore, "append", full)
    with pytest.raises(StorageError):
        submit(node, right_blocks[2])
    # Two blocks are off, none is on: the chain stands on the stem.
    assert node.store.tip.block_id == first[0].header.block_id
    monkeypatch.setattr(ChainStore, "append", append)
    # A block on the very stopping point: the way to the best tip leads past it.
    _, [late] = branch(stem.chain, 1, step_ms=4)
    submit(node, late)
    assert_at(node, right.chain)
    assert late.header.block_id in node.side()
    # A branch on it takes over one day, and finds it.
    further_chain = ProvenChain.genesis(PARAMS)
    for block in (*first, late):
        further_chain = extend(further_chain, block, FakeVerifier(PARAMS.model), now_ms=FAR)
    further, more = branch(further_chain, 3, step_ms=5)
    for block in more:
        submit(node, block)
    assert_at(node, further.chain)


def test_lots_are_drawn_by_arrival_and_times_are_judged_by_now(node: Node) -> None:
    _, [one] = branch(None, 1, step_ms=1)
    _, [two] = branch(None, 1, step_ms=2)
    # Both were received within the time of rivals, though one was judged much later.
    early = one.header.pre.time_ms - PARAMS.difficulty.future_limit_ms - 1
    with pytest.raises(TimeFutureViolation):
        node.manager.submit(BlockBytes.of(one), now_ms=early, received_ms=early)
    node.manager.submit(BlockBytes.of(one), now_ms=FAR, received_ms=early)
    node.manager.submit(BlockBytes.of(two), now_ms=FAR + 10**6, received_ms=early + 1)
    received = {
        block_id: node.manager.known.tree._nodes[block_id].block.received_ms
        for block_id in (one.header.block_id, two.header.block_id)
    }
    assert received == {one.header.block_id: early, two.header.block_id: early + 1}
