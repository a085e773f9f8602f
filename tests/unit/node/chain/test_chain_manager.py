"""The chain manager: branches, changes of chain, blocks that turn out invalid, and restarts."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.store_state import genesis_of, replay_of
from esper.primitives.errors.block_errors import StateRootViolation
from esper.primitives.errors.chain_errors import InvalidAncestorViolation, TooDeepReorganisation
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.errors import ProofPrunedError
from esper.storage.receipt_log import USE_RECEIPTS
from esper.storage.side_blocks import SideBlockError, SideBlocks
from esper.storage.store_options import StoreOptions
from esper.vm.ledger import Ledger
from esper.vm.payload import Output
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay
from tests.support.chain_world import ChainWorld, funded_network
from tests.support.fake_work import FakeVerifier
from tests.support.plain_miner import standing
from tests.support.vm_world import ALICE, BOB, COIN, address

SECRET = bytes(32)
FAR = 1 << 60
"""A clock so late that no block is from the future."""


def network(undo_depth: int = 200) -> NetworkParameters:
    params = funded_network()
    limits = replace(params.limits, undo_depth=undo_depth, pruning_depth=undo_depth + 1)
    return replace(params, limits=limits)


PARAMS = network()


class Node:
    """A manager on a data directory that can be closed and opened again."""

    def __init__(self, datadir: Path, params: NetworkParameters, *, prune: bool = False) -> None:
        self.datadir, self.params, self.prune = datadir, params, prune
        self.now_ms = FAR
        self.open()

    def open(self) -> None:
        options = StoreOptions(
            undo_depth=self.params.limits.undo_depth, reserve_bytes=0, segment_bytes=1 << 16
        )
        self.store = ChainStore(
            self.datadir, genesis_of(self.params), replay_of(self.params), options
        )
        self.manager = ChainManager(
            self.store,
            self.params,
            ChainWorld(self.params).verifier,
            secret=SECRET,
            now_ms=self.now_ms,
            prune=self.prune,
        )

    def restart(self) -> None:
        self.store.close()
        self.open()

    def side(self) -> set[bytes]:
        return set(SideBlocks(self.datadir))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, PARAMS)
    yield opened
    opened.store.close()


def branch(
    from_chain: ProvenChain | None, length: int, *, step_ms: int, params: NetworkParameters = PARAMS
) -> tuple[ChainWorld, list[Block]]:
    """A world that mined ``length`` blocks on a chain; ``step_ms`` tells branches apart."""
    world = ChainWorld(params)
    if from_chain is not None:
        world.chain = from_chain
    for number in range(length):
        nonce = world.chain.state.account(address(ALICE)).nonce
        payload = (
            Transfer((Output(address(BOB), COIN + step_ms),)) if number % 2 else Stake(step_ms)
        )
        time_ms = params.genesis_time_ms + 10_000 * (world.chain.context.height + 1) + step_ms
        plan = world.planned(world.signed(ALICE, payload, nonce=nonce)).plan
        found = world.miner.mine(world.chain.context, world.chain.state, standing(time_ms), plan)
        world.chain = extend(world.chain, found.block, world.verifier, now_ms=FAR)
        world.blocks.append(found.block)
    return world, world.blocks


def submit(node: Node, block: Block) -> tuple[int, int]:
    """How many blocks left and joined the chain. They arrive too far apart to draw lots."""
    node.now_ms += 10_000
    arrival = node.manager.submit(BlockBytes.of(block), now_ms=node.now_ms)
    return len(arrival.undone), len(arrival.applied)


def assert_at(node: Node, chain: ProvenChain) -> None:
    assert node.manager.context == chain.context
    assert node.store.state.root == chain.state.root
    assert dict(node.store.state) == dict(chain.state.tree)
    receipts = Ledger(Overlay(node.store.state)).receipts
    assert receipts.root(USE_RECEIPTS) == node.store.receipt_root


def test_blocks_join_one_by_one_and_once(node: Node) -> None:
    world, blocks = branch(None, 4, step_ms=1)
    assert [submit(node, block) for block in blocks] == [(0, 1)] * 4
    assert_at(node, world.chain)
    assert not node.manager.submit(BlockBytes.of(blocks[2]), now_ms=FAR).new
    assert node.side() == set()
    node.restart()
    assert_at(node, world.chain)


def test_a_heavier_branch_takes_over_and_the_old_one_waits(node: Node) -> None:
    stem, first = branch(None, 2, step_ms=1)
    left, left_blocks = branch(stem.chain, 3, step_ms=2)
    right, right_blocks = branch(stem.chain, 4, step_ms=3)
    for block in (*first, *left_blocks):
        submit(node, block)
    assert [submit(node, block) for block in right_blocks[:3]] == [(0, 0)] * 3
    assert_at(node, left.chain)
    assert len(node.side()) == 3
    assert submit(node, right_blocks[3]) == (3, 4)
    assert_at(node, right.chain)
    assert node.side() == {block.header.block_id for block in left_blocks}
    # And back, from the files that waited.
    longer, more = branch(left.chain, 2, step_ms=4)
    assert submit(node, more[0]) == (0, 0)
    assert submit(node, more[1]) == (4, 5)
    assert_at(node, longer.chain)


def test_a_restart_forgets_no_branch(node: Node) -> None:
    stem, first = branch(None, 1, step_ms=1)
    left, left_blocks = branch(stem.chain, 2, step_ms=2)
    right, right_blocks = branch(stem.chain, 3, step_ms=3)
    for block in (*first, *left_blocks, *right_blocks[:2]):
        submit(node, block)
    node.restart()
    assert_at(node, left.chain)
    assert submit(node, right_blocks[2]) == (2, 3)
    node.restart()
    assert_at(node, right.chain)
    assert all(node.manager.knows(block.header.block_id) for block in left_blocks)


def test_a_crash_in_a_change_of_chain_ends_on_the_best_branch(node: Node) -> None:
    stem, first = branch(None, 1, step_ms=1)
    _, left_blocks = branch(stem.chain, 2, step_ms=2)
    right, right_blocks = branch(stem.chain, 3, step_ms=3)
    for block in (*first, *left_blocks, *right_blocks[:2]):
        submit(node, block)
    # As far as a change of chain gets before the system dies: all taken off, one put on.
    side = SideBlocks(node.datadir)
    for block in (*left_blocks, right_blocks[2]):
        side.put(block.header.block_id, BlockBytes.of(block))
    node.store.rewind()
    node.store.rewind()
    node.restart()
    assert_at(node, right.chain)
    assert node.side() == {block.header.block_id for block in left_blocks}


def test_a_crash_in_a_change_of_chain_that_is_longer_than_the_undo_depth(tmp_path: Path) -> None:
    node = Node(tmp_path, params := network(undo_depth=3))
    stem, first = branch(None, 4, step_ms=1, params=params)
    _, left = branch(stem.chain, 2, step_ms=2, params=params)
    right, right_blocks = branch(stem.chain, 3, step_ms=3, params=params)
    for block in (*first, *left, *right_blocks[:2]):
        submit(node, block)
    side = SideBlocks(node.datadir)
    for block in (*left, right_blocks[2]):
        side.put(block.header.block_id, BlockBytes.of(block))
    # The contexts that the tip at height 6 needs begin at 3; the tip is now at 4.
    node.store.rewind()
    node.store.rewind()
    node.restart()
    assert_at(node, right.chain)
    assert node.side() == {block.header.block_id for block in left}
    node.store.close()


def test_an_invalid_block_deep_in_a_branch_is_found_out_and_left(node: Node) -> None:
    stem, first = branch(None, 1, step_ms=1)
    left, left_blocks = branch(stem.chain, 2, step_ms=2)
    for block in (*first, *left_blocks):
        submit(node, block)
    # A proven block whose state root is a lie; its miner did the work for it.
    right = ChainWorld(PARAMS)
    right.chain = stem.chain
    liar = _LyingState(stem.chain)
    found = right.miner.mine(stem.chain.context, liar, lambda: right.now_ms + 5)
    bad = found.block
    assert submit(node, bad) == (0, 0)
    false_chain = ProvenChain(
        stem.chain.context.extended(bad.header, bad.body.outputs, 0), stem.chain.state
    )
    # Its children look sound as far as a branch can be judged.
    children = empty_blocks(false_chain, 2)
    assert submit(node, children[0]) == (0, 0)
    # With this one the branch is the heavier: it is followed, found out and left again.
    assert submit(node, children[1]) == (0, 0)
    assert_at(node, left.chain)
    for block in (bad, *children):
        with pytest.raises(InvalidAncestorViolation):
            submit(node, block)
    # Another child is refused without a look at its proof, and leaves nothing behind.
    verifier, waiting = node.manager._mover._executor._verifier, node.side()
    assert isinstance(verifier, FakeVerifier)
    verified = verifier.verified
    [another] = empty_blocks(false_chain, 1, later_ms=1)
    with pytest.raises(InvalidAncestorViolation):
        submit(node, another)
    assert (verifier.verified, node.side()) == (verified, waiting)
    node.restart()
    assert_at(node, left.chain)


def test_an_invalid_block_on_the_tip_is_refused_with_its_rule(node: Node) -> None:
    world, blocks = branch(None, 1, step_ms=1)
    submit(node, blocks[0])
    liar = _LyingState(world.chain)
    found = world.miner.mine(world.chain.context, liar, lambda: world.now_ms)
    with pytest.raises(StateRootViolation):
        submit(node, found.block)
    assert_at(node, world.chain)
    with pytest.raises(InvalidAncestorViolation):
        submit(node, found.block)


def test_blocks_without_a_parent_are_refused(node: Node) -> None:
    _, blocks = branch(None, 2, step_ms=1)
    with pytest.raises(UnknownParentViolation):
        submit(node, blocks[1])


def test_a_change_of_chain_below_the_undo_depth_halts(tmp_path: Path) -> None:
    params = network(undo_depth=2)
    node = Node(tmp_path, params)
    _, left = branch(None, 3, step_ms=1, params=params)
    _, right = branch(None, 4, step_ms=2, params=params)
    for block in (*left, *right[:3]):
        submit(node, block)
    with pytest.raises(TooDeepReorganisation, match="undoes 3 blocks, at most 2"):
        submit(node, right[3])
    node.store.close()


def test_old_branches_are_forgotten_with_their_files(tmp_path: Path) -> None:
    params = network(undo_depth=2)
    node = Node(tmp_path, params)
    stem, first = branch(None, 1, step_ms=1, params=params)
    _, left = branch(stem.chain, 1, step_ms=2, params=params)
    _, right = branch(stem.chain, 7, step_ms=3, params=params)
    for block in (*first, *left, *right[:2]):
        submit(node, block)
    assert len(node.side()) == 1
    for block in right[2:]:
        submit(node, block)
    assert node.side() == set()
    assert not node.manager.knows(left[0].header.block_id)
    node.store.close()


def test_a_restart_after_the_tip_went_back(tmp_path: Path) -> None:
    node = Node(tmp_path, network(undo_depth=3))
    world, blocks = branch(None, 8, step_ms=1, params=node.params)
    for block in blocks:
        submit(node, block)
    # As a crash in a change of chain leaves it.
    side = SideBlocks(tmp_path)
    for block in blocks[-2:]:
        side.put(block.header.block_id, BlockBytes.of(block))
        node.store.rewind()
    node.restart()
    assert_at(node, world.chain)
    node.store.close()


def test_proofs_below_the_pruning_depth_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from esper.node.chain.changes import tip_mover

    monkeypatch.setattr(tip_mover, "PRUNE_EVERY", 1)
    asked = []
    monkeypatch.setattr(
        ChainStore, "prune_proofs", lambda self, below: asked.append((self.tip.height, below))
    )
    node = Node(tmp_path, network(undo_depth=2), prune=True)
    _, blocks = branch(None, 5, step_ms=1, params=node.params)
    for block in blocks:
        submit(node, block)
    assert asked == [(4, 1), (5, 2)]
    node.store.close()


def test_a_block_is_read_again_though_its_proof_is_pruned(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, blocks = branch(None, 2, step_ms=1)
    for block in blocks:
        submit(node, block)

    def pruned(_: ChainStore, height: int) -> bytes:
        raise ProofPrunedError(height)

    monkeypatch.setattr(ChainStore, "proof", pruned)
    # Who follows a long change of chain reads blocks whose proofs it has left behind.
    read = node.manager.known.content(blocks[0].header.block_id)
    assert read.header == blocks[0].header
    assert len(read.content.transactions) == 1


def test_a_damaged_side_block_is_named(node: Node) -> None:
    _, first = branch(None, 2, step_ms=1)
    _, other = branch(None, 1, step_ms=2)
    for block in (*first, *other):
        submit(node, block)
    [path] = (node.datadir / "side").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    node.store.close()
    with pytest.raises(SideBlockError, match="its checksum is wrong; delete the file"):
        node.open()
    node.store.close()
    path.unlink()
    node.open()
    (node.datadir / "side" / "junk.block").write_bytes(b"")
    node.store.close()
    with pytest.raises(SideBlockError, match="is no block's file"):
        node.open()
    (node.datadir / "side" / "junk.block").rename(node.datadir / "side" / "00.block")
    node.store.close()
    with pytest.raises(SideBlockError, match="is no block's file"):
        node.open()
    (node.datadir / "side" / "00.block").unlink()
    (node.datadir / "side" / "torn.new").write_bytes(b"half")
    node.store.close()
    node.open()
    assert node.side() == set()


@pytest.mark.parametrize("lost", [0, 1])
def test_a_branch_that_the_disk_lost_does_not_stop_the_chain(
    node: Node, lost: int, caplog: pytest.LogCaptureFixture
) -> None:
    first, blocks = branch(None, 2, step_ms=1)
    _, other = branch(None, 3, step_ms=2)
    for block in (*blocks, *other[:2]):
        submit(node, block)
    path = node.datadir / "side" / f"{other[lost].header.block_id.hex()}.block"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    # The next block makes that branch the best; its parent or grandparent cannot be read.
    submit(node, other[2])
    assert f"{path}: its checksum is wrong" in caplog.text
    assert_at(node, first.chain)
    assert not path.exists()
    # Whoever has it brings it again, and the chain follows.
    for block in other[lost:]:
        submit(node, block)
    assert node.store.tip.block_id == other[2].header.block_id
    node.restart()
    assert node.store.tip.block_id == other[2].header.block_id


def test_side_blocks_that_are_missing_or_no_blocks(tmp_path: Path) -> None:
    side, block_id = SideBlocks(tmp_path), BlockId(bytes(64))
    with pytest.raises(SideBlockError, match="is missing"):
        side.get(block_id)
    side.put(block_id, BlockBytes(b"header", b"body", b"proof"))
    assert side.get(block_id) == BlockBytes(b"header", b"body", b"proof")
    [path] = (tmp_path / "side").iterdir()
    payload = b"\x90"
    checksum = hashlib.sha3_256(block_id + payload).digest()[:16]
    path.write_bytes(checksum + payload)
    with pytest.raises(SideBlockError, match="0 elements, must be 4"):
        side.get(block_id)


class _LyingState:
    """A state that gives another root than its own."""

    def __init__(self, chain: ProvenChain) -> None:
        self.get = chain.state.get

    def root_after(self, changes: object) -> bytes:
        return b"\7" * 32


def empty_blocks(chain: ProvenChain, length: int, later_ms: int = 0) -> list[Block]:
    """Blocks that nobody executes, each on a chain whose state does not matter."""
    world, blocks = ChainWorld(PARAMS), list[Block]()
    for _ in range(length):
        found = world.miner.mine(chain.context, chain.state, lambda: (1 << 41) + later_ms)
        blocks.append(found.block)
        context = chain.context.extended(found.block.header, found.block.body.outputs, 0)
        chain = ProvenChain(context, chain.state)
    return blocks
