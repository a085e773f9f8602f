"""Branches, restarts, a failing machine: two nodes must come to one chain and one state."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.crypto.signatures import SequentialVerifier, SignatureClaim
from esper.node.chain.chain_manager import ChainManager
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.storage.chain_store import ChainStore
from esper.storage.errors import StorageError
from esper.storage.side_blocks import SideBlocks
from tests.support.chain_world import ChainWorld
from tests.support.fake_work import FakeVerifier
from tests.support.forge import forged
from tests.support.vm_world import MINER, address
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


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, PARAMS)
    yield opened
    opened.store.close()


class DiskFullError(StorageError):
    """A refusal before anything is written, as of a disk without reserve."""


def test_a_refusal_of_the_disk_does_not_stop_the_chain_for_good(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, blocks = branch(None, 3, step_ms=1)
    submit(node, blocks[0])
    append = ChainStore.append

    def full(*_: object) -> None:
        raise DiskFullError("no room")

    monkeypatch.setattr(ChainStore, "append", full)
    with pytest.raises(DiskFullError):
        submit(node, blocks[1])
    monkeypatch.setattr(ChainStore, "append", append)
    # There is room again, and the block comes again.
    assert submit(node, blocks[1]) == (0, 1)
    assert submit(node, blocks[2]) == (0, 1)
    assert_at(node, world.chain)


class _BrokenPool:
    """A verifier whose workers die once: no verdict on any block."""

    def __init__(self) -> None:
        self.dead = False

    def first_invalid(self, claims: Sequence[SignatureClaim]) -> int | None:
        if self.dead:
            raise OSError("the workers died")
        return SequentialVerifier().first_invalid(claims)


def test_dead_workers_are_no_verdict_and_the_next_block_repairs(node: Node) -> None:
    pool = _BrokenPool()
    node.manager = ChainManager(
        node.store, PARAMS, ChainWorld(PARAMS).verifier, secret=SECRET, now_ms=node.now_ms,
        signatures=pool,
    )  # fmt: skip
    world, blocks = branch(None, 3, step_ms=1)
    submit(node, blocks[0])
    pool.dead = True
    with pytest.raises(OSError, match="the workers died"):
        submit(node, blocks[1])
    pool.dead = False
    with pytest.raises(UnknownParentViolation):
        submit(node, blocks[2])
    assert [submit(node, block) for block in blocks[1:]] == [(0, 1), (0, 1)]
    assert_at(node, world.chain)


def test_a_refusal_in_the_middle_of_a_change_of_chain_is_made_good(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem, first = branch(None, 1, step_ms=1)
    _, left = branch(stem.chain, 2, step_ms=2)
    right, right_blocks = branch(stem.chain, 3, step_ms=3)
    for block in (*first, *left, *right_blocks[:2]):
        submit(node, block)
    append, left_to_write = ChainStore.append, [1]

    def filling(self: ChainStore, *parts: Any) -> None:
        if not left_to_write:
            raise DiskFullError("no room")
        left_to_write.pop()
        append(self, *parts)

    monkeypatch.setattr(ChainStore, "append", filling)
    with pytest.raises(DiskFullError):
        submit(node, right_blocks[2])
    monkeypatch.setattr(ChainStore, "append", append)
    arrival = node.manager.submit(BlockBytes.of(right_blocks[2]), now_ms=node.now_ms)
    assert not arrival.new
    assert len(arrival.applied) == 2
    assert_at(node, right.chain)


SHORT = network(undo_depth=3)
"""Deep blocks lose their undo records soon."""


def test_a_crash_in_a_change_of_chain_above_the_undo_depth(tmp_path: Path) -> None:
    node = Node(tmp_path, SHORT)
    stem, first = branch(None, 5, step_ms=1, params=SHORT)
    _, left = branch(stem.chain, 2, step_ms=2, params=SHORT)
    right, right_blocks = branch(stem.chain, 3, step_ms=3, params=SHORT)
    for block in (*first, *left, *right_blocks[:2]):
        submit(node, block)
    side = SideBlocks(node.datadir)
    for block in (*left, right_blocks[2]):
        side.put(block.header.block_id, BlockBytes.of(block))
    node.store.rewind()
    node.store.rewind()
    # The chain is lower than it was, so less of it can be undone; that is no damage.
    node.restart()
    assert_at(node, right.chain)
    node.restart()
    assert_at(node, right.chain)
    node.store.close()


def timed(chain: ProvenChain, length: int, step_ms: int) -> tuple[ProvenChain, list[Block]]:
    """Empty blocks whose times are ``step_ms`` apart; close ones are harder and weigh more."""
    blocks = []
    for _ in range(length):
        times = chain.context.times_ms
        block = forged(chain, address(MINER), time_ms=times[-1] + step_ms)
        chain = extend(chain, block, FakeVerifier(PARAMS.model), now_ms=FAR)
        blocks.append(block)
    return chain, blocks


def test_what_cannot_be_undone_any_more_halts_before_anything_is_undone(tmp_path: Path) -> None:
    rules = replace(SHORT.difficulty, retargets=True, genesis_target=1 << 508, half_life_blocks=1)
    params = replace(SHORT, difficulty=rules)
    node = Node(tmp_path, params)
    spacing = rules.spacing_ms
    two, first = timed(ProvenChain.genesis(params), 2, spacing)
    three, third = timed(two, 1, spacing)
    _, long = timed(three, 3, 2 * spacing)
    # With its time before its parent's, the fourth makes the fifth more than twice as heavy.
    short, heavy = timed(three, 2, -spacing // 10)
    deep, deeper = two, list[Block]()
    while deep.context.weight <= short.context.weight:
        deep, [block] = timed(deep, 1, spacing // 2)
        deeper.append(block)
    assert short.context.height < 6
    for block in (*first, *third, *long, *heavy):
        submit(node, block)
    # The chain went from height 6 to 5, and only two of its blocks have undo records left.
    assert_at(node, short)
    *lighter, last = deeper
    for block in lighter:
        submit(node, block)
    with pytest.raises(TooDeepReorganisation, match="undoes 3 blocks, at most 2"):
        submit(node, last)
    assert_at(node, short)
    node.restart()
    assert_at(node, short)
    node.store.close()


def test_a_clock_that_was_set_back_loses_no_branch(node: Node) -> None:
    stem, first = branch(None, 1, step_ms=1)
    left, left_blocks = branch(stem.chain, 2, step_ms=2)
    _, right_blocks = branch(stem.chain, 1, step_ms=3)
    for block in (*first, *left_blocks, *right_blocks):
        submit(node, block)
    # A crash in the middle of a change of chain, and a machine that believes it is 1970.
    side = SideBlocks(node.datadir)
    for block in left_blocks:
        side.put(block.header.block_id, BlockBytes.of(block))
    node.store.rewind()
    node.store.rewind()
    node.now_ms = 0
    node.restart()
    assert_at(node, left.chain)
    assert node.side() == {block.header.block_id for block in right_blocks}


class DiedError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(11))
def test_an_end_at_any_step_of_a_change_of_chain(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path, SHORT)
    stem, first = branch(None, 5, step_ms=1, params=SHORT)
    left, left_blocks = branch(stem.chain, 2, step_ms=2, params=SHORT)
    right, right_blocks = branch(stem.chain, 3, step_ms=3, params=SHORT)
    for block in (*first, *left_blocks, *right_blocks[:2]):
        submit(node, block)
    steps = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*parts: Any) -> Any:
            nonlocal steps
            if steps == step:
                raise DiedError
            steps += 1
            return call(*parts)

        return counting

    with monkeypatch.context() as patched:
        for owner, names in ((ChainStore, ("append", "rewind")), (SideBlocks, ("put", "remove"))):
            for name in names:
                patched.setattr(owner, name, counted(getattr(owner, name)))
        # The block put beside, two more put, two taken off, three put on and their files removed.
        with pytest.raises(DiedError):
            submit(node, right_blocks[2])
    assert steps == step
    node.restart()
    # Whatever was lost is the last block alone, and only if it was not kept yet.
    assert_at(node, left.chain if step == 0 else right.chain)
    submit(node, right_blocks[2])
    assert_at(node, right.chain)
    node.store.close()
