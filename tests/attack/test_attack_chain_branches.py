"""Branches, restarts, a failing machine: two nodes must come to one chain and one state."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.chain import BlockBytes
from esper.crypto.signatures import SequentialVerifier, SignatureClaim
from esper.node.chain_manager import ChainManager
from esper.primitives.header_errors import UnknownParentViolation
from esper.storage.chain_store import ChainStore
from esper.storage.errors import StorageError
from tests.unit.chain_world import ChainWorld
from tests.unit.test_chain_manager import PARAMS, SECRET, Node, assert_at, branch, submit


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
