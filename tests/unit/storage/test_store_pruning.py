"""Old proofs are deleted, file by file."""

from __future__ import annotations

import pytest

from esper.storage.chain_store import ChainStore
from esper.storage.errors import ProofPrunedError, UnknownBlockError
from esper.storage.segments.block_files import BlockFileError, BlockFiles
from tests.support.crash.fake_chain import append_one
from tests.support.storage.store_check import check_store
from tests.support.storage.store_world import SMALL, StoreWorld


def test_pruning_deletes_whole_files_of_old_proofs(at: StoreWorld) -> None:
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


def test_a_view_stays_as_it_was_but_for_proofs_that_were_pruned(at: StoreWorld) -> None:
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
    at: StoreWorld, monkeypatch: pytest.MonkeyPatch
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
