"""Checking a store notices every contradiction between index, files, state and receipts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.primitives.hashing import u64
from esper.primitives.ids import BlockId
from esper.storage.chain_index import (
    TIP_KEY,
    encode_entry,
    encode_tip,
    entry_key,
    height_key,
    pair,
)
from esper.storage.chain_store import ChainStore
from esper.storage.errors import IndexCorruptError, ProofPrunedError
from esper.storage.receipt_log import ReceiptMissingError
from esper.storage.segments.block_files import BlockFileError
from esper.storage.state.state_records import StateRecordError
from tests.support.crash.fake_chain import append_one
from tests.support.storage.store_check import check_store
from tests.support.storage.store_world import SMALL, StoreWorld


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChainStore]:
    with StoreWorld(tmp_path / "d").open() as opened:
        for salt in range(6):
            append_one(opened, salt, **SMALL)
        assert opened.index.entry(3).receipts > 0
        check_store(opened)
        yield opened


def change_entry(store: ChainStore, height: int, **changed: Any) -> None:
    entry = replace(store.index.entry(height), **changed)
    store.index.store.write([(entry_key(height), encode_entry(entry))])


def refused(store: ChainStore, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_store(store)


def test_a_block_that_is_not_found_by_its_id(store: ChainStore) -> None:
    store.index.store.write([(height_key(store.index.entry(2).block_id), u64(3))])
    refused(store, IndexCorruptError, "block 2 is not found by its id; run `esperd reindex`")


def test_a_missing_entry(store: ChainStore) -> None:
    store.index.store.write([(entry_key(2), None)])
    refused(store, IndexCorruptError, "the entry of block 2 is missing")


def test_an_entry_that_is_none(store: ChainStore) -> None:
    store.index.store.write([(entry_key(2), b"junk")])
    refused(store, IndexCorruptError, "run `esperd reindex`")


def test_fewer_receipts_than_the_parent(store: ChainStore) -> None:
    change_entry(store, 4, receipts=0)
    refused(store, IndexCorruptError, "block 4 has fewer receipts than its parent")


def test_a_tip_that_is_not_its_block(store: ChainStore) -> None:
    tip = replace(store.tip, block_id=BlockId(b"?" * 64))
    store.index.store.write([(TIP_KEY, encode_tip(tip))])
    refused(store, IndexCorruptError, "the tip is not block 6")


@pytest.mark.parametrize("changed", [{"receipts": 1 << 40}, {"state_root": b"?" * 32}])
def test_a_last_block_that_is_not_the_tip(store: ChainStore, changed: dict[str, Any]) -> None:
    change_entry(store, 6, **changed)
    refused(store, IndexCorruptError, "the tip is not block 6")


def test_an_entry_that_leads_to_another_block(store: ChainStore) -> None:
    change_entry(store, 2, block=store.index.entry(3).block)
    refused(store, BlockFileError, "is not block")


def test_an_entry_that_leads_to_another_proof(store: ChainStore) -> None:
    change_entry(store, 2, proof=store.index.entry(3).proof)
    refused(store, BlockFileError, "is not the proof of block")


def test_an_entry_that_leads_to_no_block(store: ChainStore) -> None:
    store.rewind()
    *_, (last, _) = store.journal
    change_entry(store, 2, block=pair(last))
    refused(store, BlockFileError, "is not block")


def test_a_changed_value_of_the_state(store: ChainStore) -> None:
    for key, value in store.index.store.items(b"n"):
        if b"genesis" in value:
            store.index.store.write([(key, value.replace(b"genesis", b"another"))])
            break
    refused(store, StateRecordError, "the state in the index is damaged: wrong hash")


@pytest.mark.parametrize("change", [lambda old: old + b"!", lambda _: None])
def test_a_changed_receipt(store: ChainStore, change: Callable[[bytes], bytes | None]) -> None:
    key, value = next(store.index.store.items(b"r"))
    new = change(value)
    store.index.store.write([(key, new)])
    if new is None:
        refused(store, ReceiptMissingError, "the index has no receipt 0; run")
    else:
        refused(store, IndexCorruptError, "not those under the receipt root")


def test_proofs_that_a_reindex_did_not_find_are_no_damage(store: ChainStore) -> None:
    change_entry(store, 2, proof=())
    with pytest.raises(ProofPrunedError):
        store.proof(2)
    check_store(store)
