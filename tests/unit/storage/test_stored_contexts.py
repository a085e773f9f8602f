"""Contexts in the store: what is kept for good, and what many of them share."""

from pathlib import Path

import pytest

from esper.consensus.chain import BlockBytes
from esper.primitives.ids import BlockId
from esper.storage.chain_index import shared_key
from esper.storage.chain_store import ChainStore
from esper.storage.errors import IndexCorruptError
from esper.storage.tip_moves import StoredExecution
from tests.support.storage.store_world import StoreWorld

OLD_END, NEW_END = b"old models" * 50, b"new models" * 50


@pytest.fixture
def at(tmp_path: Path) -> StoreWorld:
    return StoreWorld(tmp_path / "data")


def append(store: ChainStore, number: int, end: bytes = OLD_END, *, keeps: bool = False) -> BlockId:
    block_id = BlockId(bytes([number]) * 64)
    context = b"context %d" % number + end
    execution = StoredExecution((), (), context, shared=len(end), keeps_context=keeps)
    store.append(block_id, BlockBytes(b"header", b"body", b"proof"), execution)
    return block_id


def kept(store: ChainStore) -> list[int]:
    return [h for h in range(1, store.tip.height + 1) if store.index.context(h) is not None]


def ends(store: ChainStore) -> list[bytes]:
    return [value for _, value in store.index.store.items(shared_key(b""))]


def test_the_common_end_is_stored_once_and_read_with_each(at: StoreWorld) -> None:
    with at.open() as store, store.group():
        for number in range(1, 4):
            append(store, number)
    with at.open() as store:
        append(store, 4, NEW_END)
        assert sorted(ends(store)) == sorted([OLD_END, NEW_END])
        for height, end in ((1, OLD_END), (3, OLD_END), (4, NEW_END)):
            assert store.index.context(height) == b"context %d" % height + end
        assert store.index.tip_context == b"context 4" + NEW_END
    del at.index._values[next(key for key in at.index._values if key.startswith(b"s"))]
    with at.open() as store, pytest.raises(IndexCorruptError, match="end of the context"):
        [store.index.context(height) for height in range(1, 5)]


def test_what_is_known_is_not_written_again(at: StoreWorld) -> None:
    with at.open() as store:
        append(store, 1)
        written: list[bytes] = []
        real = at.index.write
        at.index.write = lambda writes: real(  # type: ignore[method-assign]
            [written.append(one[0]) or one for one in writes]  # type: ignore[func-returns-value]
        )
        append(store, 2)
        assert not [key for key in written if key.startswith(b"s")]


def test_one_that_says_so_is_kept_for_good_and_taken_off_with_its_block(at: StoreWorld) -> None:
    with at.open(undo_depth=3) as store:
        for number in range(1, 9):
            append(store, number, keeps=number in (2, 7))
        assert kept(store) == [2, *range(5, 9)]
        store.rewind()
        assert store.index.keeps_context(7)
        left = store.rewind(left=True)
        assert not store.index.keeps_context(7)
        assert store.index.left_context(BlockId(left)) == b"context 7" + OLD_END
        plain = store.rewind(left=True)
        assert store.index.left_context(BlockId(plain)) is None
        # Another block of that height asked for nothing.
        for number in range(20, 26):
            append(store, number)
        assert kept(store) == [2, *range(8, 12)]
