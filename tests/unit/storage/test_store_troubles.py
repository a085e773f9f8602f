"""What the chain store does about full disks, lost writes and batches that fail."""

from __future__ import annotations

import pytest

from esper.consensus.chain import BlockBytes
from esper.storage.errors import (
    DiskReserveError,
    IndexCorruptError,
    StoreStoppedError,
    WriteFailedError,
)
from esper.storage.segments.block_files import BlockAdded
from tests.support.crash.fake_chain import append_one, make_block, replay
from tests.support.storage.store_check import check_store
from tests.support.storage.store_world import NEW, NOTHING, SMALL, StoreWorld, facts


def test_below_the_reserve_nothing_is_written(at: StoreWorld) -> None:
    free = 1 << 30
    with at.open(reserve_bytes=1 << 29, free_space=lambda _: free) as store:
        append_one(store, 1, **SMALL)
        before = facts(store)
        free = (1 << 29) - 1
        for step in (store.rewind, lambda: append_one(store, 2, **SMALL)):
            with pytest.raises(DiskReserveError, match="511 MiB free, the reserve is 512 MiB") as e:
                step()
            assert "lower the setting disk_reserve_mib (" in str(e.value)
        assert facts(store) == before
        free = 1 << 29
        append_one(store, 2, **SMALL)


@pytest.mark.parametrize("room", [0, 10, 700, 1000])
def test_a_disk_that_gets_full_within_a_step(at: StoreWorld, room: int) -> None:
    block = BlockBytes(b"header", bytes(500), bytes(500))
    with at.open() as store:
        append_one(store, 1, **SMALL)
        before = facts(store)
        at.disk.room = room
        with pytest.raises(WriteFailedError, match="No space left on device"):
            store.append(NEW, block, NOTHING)
        assert facts(store) == before
        check_store(store)
        # Space was freed: the same store goes on.
        at.disk.room = 1 << 40
        store.append(NEW, block, NOTHING)
    with at.open() as store:
        assert store.tip.block_id == NEW
        assert store.proof(2) == bytes(500)
        check_store(store)


def test_a_batch_that_fails_stops_the_store_and_is_carried_over(at: StoreWorld) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        before = facts(store)
        at.index.refuses = True
        with pytest.raises(WriteFailedError):
            append_one(store, 2, **SMALL)
        assert facts(store) == before
        at.index.refuses = False
        for step in (store.rewind, lambda: append_one(store, 3), lambda: store.prune_proofs(1)):
            with pytest.raises(StoreStoppedError):
                step()
    with at.open() as store:
        assert store.tip.height == 2
        check_store(store)
        after = facts(store)
        at.index.refuses = True
        with pytest.raises(WriteFailedError):
            store.rewind()
    at.index.refuses = False
    with at.open() as store:
        assert facts(store) == before
        check_store(store)
        append_one(store, 2, **SMALL)
        assert facts(store) == after


def test_a_lost_index_write_is_carried_over(at: StoreWorld) -> None:
    with at.open() as store:
        append_one(store, 0, **SMALL)
        kept = dict(at.index.items(b""))
        for salt in range(1, 6):
            append_one(store, salt, **SMALL)
        store.rewind()
        append_one(store, 7, **SMALL)
        after = facts(store), store.tip
    at.index._values = kept
    with at.open() as store:
        # The ends of the files too: behind them a cut would pass for the trace of a crash.
        assert (facts(store), store.tip) == after
        check_store(store)


def test_a_lost_write_of_a_pruned_proof_is_no_reason_to_cut(at: StoreWorld) -> None:
    with at.open(segment_bytes=100) as store:
        kept = dict(at.index.items(b""))
        for salt in range(6):
            append_one(store, salt, **SMALL)
        assert store.prune_proofs(4) == 3
        files = {path: path.read_bytes() for path in (at.datadir / "blocks").iterdir()}
    at.index._values = kept
    with pytest.raises(IndexCorruptError, match="more than one step is missing"):
        at.open(segment_bytes=100)
    assert files == {path: path.read_bytes() for path in (at.datadir / "blocks").iterdir()}


def test_a_last_block_without_its_proof_was_never_whole(at: StoreWorld) -> None:
    with at.open() as store:
        append_one(store, 0, **SMALL)
        before = facts(store)
        at.index.loses = True
        end = store._proofs.end
        block_id, block = make_block(store.tip.block_id, 1, **SMALL)
        store.append(
            block_id,
            block,
            replay(BlockAdded(block_id, b"", block.body), store.state, store.index.tip_context),
        )
        proof_file = store.proof_files.path(end.file)
    at.index.loses = False
    with proof_file.open("r+b") as stream:
        stream.truncate(end.offset + 5)
    with at.open() as store:
        assert facts(store) == before
        assert sum(1 for _ in store.journal) == 1
        check_store(store)
