"""Blocks that are adopted together: one commit, the same chain as one by one, and what stops it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain
from esper.consensus.context import ChainContext
from esper.consensus.header_chain import HeaderChain
from esper.node.chain.block_judge import JudgedBlock, JudgementError
from esper.node.chain.changes import adopter
from esper.node.chain.changes.arrival import Adopted
from esper.primitives.errors.block_errors import StateRootViolation
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.ids import BlockId
from esper.storage.errors import DiskReserveError, WriteFailedError
from tests.support.node.node_world import PARAMS as NODE_PARAMS
from tests.support.node.node_world import go
from tests.unit.node.chain.test_chain_manager import (
    FAR,
    PARAMS,
    Node,
    _LyingState,
    assert_at,
    branch,
    empty_blocks,
    submit,
)
from tests.unit.node.chain.test_node_chain_service import LEFT, RIGHT, bench

WORLD, BLOCKS = branch(None, 20, step_ms=1)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, PARAMS)
    yield opened
    opened.store.close()


def judged(node: Node, *blocks: Block) -> list[JudgedBlock]:
    """All of them, each on the headers of the one before, long before any is adopted."""
    found: list[JudgedBlock] = []
    headers: dict[BlockId, HeaderChain] = {}
    for number, block in enumerate(blocks):
        parent = headers.get(block.header.pre.parent)
        if parent is None:
            parent = node.manager.headers_of(block.header.pre.parent)
        assert parent is not None
        node.now_ms += 10_000
        one = node.manager.block_judge.judge(
            BlockBytes.of(block), parent, now_ms=FAR, received_ms=node.now_ms + number
        )
        headers[one.block_id] = one.headers
        found.append(one)
    return found


def commits(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The heights at which the index is written."""
    told: list[int] = []
    store = node.store.index.store
    write = store._base.write  # type: ignore[attr-defined]

    def counted(writes: object) -> None:
        write(writes)
        told.append(node.store.as_of_now().tip.height)

    monkeypatch.setattr(store._base, "write", counted)  # type: ignore[attr-defined]
    return told


def test_many_blocks_share_commits_and_make_the_same_chain(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = commits(node, monkeypatch)
    adopted = node.manager.adopt_many(judged(node, *BLOCKS))
    assert (adopted.done, adopted.failure) == (20, None)
    ids = tuple(block.header.block_id for block in BLOCKS)
    assert (adopted.arrival.applied, adopted.arrival.undone) == (ids, ())
    assert told == [16, 20]
    assert_at(node, WORLD.chain)
    assert all(node.manager.knows(one) and node.manager.known.context_of(one) for one in ids)
    node.restart()
    assert_at(node, WORLD.chain)


def test_a_full_group_is_ended_before_it_is_long(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopter, "GROUP_BYTES", 1)
    told = commits(node, monkeypatch)
    assert node.manager.adopt_many(judged(node, *BLOCKS[:3])).done == 3
    assert told == [1, 2, 3]


def test_blocks_of_branches_go_where_they_would_go_one_by_one(node: Node) -> None:
    stem, first = branch(None, 2, step_ms=1)
    _, left_blocks = branch(stem.chain, 2, step_ms=2)
    right, right_blocks = branch(stem.chain, 4, step_ms=3)
    given = judged(node, *first, *left_blocks, *right_blocks)
    adopted = node.manager.adopt_many([*given, given[0]])
    assert (adopted.done, adopted.failure) == (9, None)
    assert_at(node, right.chain)
    assert node.side() == {block.header.block_id for block in left_blocks}
    applied = [block.header.block_id for block in (*first, *right_blocks)]
    assert list(adopted.arrival.applied) == applied
    node.restart()
    assert_at(node, right.chain)


def test_what_comes_before_a_bad_block_is_kept(node: Node) -> None:
    world, good = branch(None, 3, step_ms=1)
    bad = world.miner.mine(world.chain.context, _LyingState(world.chain), lambda: 1 << 40).block
    context = world.chain.context.extended(bad.header, bad.body.outputs, 0)
    [child] = empty_blocks(ProvenChain(context, world.chain.state), 1)
    given = judged(node, *good, bad, child)
    adopted = node.manager.adopt_many(given)
    assert adopted.done == 3
    assert isinstance(adopted.failure, StateRootViolation)
    assert [*adopted.arrival.invalid] == [bad.header.block_id]
    assert_at(node, world.chain)
    with pytest.raises(InvalidAncestorViolation):
        node.manager.adopt(given[4])
    node.restart()
    assert_at(node, world.chain)


def test_a_gap_stops_them(node: Node) -> None:
    given = judged(node, *BLOCKS[:4])
    adopted = node.manager.adopt_many([*given[:2], given[3]])
    assert adopted.done == 2
    assert isinstance(adopted.failure, UnknownParentViolation)


def test_what_the_machine_refuses_is_no_verdict(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = judged(node, *BLOCKS[:5])
    assert node.manager.adopt_many(given[:1]).done == 1

    def refused() -> object:
        raise WriteFailedError(node.datadir, "No space left on device")

    monkeypatch.setattr(node.store._proofs, "commit", refused)
    adopted = node.manager.adopt_many(given[1:])
    assert adopted.done == 0
    assert isinstance(adopted.failure, WriteFailedError)
    assert adopted.arrival.applied == ()
    assert node.manager.context.height == 1
    assert not node.manager.knows(given[1].block_id)
    monkeypatch.undo()
    assert node.manager.adopt_many(given[1:]).done == 4
    node.restart()
    assert node.manager.context.height == 5


def test_a_reserve_that_is_reached_within_a_group(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, left = judged(node, *BLOCKS[:5]), [3]

    def check(_: object, datadir: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise DiskReserveError(datadir, 0, 1)

    monkeypatch.setattr(type(node.store.options), "check_reserve", check)
    adopted = node.manager.adopt_many(given)
    assert (adopted.done, type(adopted.failure)) == (3, DiskReserveError)
    assert node.store.as_of_now().tip.height == 3
    monkeypatch.undo()
    assert node.manager.adopt_many(given[3:]).done == 2
    assert submit(node, BLOCKS[5]) == (0, 1)


def test_followers_are_told_once_of_many_and_not_before_they_are_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            chain, manager = found.chain, found.manager
            given: list[JudgedBlock] = []
            parent = manager.headers_of(chain.tip)
            for block in RIGHT:
                assert parent is not None
                given.append(await chain.judging.judge(BlockBytes.of(block), parent))
                parent = given[-1].headers
            outcome: list[Adopted] = []

            async def adopt() -> None:
                outcome.append(await chain.adopt_many(given))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(adopt)
            assert outcome[0].done == 3
            assert found.follower.told == [(0, 3, RIGHT[2].header.block_id)]
            again = await chain.adopt_many([given[0]])
            assert (again.done, again.arrival.applied) == (1, ())
            parent = ChainContext.genesis(NODE_PARAMS).extended_by_header(LEFT[0].header)
            orphan = await chain.judging.judge(BlockBytes.of(LEFT[1]), parent)
            failed = await chain.adopt_many([orphan])
            assert isinstance(failed.failure, JudgementError)
            assert failed.failure.stage is Stage.STATE

    go(main)
