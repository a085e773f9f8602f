"""Who shuts the way of an honest branch: by room, by length, by threads, by a failure."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_view import ChainView
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.storage.errors import StorageError
from esper.vm.transaction import Transaction
from tests.support.chain_world import ChainWorld
from tests.support.node.node_world import go, node_world, until
from tests.support.plain_miner import standing
from tests.unit.node.chain.test_chain_manager import (
    FAR,
    PARAMS,
    SECRET,
    Node,
    assert_at,
    branch,
    network,
    submit,
)
from tests.unit.node.chain.test_node_chain_service import LEFT, RIGHT, bench

SHORT = network(undo_depth=2)
EASIEST = SHORT.difficulty.max_target
WEIGHED = replace(
    SHORT,
    difficulty=replace(
        SHORT.difficulty,
        retargets=True,
        window=1_000,
        half_life_blocks=1,
        max_target=EASIEST,
        genesis_target=EASIEST,
    ),
)
"""Blocks whose times come too early weigh twice as much as those before."""


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


@pytest.fixture
def weighed(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, WEIGHED)
    yield opened
    opened.store.close()


def with_room(node: Node, blocks: float, like: Block) -> None:
    """Let blocks beside the chain take the room of so many."""
    size = sum(map(len, (like.header.to_bytes(), like.body.to_bytes(), like.proof)))
    node.manager = ChainManager(
        node.store,
        node.params,
        ChainWorld(node.params).verifier,
        secret=SECRET,
        now_ms=node.now_ms,
        side_bytes=int(blocks * size),
    )


def timed(chain: ProvenChain, times_ms: list[int]) -> tuple[ProvenChain, list[Block]]:
    """Empty blocks of these times after the genesis."""
    world, blocks = ChainWorld(WEIGHED), []
    for time_ms in times_ms:
        clock = standing(WEIGHED.genesis_time_ms + time_ms)
        blocks.append(world.miner.mine(chain.context, chain.state, clock).block)
        chain = extend(chain, blocks[-1], world.verifier, now_ms=FAR)
    return chain, blocks


def test_a_header_on_top_of_a_light_branch_does_not_keep_its_blocks_here(short: Node) -> None:
    stem, first = branch(None, 1, step_ms=1, params=SHORT)
    world, chain = branch(stem.chain, 3, step_ms=2, params=SHORT)
    before_tip = ProvenChain.genesis(SHORT)
    for block in (*first, *chain[:2]):
        before_tip = extend(before_tip, block, world.verifier, now_ms=FAR)
    _, light = branch(
        extend(ProvenChain.genesis(SHORT), first[0], world.verifier, now_ms=FAR),
        3,
        step_ms=3,
        params=SHORT,
    )
    [rival] = branch(before_tip, 1, step_ms=4, params=SHORT)[1]
    with_room(short, 2.5, chain[0])
    for block in (*first, *chain[:2], *light[:2], chain[2]):
        submit(short, block)
    # Its fork is three blocks deep by now: of its third block the header alone is kept.
    submit(short, light[2])
    assert short.side() == {block.header.block_id for block in light[:2]}
    # A rival of the tip is worth more than all of that, and finds room.
    assert submit(short, rival) == (0, 0)
    assert rival.header.block_id in short.side()
    assert short.manager.knows(light[0].header.block_id)
    assert not any(short.manager.knows(block.header.block_id) for block in light[1:])


def test_a_change_of_chain_does_not_shut_the_way_back(node: Node) -> None:
    left, mine = branch(None, 5, step_ms=1)
    _, others = branch(None, 4, step_ms=2)
    with_room(node, 4.5, mine[0])
    for block in (*mine[:3], *others):
        submit(node, block)
    assert node.manager.context.tip_id == others[-1].header.block_id
    # Three blocks were taken off. Two more make their branch the heavier one again.
    for block in mine[3:]:
        submit(node, block)
    assert_at(node, left.chain)


def test_a_restart_does_not_shut_the_way_back(node: Node) -> None:
    left, mine = branch(None, 5, step_ms=1)
    _, others = branch(None, 4, step_ms=2)
    for block in (*mine[:3], *others):
        submit(node, block)
    with_room(node, 2.5, mine[0])
    for block in mine[3:]:
        submit(node, block)
    assert_at(node, left.chain)


def test_room_that_a_branch_gave_back_is_free_again(node: Node) -> None:
    _, mine = branch(None, 4, step_ms=1)
    _, others = branch(None, 3, step_ms=2)
    with_room(node, 3.5, mine[0])
    for block in (*mine[:2], *others):
        submit(node, block)
    # What was the chain and what is the chain are not counted.
    assert node.manager.known.branches.taken == 0
    submit(node, mine[2])
    assert node.manager.known.branches.taken > 0
    submit(node, mine[3])
    assert node.manager.known.branches.taken == 0


def test_many_light_blocks_take_the_place_of_few_heavy_ones(weighed: Node) -> None:
    node = weighed
    stem, first = timed(ProvenChain.genesis(WEIGHED), [10_000, 10_001])
    _, heavy = timed(stem, [10_002, 10_003])
    light_chain, light = timed(stem, [10_000 * number for number in range(9, 14)])
    for block in (*first, *heavy, *light[:4]):
        submit(node, block)
    assert node.manager.context.tip_id == heavy[-1].header.block_id
    # More blocks join than a node remembers: it still knows, and can show, what left.
    assert submit(node, light[4]) == (2, 5)
    assert_at(node, light_chain)
    for block in heavy:
        assert node.manager.known.content(block.header.block_id).header == block.header
    # The next block leaves them behind.
    _, [more] = timed(light_chain, [200_000])
    assert submit(node, more) == (0, 1)
    assert node.side() == set()
    assert not any(node.manager.knows(block.header.block_id) for block in heavy)


def test_readers_however_many_leave_a_thread_for_blocks(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found, trio.open_nursery() as nursery:
            may_end = threading.Event()

            def read(view: ChainView) -> bool:
                return view.context.height == 0 and may_end.wait(60)

            try:
                for _ in range(60):
                    nursery.start_soon(found.chain.in_thread, read)
                nursery.start_soon(found.submit, LEFT[0])
                await until(lambda: bool(found.follower.told))
            finally:
                may_end.set()

    go(main)


def test_a_change_that_a_follower_missed_is_told_with_the_next(tmp_path: Path) -> None:
    class Failing:
        def __init__(self) -> None:
            self.fails = True
            self.touched: frozenset[bytes] = frozenset()

        def prepare(self, change: ChainChange) -> Commit:
            if self.fails:
                raise StorageError("a block that left cannot be read")
            self.touched = change.arrival.touched
            return lambda: None

    async def main() -> None:
        async with bench(tmp_path) as found:
            await found.submit(*LEFT, *RIGHT[:2])
            failing = Failing()
            found.chain.follow(failing)
            with pytest.raises(StorageError):
                await found.submit(RIGHT[2])
            assert found.follower.told[2:] == []
            assert found.chain.tip == LEFT[1].header.block_id
            failing.fails = False
            change = found.chain.next_change
            # Known by now: the chain is there, and those who follow it come after.
            await found.chain.submit(BlockBytes.of(RIGHT[2]))
            assert found.follower.told[2:] == [(2, 3, RIGHT[2].header.block_id)]
            assert change.is_set()
            assert failing.touched

    go(main)


def test_lists_of_the_mempool_leave_a_thread_for_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world, trio.open_nursery() as nursery:
            may_end = threading.Event()

            def slow(*_: object) -> list[Transaction]:
                may_end.wait(60)
                return []

            mempool = world.node.mempool
            monkeypatch.setattr(mempool, "selection", slow)
            try:
                for _ in range(60):
                    nursery.start_soon(mempool.listing, 1)
                nursery.start_soon(world.take, LEFT[0])
                await until(lambda: world.node.chain.tip == LEFT[0].header.block_id)
            finally:
                may_end.set()

    go(main)
