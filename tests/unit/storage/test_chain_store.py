"""The chain store step by step, against the tree and the range in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.chain import BlockBytes
from esper.primitives.ids import BlockId
from esper.primitives.mmr import Mmr, verify_proof
from esper.storage.chain_store import ChainStore
from esper.storage.errors import (
    AlreadyOnChainError,
    DirectoryLockedError,
    DiskReserveError,
    FormatError,
    IndexCorruptError,
    ProofPrunedError,
    RewindLimitError,
    StateChangeError,
    StoreStoppedError,
    UnknownBlockError,
    WriteFailedError,
    WrongChainError,
)
from esper.storage.format_version import write_format
from esper.storage.kv.store_port import Write
from esper.storage.receipt_log import USE_RECEIPTS, ReceiptLog
from esper.storage.segments.block_files import BlockAdded, BlockFileError, BlockFiles
from esper.storage.segments.segment_reader import MAX_RECORD_BYTES, SegmentError
from esper.storage.segments.segment_writer import open_for_append
from esper.storage.store_options import StoreOptions
from esper.storage.tip_moves import GenesisState, StoredExecution
from esper.vm.state_tree import StateTree
from esper.vm.view import Change
from tests.support.crash.fake_chain import (
    GENESIS,
    PATHS,
    UNDO_DEPTH,
    append_one,
    in_memory,
    make_block,
    replay,
)
from tests.support.crash.fake_chain import options as crash_options
from tests.support.memory_store import MemoryStore
from tests.support.receipt_proofs import prove_receipt
from tests.support.store_check import check_store
from tests.unit.storage.test_segment_writer import FullDisk

SMALL = {"body": 300, "proof": 600}
NOTHING = StoredExecution((), ())
NEW = BlockId(b"1" * 64)
"""A block that is on no chain yet."""


class KeptMemory(MemoryStore):
    """Keeps its values over closing, and refuses or loses writes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = False
        self.loses = False

    def write(self, writes: Iterable[Write]) -> None:
        if self.refuses:
            raise WriteFailedError(Path("index"), "No space left on device")
        if not self.loses:
            super().write(writes)


class Fixture:
    """A data directory whose index is in memory."""

    def __init__(self, datadir: Path) -> None:
        self.datadir = datadir
        self.index = KeptMemory()
        self.disk = FullDisk(1 << 40)
        self.options = replace(crash_options(), open_index=self._index, opener=self.disk)

    def _index(self, folder: Path, create: bool) -> KeptMemory:
        if create:
            folder.mkdir(exist_ok=True)
        return self.index

    def open(self, **changed: Any) -> ChainStore:
        return ChainStore(self.datadir, GENESIS, replay, replace(self.options, **changed))


@pytest.fixture
def at(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path / "d")


def genesis_tree() -> StateTree:
    tree = StateTree()
    for path, value in GENESIS.records:
        tree = tree.put(path, value)
    return tree


def facts(store: ChainStore) -> tuple[Any, ...]:
    return store.tip.height, store.tip.block_id, store.state.root, store.receipt_root


def test_a_new_store_is_at_its_genesis(at: Fixture) -> None:
    with at.open() as store:
        assert facts(store) == (0, GENESIS.block_id, genesis_tree().root, Mmr().root(USE_RECEIPTS))
        assert dict(store.state) == dict(GENESIS.records)
        check_store(store)


def test_up_and_down_equal_the_tree_and_the_range_in_memory(at: Fixture) -> None:
    tree, receipts = genesis_tree(), Mmr()
    seen = []
    with at.open() as store:
        for salt in range(12):
            seen.append(facts(store))
            block_id, block = make_block(store.tip.block_id, salt, **SMALL)
            added = BlockAdded(block_id, block.header, block.body)
            execution = replay(added, tree, b"")
            store.append(block_id, block, execution)
            tree = in_memory(execution.changes, tree)
            for receipt in execution.receipts:
                receipts, _ = receipts.extended([receipt])
                assert store.receipt(receipts.count - 1) == receipt
            root = receipts.root(USE_RECEIPTS)
            assert facts(store) == (salt + 1, block_id, tree.root, root)
            assert store.tip.state_root == tree.root
            assert store.block(salt + 1) == added
            assert store.proof(salt + 1) == block.proof
            assert store.index.height_of(block_id) == salt + 1
            check_store(store)
        log = ReceiptLog(store.index.store)
        for number in range(receipts.count):
            proof = prove_receipt(log, number, receipts.count)
            assert verify_proof(USE_RECEIPTS, root, receipts.count, store.receipt(number), proof)
        for before in reversed(seen):
            removed = store.tip.block_id
            assert store.rewind() == removed
            assert facts(store) == before
            assert store.index.height_of(removed) is None
            check_store(store)


def test_one_step_is_one_batch_after_the_files_are_synced(
    at: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def tell(thing: object, method: str, name: str) -> None:
        done = getattr(thing, method)

        def noted(*data: object) -> object:
            told.append(name)
            return done(*data)

        monkeypatch.setattr(thing, method, noted)

    with at.open() as store:
        tell(at.index, "write", "batch")
        tell(store._proofs, "commit", "proof")
        tell(store._journal, "commit", "journal")
        append_one(store, 1, **SMALL)
        assert told == ["proof", "journal", "batch"]
        store.rewind()
        # No proof is staged: the first writes nothing.
        assert told[3:] == ["proof", "journal", "batch"]
        with store.group():
            for salt in range(5):
                append_one(store, salt, **SMALL)
            assert told[6:] == []
        assert told[6:] == ["proof", "journal", "batch"]


def append_group(store: ChainStore, *salts: int, then: Callable[[], object] = int) -> None:
    with store.group():
        for salt in salts:
            append_one(store, salt, **SMALL)
        then()


def test_a_group_is_what_its_blocks_would_be_one_by_one(at: Fixture, tmp_path: Path) -> None:
    other = Fixture(tmp_path / "other")
    with at.open() as alone, other.open() as grouped:
        for first in range(0, 30, 6):
            for salt in range(first, first + 6):
                append_one(alone, salt, **SMALL)
            with grouped.group():
                for salt in range(first, first + 6):
                    append_one(grouped, salt, **SMALL)
                # Whoever reads from outside sees nothing of it.
                assert grouped.as_of_now().tip.height == first
                assert grouped.tip.height == first + 6
        assert facts(alone) == facts(grouped)
        assert at.index._values == other.index._values
        check_store(grouped)
    with other.open() as again:
        assert again.tip.height == 30
        check_store(again)


def test_a_group_that_ends_with_an_error_was_none(at: Fixture) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        before = facts(store)
        with pytest.raises(ZeroDivisionError):
            append_group(store, 2, 3, then=lambda: 1 // 0)
        assert (facts(store), store.staged_bytes) == (before, 0)
        with store.group():
            append_one(store, 4, **SMALL)
        assert store.tip.height == 2
        check_store(store)


def test_nothing_else_goes_into_a_group(at: Fixture) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        for other in (lambda: store.prune_proofs(1), store.group().__enter__):
            with pytest.raises(ValueError, match="holds nothing else"), store.group():
                other()
        assert store.tip.height == 1


def test_steps_down_may_share_a_commit_and_leave_their_blocks_readable(at: Fixture) -> None:
    with at.open() as store:
        seen = []
        for salt in range(6):
            seen.append(facts(store))
            append_one(store, salt, **SMALL)
        ids = [store.index.entry(height).block_id for height in range(1, 7)]
        parts = [(store.block(h).body, store.proof(h)) for h in range(1, 7)]
        with store.group():
            for _ in range(4):
                store.rewind(left=True)
            append_one(store, 9, **SMALL)
        assert store.tip.height == 3
        store.rewind()
        assert facts(store) == seen[2]
        check_store(store)
        blocks = store.blocks()
        for block_id, (body, proof) in zip(ids[2:], parts[2:], strict=True):
            assert (blocks.body(block_id), blocks.proof(block_id)) == (body, proof)
            assert blocks.height_of(block_id) is None
    with at.open() as store:
        assert facts(store) == seen[2]


def test_undo_records_are_kept_from_a_height_on_until_they_are_let_go(at: Fixture) -> None:
    def kept(store: ChainStore) -> list[int]:
        return [h for h in range(1, store.tip.height + 1) if store.index.undo(h) is not None]

    def contexts(store: ChainStore) -> list[int]:
        return [h for h in range(1, store.tip.height + 1) if store.index.context(h) is not None]

    with at.open(undo_depth=3) as store:
        for salt in range(4):
            append_one(store, salt, **SMALL)
        assert (kept(store), contexts(store)) == ([2, 3, 4], [1, 2, 3, 4])
        store.keep_undo_from(3)
        for salt in range(8):
            append_one(store, salt, **SMALL)
        assert (kept(store), contexts(store)) == ([*range(3, 13)], [*range(2, 13)])
    with at.open(undo_depth=3) as store:
        append_one(store, 20, **SMALL)
        assert kept(store) == [*range(3, 14)]
        # A fork that is not so deep is enough.
        store.keep_undo_from(8)
        assert (kept(store), contexts(store)) == ([*range(8, 14)], [*range(7, 14)])
        for _ in range(6):
            store.rewind()
        with pytest.raises(RewindLimitError):
            store.rewind()
        for salt in range(30, 36):
            append_one(store, salt, **SMALL)
        store.keep_undo_from(None)
        assert (kept(store), contexts(store)) == ([11, 12, 13], [10, 11, 12, 13])
        append_one(store, 40, **SMALL)
        assert kept(store) == [12, 13, 14]
        check_store(store)


@pytest.mark.parametrize("room", [0, 100, 1_500, 3_000])
def test_a_full_disk_takes_back_the_whole_group(at: Fixture, room: int) -> None:
    with at.open(segment_bytes=700) as store:
        append_one(store, 1, **SMALL)
        before = facts(store)
        at.disk.room = room
        with pytest.raises(WriteFailedError):
            append_group(store, *range(2, 20))
        assert facts(store) == before
        at.disk.room = 1 << 40
        append_one(store, 30, **SMALL)
        check_store(store)
    with at.open() as store:
        assert store.tip.height == 2
        check_store(store)


def test_a_group_that_the_index_refuses_is_carried_over_when_it_opens(at: Fixture) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        at.index.refuses = True
        with pytest.raises(WriteFailedError):
            append_group(store, *range(2, 6))
        with pytest.raises(StoreStoppedError):
            append_one(store, 7, **SMALL)
    at.index.refuses = False
    with at.open() as store:
        assert store.tip.height == 5
        check_store(store)


def test_everything_is_there_after_opening_again(at: Fixture) -> None:
    with at.open() as store:
        for salt in range(5):
            append_one(store, salt, **SMALL)
        store.rewind()
        before = facts(store)
    with at.open() as store:
        assert facts(store) == before
        check_store(store)
        append_one(store, 9, **SMALL)
        check_store(store)


def test_undo_records_are_kept_to_their_depth(at: Fixture) -> None:
    with at.open() as store:
        with pytest.raises(RewindLimitError, match="block 0 cannot be taken off"):
            store.rewind()
        for salt in range(UNDO_DEPTH + 3):
            append_one(store, salt, **SMALL)
        assert sum(1 for _ in at.index.items(b"u")) == UNDO_DEPTH
        for _ in range(UNDO_DEPTH):
            store.rewind()
        with pytest.raises(RewindLimitError, match="block 3 cannot be taken off") as raised:
            store.rewind()
        assert raised.value.height == store.tip.height == 3
        append_one(store, 99, **SMALL)
        check_store(store)


def test_undo_keeps_leaf_values_only(at: Fixture) -> None:
    changes = tuple(Change(path, b"genesis", b"x" * 500) for path in PATHS[::3])
    with at.open() as store:
        store.append(NEW, BlockBytes(b"", b"", b""), StoredExecution(changes, ()))
        ((_, undo),) = at.index.items(b"u")
        assert len(undo) < len(changes) * (32 + len(b"genesis") + 8)


def test_changes_that_do_not_fit_change_nothing(at: Fixture) -> None:
    block = BlockBytes(b"header", b"body", b"proof")
    wrong = StoredExecution((Change(PATHS[0], b"another", b"new"),), ())
    with at.open() as store:
        append_one(store, 1, **SMALL)
        before = facts(store), store.journal.files(), store._journal.end, store._proofs.end
        with pytest.raises(StateChangeError, match="the change expects 616e6f74686572"):
            store.append(NEW, block, wrong)
        for known, height in ((store.tip.block_id, 1), (GENESIS.block_id, 0)):
            with pytest.raises(AlreadyOnChainError, match=f"at height {height}"):
                store.append(known, block, NOTHING)
        long = replace(block, body=bytes(MAX_RECORD_BYTES))
        with pytest.raises(SegmentError, match="a record has at most"):
            store.append(NEW, long, NOTHING)
        assert before == (
            facts(store),
            store.journal.files(),
            store._journal.end,
            store._proofs.end,
        )
        append_one(store, 2, **SMALL)


def test_heights_and_receipts_that_are_not_there(at: Fixture) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        for height in (-1, 0, 2):
            with pytest.raises(UnknownBlockError, match="the tip is at 1"):
                store.block(height)
            with pytest.raises(UnknownBlockError):
                store.proof(height)
        log = ReceiptLog(store.index.store)
        for number in (-1, store.tip.receipts):
            with pytest.raises(IndexError):
                store.receipt(number)
            with pytest.raises(IndexError):
                prove_receipt(log, number, store.tip.receipts)


def test_below_the_reserve_nothing_is_written(at: Fixture) -> None:
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
def test_a_disk_that_gets_full_within_a_step(at: Fixture, room: int) -> None:
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


def test_a_batch_that_fails_stops_the_store_and_is_carried_over(at: Fixture) -> None:
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


def test_a_lost_index_write_is_carried_over(at: Fixture) -> None:
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


def test_a_lost_write_of_a_pruned_proof_is_no_reason_to_cut(at: Fixture) -> None:
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


def test_a_last_block_without_its_proof_was_never_whole(at: Fixture) -> None:
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


def test_pruning_deletes_whole_files_of_old_proofs(at: Fixture) -> None:
    with at.open(segment_bytes=1500) as store:
        for salt in range(30):
            append_one(store, salt, **SMALL)
            if salt % 5 == 4:
                store.rewind()
        files = list(store.proof_files.files())
        assert len(files) > 5
        proofs = {height: store.proof(height) for height in range(1, store.tip.height + 1)}
        assert store.prune_proofs(0) == 0
        gone = store.prune_proofs(12)
        assert list(store.proof_files.files()) == files[gone:]
        assert gone > 0
    with at.open(segment_bytes=1500) as store:
        for height, proof in proofs.items():
            try:
                assert store.proof(height) == proof
                pruned = False
            except ProofPrunedError:
                pruned = True
            assert not (pruned and height >= 12)
            assert pruned or height > 1
            assert store.block(height)
        check_store(store)
        # The file that is written to stays, whatever is asked.
        store.prune_proofs(1000)
        assert list(store.proof_files.files()) == [files[-1]]
        append_one(store, 99, **SMALL)
        check_store(store)
    with pytest.raises(
        BlockFileError, match="old proofs were pruned; a node whose setting prune is no"
    ):
        list(BlockFiles(at.datadir))


def test_a_view_stays_as_it_was_but_for_proofs_that_were_pruned(at: Fixture) -> None:
    with at.open(segment_bytes=1500) as store:
        for salt in range(1, 4):
            append_one(store, salt, **SMALL)
        view, tip_id = store.as_of_now(), store.tip.block_id
        state = dict(store.state)
        store.rewind()
        for salt in range(7, 40):
            append_one(store, salt, **SMALL)
        assert (view.tip.height, view.tip.block_id) == (3, tip_id)
        assert view.state.root == view.tip.state_root
        assert dict(view.state) == state != dict(store.state)
        # A block that left the chain is still read from the files, which only grow.
        assert view.block(3).block_id == view.tip.block_id != store.block(3).block_id
        assert len(view.proof(1)) > 0
        with pytest.raises(UnknownBlockError):
            view.block(4)
        assert store.prune_proofs(30) >= 1
        with pytest.raises(ProofPrunedError):
            view.proof(1)


def test_pruning_that_was_interrupted_is_finished_on_opening(
    at: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at.open(segment_bytes=1500) as store:
        for salt in range(20):
            append_one(store, salt, **SMALL)
        files = list(store.proof_files.files())
        with monkeypatch.context() as patch:
            patch.setattr(ChainStore, "_delete_pruned", lambda _: None)
            gone = store.prune_proofs(10)
        assert list(store.proof_files.files()) == files
    with at.open(segment_bytes=1500) as store:
        assert list(store.proof_files.files()) == files[gone:]
        check_store(store)


def test_a_second_store_is_refused(at: Fixture) -> None:
    with at.open(), pytest.raises(DirectoryLockedError, match="in use by another process"):
        at.open()
    at.open().close()


def test_another_genesis_is_refused(at: Fixture) -> None:
    at.open().close()
    other = GenesisState(BlockId(b"H" * 64), ())
    with pytest.raises(WrongChainError, match="holds the chain of genesis 4747474747474747"):
        ChainStore(at.datadir, other, replay, at.options)
    at.open().close()


def test_a_newer_format_is_refused_and_left_alone(at: Fixture) -> None:
    at.open().close()
    write_format(at.datadir, 2)
    before = {path: path.stat().st_mtime_ns for path in at.datadir.rglob("*.seg")}
    with pytest.raises(FormatError, match="storage format 2, this program knows up to 1"):
        at.open()
    assert before == {path: path.stat().st_mtime_ns for path in at.datadir.rglob("*.seg")}
    at.open(newest_format=2).close()


def test_an_index_of_another_state_is_told(at: Fixture) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        before = dict(at.index.items(b"n"))
        block_id, block = make_block(store.tip.block_id, 2, **SMALL)
        changes = (Change(PATHS[1], store.state.get(PATHS[1]), b"changed"),)
        store.append(block_id, block, StoredExecution(changes, ()))
    at.index.write(before.items())
    with pytest.raises(IndexCorruptError, match="the state is not the tip's; run `esperd reindex`"):
        at.open()


def test_a_missing_tip_or_index_is_told(at: Fixture) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
    tip = at.index.get(b"t")
    at.index.write([(b"t", None)])
    with pytest.raises(IndexCorruptError, match="the tip is missing, though there are blocks"):
        at.open()
    at.index.write([(b"t", tip)])
    (at.datadir / "index").rmdir()
    with pytest.raises(IndexCorruptError, match="is missing, though there are blocks"):
        at.open()


def test_a_wrong_undo_record_is_told(at: Fixture) -> None:
    with at.open() as store:
        for salt in range(3):
            append_one(store, salt, **SMALL)
        other = at.index.get(b"u" + (2).to_bytes(8, "big"))
        at.index.write([(b"u" + (3).to_bytes(8, "big"), other)])
        before = facts(store)
        with pytest.raises(IndexCorruptError, match="undo record of block 3 leads to another"):
            store.rewind()
        assert facts(store) == before


def test_default_options_use_the_disk(tmp_path: Path) -> None:
    with ChainStore(tmp_path, GENESIS, replay, StoreOptions(reserve_bytes=0)) as store:
        append_one(store, 1, **SMALL)
    assert (tmp_path / "index" / "CURRENT").exists()
    with (
        ChainStore(tmp_path, GENESIS, replay, StoreOptions(reserve_bytes=1 << 60)) as store,
        pytest.raises(DiskReserveError),
    ):
        append_one(store, 2, **SMALL)
    assert open_for_append is StoreOptions().opener
