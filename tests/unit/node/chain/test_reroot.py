"""Going back below the undo depth in a node that never was current, and halting in others."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.node.chain.chain_service import ChainService, FinalChainError
from esper.node.chain.changes import far_ways
from esper.node.chain.milestones import MILESTONE_FILE, MilestoneFile, Milestones
from esper.node.events import TipMoved
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.ids import BlockId
from esper.storage import tip_moves
from esper.storage.chain_index import undo_key
from esper.storage.errors import RewindLimitError, UnknownBlockError
from esper.storage.side_blocks import SideBlocks
from tests.support.node.node_world import go, jump, node_world, pay
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address
from tests.unit.node.chain.test_chain_manager import (
    FAR,
    Node,
    assert_at,
    branch,
    network,
    submit,
)
from tests.unit.node.chain.test_node_chain_service import LEFT, RIGHT

PARAMS = network(undo_depth=3)
STEM, STEM_BLOCKS = branch(None, 2, step_ms=1, params=PARAMS)
OLD, OLD_BLOCKS = branch(STEM.chain, 8, step_ms=2, params=PARAMS)
NEW, NEW_BLOCKS = branch(STEM.chain, 9, step_ms=3, params=PARAMS)
FORK = STEM_BLOCKS[-1].header.block_id


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, PARAMS)
    opened.manager.keep_undo_from(2)
    for block in (*STEM_BLOCKS, *OLD_BLOCKS):
        submit(opened, block)
    yield opened
    opened.store.close()


def test_a_fork_below_the_undo_depth_is_gone_back_to_and_back_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_ways, "STEPS_BACK", 3)
    arrival = node.manager.reroot(FORK, now_ms=FAR)
    assert (arrival.undone, arrival.applied, arrival.rerooted) == ((), (), True)
    assert_at(node, STEM.chain)
    assert not node.manager.knows(OLD_BLOCKS[0].header.block_id)
    for block in NEW_BLOCKS:
        assert submit(node, block) == (0, 1)
    assert_at(node, NEW.chain)
    # The old branch is read by its ids, and costs no proofs when it is followed again.
    blocks = node.store.blocks()
    kept = [blocks.parts(block.header.block_id) for block in OLD_BLOCKS]
    assert kept == [BlockBytes.of(block) for block in OLD_BLOCKS]
    node.manager.reroot(FORK, now_ms=FAR)
    given, parent = [], node.manager.headers_of(FORK)
    for data in kept:
        assert parent is not None
        given.append(
            node.manager.block_judge.judge(data, parent, now_ms=FAR, received_ms=0, assumed=True)
        )
        parent = given[-1].headers
    assert node.manager.adopt_many(given).done == len(OLD_BLOCKS)
    assert_at(node, OLD.chain)
    node.restart()
    assert_at(node, OLD.chain)


def test_headers_are_had_of_every_block_that_was_executed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not node.manager.knows(FORK)
    assert node.manager.known.headers_at(2) == node.manager.headers_of(FORK) == STEM.chain.context
    assert node.manager.known.headers_at(0) is not None
    first = node.manager.known.headers_at(1)
    assert first is not None
    assert first == node.manager.headers_of(STEM_BLOCKS[0].header.block_id)
    assert (first.tip_id, first.height) == (STEM_BLOCKS[0].header.block_id, 1)
    assert node.manager.known.headers_at(11) is None
    genesis = node.store.index.genesis.block_id
    assert node.manager.headers_of(genesis) == node.manager.known.headers_at(0)
    assert node.manager.headers_of(BlockId(b"?" * 64)) is None
    old = [node.manager.known.headers_at(height) for height in range(3, 11)]
    monkeypatch.setattr(tip_moves, "CONTEXT_EVERY", 4)
    node.manager.reroot(FORK, now_ms=FAR)
    node.manager.keep_undo_from(None)
    node.restart()
    # What was left behind, too; but for the class, which says that it was executed.
    for was, block in zip(old, OLD_BLOCKS, strict=True):
        found = node.manager.headers_of(block.header.block_id)
        assert was is not None
        assert found is not None
        assert (found.tip_id, found.weight) == (was.tip_id, was.weight)
        assert (found.times_ms, found.tiers, found.anchor) == (was.times_ms, was.tiers, was.anchor)
        assert (found.height, found.tip_work_id) == (was.height, was.tip_work_id)


def test_without_undo_records_nothing_is_begun(node: Node) -> None:
    node.manager.keep_undo_from(None)
    with pytest.raises(RewindLimitError):
        node.manager.reroot(FORK, now_ms=FAR)
    assert_at(node, OLD.chain)
    with pytest.raises(UnknownBlockError):
        node.manager.reroot(BlockId(b"?" * 64), now_ms=FAR)
    node.restart()
    assert_at(node, OLD.chain)


def test_killed_on_the_way_the_chain_goes_on_from_where_it_was(node: Node) -> None:
    for _ in range(5):
        node.store.rewind(left=True)
    node.restart()
    assert node.manager.context.height == 5
    for block in OLD_BLOCKS[3:]:
        assert submit(node, block) == (0, 1)
    assert_at(node, OLD.chain)


def test_blocks_beside_the_chain_stay_if_they_build_on_what_is_left(tmp_path: Path) -> None:
    node = Node(tmp_path, PARAMS)
    node.manager.keep_undo_from(0)
    for block in (*STEM_BLOCKS, *OLD_BLOCKS[:3], *NEW_BLOCKS[:2]):
        submit(node, block)
    _, above = branch(old_chain(2), 1, step_ms=9, params=PARAMS)
    submit(node, above[0])
    assert len(node.side()) == 3
    node.manager.reroot(FORK, now_ms=FAR)
    # What lies beside it is followed at once; what built on the rest is gone.
    assert node.manager.context.tip_id == NEW_BLOCKS[1].header.block_id
    assert node.side() == set()
    assert not node.manager.knows(above[0].header.block_id)
    node.store.close()


def old_chain(count: int) -> ProvenChain:
    """The chain up to so many blocks of the old branch."""
    chain = STEM.chain
    for block in OLD_BLOCKS[:count]:
        chain = extend(chain, block, STEM.verifier, now_ms=FAR)
    return chain


def test_followers_see_a_chain_that_went_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            chain, told = world.node.chain, list[TipMoved]()
            for block in LEFT:
                await world.take(block)
            genesis = chain.view.store.index.genesis.block_id
            await chain.keep_undo_from(0)
            chain.tell(told.append)
            await chain.reroot(genesis)
            assert chain.tip == genesis
            assert chain.headers_at(0) == chain.view.context
            assert told == [TipMoved(genesis, 0, (), ())]
            for block in RIGHT:
                await world.take(block)
            assert chain.view.context.height == 3
            await chain.note_synced()
            with pytest.raises(FinalChainError):
                await chain.reroot(genesis)
        async with node_world(tmp_path, mines=False) as world:
            assert world.node.chain.was_synced
            assert world.node.chain.tip == RIGHT[2].header.block_id

    go(main)


def test_what_waits_is_looked_at_again_though_the_chain_is_as_high_as_before(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            chain, pool = world.node.chain, world.node.mempool.pool
            await world.others_turn(world.signed(ALICE, pay(CAROL, 500 * COIN)))
            await world.node.mempool.submit(world.signed(CAROL, pay(BOB, 1200 * COIN)).to_bytes())
            await world.node.mempool.submit(world.signed(BOB, pay(ALICE)).to_bytes())
            jump(60)
            await world.take(RIGHT[0])
            assert (world.height, len(pool)) == (1, 2)
            await chain.keep_undo_from(0)
            await chain.reroot(chain.view.store.index.genesis.block_id)
            # What lay beside it is the chain now; nobody has paid Carol on it.
            assert chain.tip == RIGHT[0].header.block_id
            assert [one.sender for one, _, _ in pool.kept()] == [address(BOB)]

    go(main)


@pytest.mark.parametrize("together", [False, True])
def test_a_chain_that_may_not_follow_says_so_and_serves_on(tmp_path: Path, together: bool) -> None:
    async def main() -> None:
        node = Node(tmp_path, PARAMS)
        # Rivals that come far apart draw no lots.
        later = count(0, 10_000)
        chain = ChainService(
            node.manager, lambda: FAR, lambda: next(later), MilestoneFile(tmp_path)
        )
        for block in (*STEM_BLOCKS, *OLD_BLOCKS[:4], *NEW_BLOCKS[:4]):
            await chain.submit(BlockBytes.of(block))
        assert chain.halted == ""
        last, parent = BlockBytes.of(NEW_BLOCKS[4]), chain.judging.parent_of(NEW_BLOCKS[4].header)
        if together:
            adopted = await chain.adopt_many([await chain.judging.judge(last, parent)])
            assert adopted.failure is not None
            assert adopted.failure.consequence is Consequence.HALT  # type: ignore[attr-defined]
        else:
            with pytest.raises(TooDeepReorganisation):
                await chain.submit(last)
        assert "undoes 4 blocks, at most 3" in chain.halted
        assert "esperd resync --accept-loss" in chain.halted
        tip = OLD_BLOCKS[3].header.block_id
        assert chain.tip == tip
        assert chain.blocks.parts(tip) == BlockBytes.of(OLD_BLOCKS[3])
        node.restart()
        again = ChainService(node.manager, lambda: FAR, milestones=MilestoneFile(tmp_path))
        assert again.halted == chain.halted
        assert again.tip == tip
        node.store.close()

    go(main)


def test_a_branch_that_is_too_deep_is_no_reason_not_to_start(tmp_path: Path) -> None:
    deep = network(undo_depth=5)
    node = Node(tmp_path, deep)
    stem, stem_blocks = branch(None, 1, step_ms=1, params=deep)
    _, left = branch(stem.chain, 4, step_ms=2, params=deep)
    _, right = branch(stem.chain, 5, step_ms=3, params=deep)
    for block in (*stem_blocks, *left, *right[:4]):
        submit(node, block)
    # As a crash leaves it, by an operator who chose less depth since.
    SideBlocks(tmp_path).put(right[4].header.block_id, BlockBytes.of(right[4]))
    node.store.keep_undo_from(1)
    for height in (3, 4):
        node.store.index.store.write([(undo_key(height), None)])
    node.restart()
    assert node.manager.halted is not None
    assert node.manager.context.tip_id == left[3].header.block_id
    chain = ChainService(node.manager, lambda: FAR)
    assert "the best branch undoes" in chain.halted
    node.store.close()


def test_milestones_outlive_a_restart_and_damage_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = MilestoneFile(tmp_path)
    assert file.load() == Milestones()
    kept = Milestones(True, "why " * 400)
    file.save(kept)
    assert file.load() == Milestones(True, kept.halted[:1024])
    path = tmp_path / MILESTONE_FILE
    sound = path.read_bytes()
    for damaged in (b"", sound[:-1], sound[:-1] + bytes([sound[-1] ^ 1]), b"\0" * 9000):
        path.write_bytes(damaged)
        assert file.load() == Milestones()
        assert "set aside" in caplog.text
        caplog.clear()
        assert not path.exists()
