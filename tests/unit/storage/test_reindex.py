"""The index rebuilt from the segment files: equal to the old one, and honest about what is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.primitives.ids import BlockId
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.errors import (
    BlockLostError,
    DirectoryLockedError,
    DiskReserveError,
    FormatError,
    IndexCorruptError,
    ProofPrunedError,
)
from esper.storage.format_version import FORMAT_FILE, write_format
from esper.storage.reindex import ReindexReport, reindex
from esper.storage.segments.block_files import TipRemoved, journal_payload
from esper.storage.segments.segment_writer import SegmentWriter
from tests.support.crash.fake_chain import GENESIS, append_one, opened, options, replay
from tests.support.storage.store_check import check_store

SMALL = {"body": 300, "proof": 600}
OPTIONS = replace(options(), segment_bytes=3000)
JOURNAL, PROOFS = "blocks/000000.seg", "proofs/000000.seg"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datadir = tmp_path_factory.mktemp("sound")
    with opened(datadir, OPTIONS) as store:
        for salt in range(30):
            append_one(store, salt, **SMALL)
            if salt % 5 == 4:
                store.rewind()
    return datadir


@pytest.fixture
def datadir(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "d"))


def rebuilt(datadir: Path, *, accept_loss: bool = False) -> ReindexReport:
    return reindex(datadir, GENESIS, replay, OPTIONS, accept_loss=accept_loss)


def entries(datadir: Path) -> dict[bytes, bytes]:
    with opened(datadir, OPTIONS) as store:
        return dict(store.index.store.items(b""))


def heights(datadir: Path) -> int:
    with opened(datadir, OPTIONS) as store:
        check_store(store)
        return store.tip.height


def changed(path: Path, change: Callable[[bytearray], Any]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def flip(position: int) -> Callable[[bytearray], Any]:
    def change(data: bytearray) -> None:
        data[position] ^= 1

    return change


def test_the_new_index_equals_the_old_one(datadir: Path) -> None:
    before = entries(datadir)
    shutil.rmtree(datadir / "index")
    assert rebuilt(datadir) == ReindexReport(24, None, (), ())
    after = entries(datadir)
    differing = {key[:1] for key in before | after if before.get(key) != after.get(key)}
    # Files of proofs may have had greater heights, and undo records and contexts have been deeper,
    # before the tip went back; and the number of the first proof file is told even if it is 0.
    assert differing <= {b"c", b"p", b"q", b"u"}
    assert all(after[key] == value for key, value in before.items() if key[:1] in b"cu")
    assert sorted(path.name for path in datadir.iterdir()) == [
        "blocks", "index", "lock", "proofs", "storage-format",
    ]  # fmt: skip


def test_an_empty_directory(tmp_path: Path) -> None:
    assert rebuilt(tmp_path) == ReindexReport(0, None, (), ())
    assert heights(tmp_path) == 0


def test_undo_records_are_rebuilt(datadir: Path) -> None:
    rebuilt(datadir)
    with opened(datadir, OPTIONS) as store:
        for _ in range(OPTIONS.undo_depth):
            store.rewind()
        check_store(store)


def test_pruned_proofs_stay_pruned(datadir: Path) -> None:
    with opened(datadir, OPTIONS) as store:
        assert store.prune_proofs(12) > 0
        kept = list(store.proof_files.files())
    report = rebuilt(datadir)
    assert report.without_proof == tuple(range(1, len(report.without_proof) + 1))
    assert 0 < len(report.without_proof) < 12
    with opened(datadir, OPTIONS) as store:
        assert list(store.proof_files.files()) == kept
        with pytest.raises(ProofPrunedError):
            store.proof(len(report.without_proof))
        store.proof(len(report.without_proof) + 1)
        check_store(store)
        assert store.prune_proofs(1000) == len(kept) - 1


def test_a_damaged_proof_is_reported_and_its_block_kept(datadir: Path) -> None:
    changed(datadir / PROOFS, flip(100))
    report = rebuilt(datadir)
    assert [error.path for error in report.damaged_proofs] == [datadir / PROOFS]
    assert (report.height, report.without_proof) == (24, (1,))
    with opened(datadir, OPTIONS) as store:
        assert store.block(1)
        with pytest.raises(ProofPrunedError, match="an archive node has it"):
            store.proof(1)
        store.proof(2)


def test_a_proof_cut_before_the_acknowledged_end_is_reported(datadir: Path) -> None:
    last = max((datadir / "proofs").iterdir())
    changed(last, lambda data: data.__delitem__(slice(-1, None)))
    report = rebuilt(datadir)
    assert [error.path for error in report.damaged_proofs] == [last]
    assert heights(datadir) == report.height


def test_a_proof_cut_behind_the_acknowledged_end_is_the_trace_of_a_crash(datadir: Path) -> None:
    last = max((datadir / "proofs").iterdir())
    with last.open("ab") as stream:
        stream.write(b"\0\0")
    assert rebuilt(datadir) == ReindexReport(24, None, (), ())
    assert heights(datadir) == 24


@pytest.mark.parametrize("damage", [flip(0), flip(300), lambda data: data.clear()])
def test_a_lost_block_is_named_and_nothing_touched(
    datadir: Path, damage: Callable[[bytearray], Any]
) -> None:
    changed(datadir / JOURNAL, damage)
    before = {path: path.read_bytes() for path in (datadir / "blocks").iterdir()}
    with pytest.raises(BlockLostError, match="esperd reindex --accept-loss") as raised:
        rebuilt(datadir)
    assert str(datadir / JOURNAL) in str(raised.value)
    assert before == {path: path.read_bytes() for path in (datadir / "blocks").iterdir()}
    report = rebuilt(datadir, accept_loss=True)
    assert report.lost is not None
    assert heights(datadir) == report.height == report.lost.height - 1 < 24
    with opened(datadir, OPTIONS) as store:
        append_one(store, 1, **SMALL)
        check_store(store)
    assert rebuilt(datadir).lost is None


def test_a_missing_journal_file_is_a_loss(datadir: Path) -> None:
    for name in ("000001.seg", "000000.seg"):
        (datadir / "blocks" / name).unlink()
        with pytest.raises(BlockLostError, match=rf"{name} at byte 0: is missing") as raised:
            rebuilt(datadir)
    assert raised.value.height == 1


def test_a_journal_cut_before_the_acknowledged_end_is_a_loss(datadir: Path) -> None:
    last = max((datadir / "blocks").iterdir())
    changed(last, lambda data: data.__delitem__(slice(-1, None)))
    with pytest.raises(BlockLostError, match="is lost") as raised:
        rebuilt(datadir)
    assert str(last) in str(raised.value)
    # Without the old index nobody knows that the last record was acknowledged.
    shutil.rmtree(datadir / "index")
    assert rebuilt(datadir).lost is None


def test_whole_records_cut_off_are_a_loss_too(datadir: Path) -> None:
    last = max((datadir / "blocks").iterdir())
    last.unlink()
    with pytest.raises(BlockLostError):
        rebuilt(datadir)


def test_a_journal_that_takes_off_another_block_is_a_loss(datadir: Path) -> None:
    SegmentWriter(datadir / "blocks").append(journal_payload(TipRemoved(BlockId(b"?" * 64))))
    with pytest.raises(IndexCorruptError, match="takes off another block"):
        opened(datadir, OPTIONS)
    with pytest.raises(BlockLostError, match="takes off block 3f3f3f3f3f3f3f3f, which is not"):
        rebuilt(datadir)
    assert rebuilt(datadir, accept_loss=True).height == 24


def test_what_lies_behind_the_index_is_taken_in(datadir: Path, sound: Path) -> None:
    with opened(datadir, OPTIONS) as store:
        append_one(store, 77, **SMALL)
    shutil.rmtree(datadir / "index")
    shutil.copytree(sound / "index", datadir / "index")
    assert rebuilt(datadir).height == 25
    assert heights(datadir) == 25


def test_a_reindex_that_is_stopped_changes_nothing(datadir: Path) -> None:
    before = entries(datadir)
    left = 10

    def stopping(block: Any, state: Any, context: bytes) -> Any:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return replay(block, state, context)

    with pytest.raises(KeyboardInterrupt):
        reindex(datadir, GENESIS, stopping, OPTIONS)
    assert not (datadir / "index.new").exists()
    assert entries(datadir) == before


def test_killed_between_the_renames_it_is_run_again(datadir: Path) -> None:
    (datadir / "index").rename(datadir / "index.old")
    with pytest.raises(IndexCorruptError, match="is missing, though there are blocks; run"):
        opened(datadir, OPTIONS)
    rebuilt(datadir)
    assert heights(datadir) == 24
    assert not (datadir / "index.old").exists()


def test_the_reserve_holds_for_the_new_index_too(datadir: Path) -> None:
    with pytest.raises(DiskReserveError):
        reindex(datadir, GENESIS, replay, replace(OPTIONS, reserve_bytes=1, free_space=lambda _: 0))
    assert heights(datadir) == 24


def test_not_while_another_process_is_there(datadir: Path) -> None:
    with DirectoryLock(datadir), pytest.raises(DirectoryLockedError):
        rebuilt(datadir)


def test_a_damaged_format_is_mended_a_newer_one_refused(datadir: Path) -> None:
    changed(datadir / FORMAT_FILE, flip(0))
    with pytest.raises(FormatError):
        opened(datadir, OPTIONS)
    rebuilt(datadir)
    assert heights(datadir) == 24
    write_format(datadir, 3)
    with pytest.raises(FormatError, match="use a newer program"):
        rebuilt(datadir)


def test_an_index_that_cannot_be_opened_is_no_obstacle(datadir: Path) -> None:
    current = datadir / "index" / "CURRENT"
    current.write_bytes(b"junk")
    with pytest.raises(IndexCorruptError) as raised:
        opened(datadir, OPTIONS)
    assert raised.value.path == current
    rebuilt(datadir)
    assert heights(datadir) == 24
