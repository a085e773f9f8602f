"""What a chain store refuses to open, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from esper.primitives.ids import BlockId
from esper.storage.chain_store import ChainStore
from esper.storage.errors import (
    DirectoryLockedError,
    DiskReserveError,
    FormatError,
    IndexCorruptError,
    WrongChainError,
)
from esper.storage.format_version import write_format
from esper.storage.segments.segment_writer import open_for_append
from esper.storage.store_options import StoreOptions
from esper.storage.tip_moves import GenesisState, StoredExecution
from esper.vm.view import Change
from tests.support.crash.fake_chain import GENESIS, PATHS, append_one, make_block, replay
from tests.support.storage.store_world import SMALL, StoreWorld


def test_a_second_store_is_refused(at: StoreWorld) -> None:
    with at.open(), pytest.raises(DirectoryLockedError, match="in use by another process"):
        at.open()
    at.open().close()


def test_another_genesis_is_refused(at: StoreWorld) -> None:
    at.open().close()
    other = GenesisState(BlockId(b"H" * 64), ())
    with pytest.raises(WrongChainError, match="holds the chain of genesis 4747474747474747"):
        ChainStore(at.datadir, other, replay, at.options)
    at.open().close()


def test_a_newer_format_is_refused_and_left_alone(at: StoreWorld) -> None:
    at.open().close()
    write_format(at.datadir, 3)
    before = {path: path.stat().st_mtime_ns for path in at.datadir.rglob("*.seg")}
    with pytest.raises(FormatError, match="storage format 3, this program knows up to 2"):
        at.open()
    assert before == {path: path.stat().st_mtime_ns for path in at.datadir.rglob("*.seg")}
    at.open(newest_format=3).close()


def test_an_index_of_another_state_is_told(at: StoreWorld) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        before = dict(at.index.items(b"n"))
        block_id, block = make_block(store.tip.block_id, 2, **SMALL)
        changes = (Change(PATHS[1], store.state.get(PATHS[1]), b"changed"),)
        store.append(block_id, block, StoredExecution(changes, ()))
    at.index.write(before.items())
    with pytest.raises(IndexCorruptError, match="the state is not the tip's; run `esperd reindex`"):
        at.open()


def test_a_missing_tip_or_index_is_told(at: StoreWorld) -> None:
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
