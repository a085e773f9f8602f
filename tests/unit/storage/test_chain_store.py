"""The chain store step by step, against the tree and the range in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from esper.consensus.chain import BlockBytes
from esper.primitives.mmr import Mmr, verify_proof
from esper.storage.chain_store import ChainStore
from esper.storage.errors import (
    AlreadyOnChainError,
    IndexCorruptError,
    RewindLimitError,
    StateChangeError,
    UnknownBlockError,
)
from esper.storage.receipt_log import USE_RECEIPTS, ReceiptLog
from esper.storage.segments.block_files import BlockAdded
from esper.storage.segments.segment_reader import MAX_RECORD_BYTES, SegmentError
from esper.storage.tip_moves import StoredExecution
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
from tests.support.receipt_proofs import prove_receipt
from tests.support.storage.store_check import check_store
from tests.support.storage.store_world import NEW, NOTHING, SMALL, StoreWorld, facts


def genesis_tree() -> StateTree:
    tree = StateTree()
    for path, value in GENESIS.records:
        tree = tree.put(path, value)
    return tree


def test_a_new_store_is_at_its_genesis(at: StoreWorld) -> None:
    with at.open() as store:
        assert facts(store) == (0, GENESIS.block_id, genesis_tree().root, Mmr().root(USE_RECEIPTS))
        assert dict(store.state) == dict(GENESIS.records)
        check_store(store)


def test_up_and_down_equal_the_tree_and_the_range_in_memory(at: StoreWorld) -> None:
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


def test_undo_records_are_kept_from_a_height_on_until_they_are_let_go(at: StoreWorld) -> None:
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


def test_everything_is_there_after_opening_again(at: StoreWorld) -> None:
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


def test_undo_records_are_kept_to_their_depth(at: StoreWorld) -> None:
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


def test_undo_keeps_leaf_values_only(at: StoreWorld) -> None:
    changes = tuple(Change(path, b"genesis", b"x" * 500) for path in PATHS[::3])
    with at.open() as store:
        store.append(NEW, BlockBytes(b"", b"", b""), StoredExecution(changes, ()))
        ((_, undo),) = at.index.items(b"u")
        assert len(undo) < len(changes) * (32 + len(b"genesis") + 8)


def test_changes_that_do_not_fit_change_nothing(at: StoreWorld) -> None:
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


def test_heights_and_receipts_that_are_not_there(at: StoreWorld) -> None:
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


def test_a_wrong_undo_record_is_told(at: StoreWorld) -> None:
    with at.open() as store:
        for salt in range(3):
            append_one(store, salt, **SMALL)
        other = at.index.get(b"u" + (2).to_bytes(8, "big"))
        at.index.write([(b"u" + (3).to_bytes(8, "big"), other)])
        before = facts(store)
        with pytest.raises(IndexCorruptError, match="undo record of block 3 leads to another"):
            store.rewind()
        assert facts(store) == before
