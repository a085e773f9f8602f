"""One flipped bit anywhere: an error that names the file, and a reindex that mends what it can."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esper.storage.chain_store import ChainStore
from esper.storage.errors import BlockLostError, ProofPrunedError, StorageError
from esper.storage.reindex import reindex
from esper.storage.segments.block_files import BLOCK_FOLDER, PROOF_FOLDER
from esper.storage.segments.segment_reader import SegmentError
from tests.support.crash.fake_chain import GENESIS, append_one, opened, options, replay
from tests.support.storage.store_check import check_store

BLOCKS = 40
# Notes for people, and files without content.
WITHOUT_MEANING = {"LOG", "LOG.old", "LOCK", "lock"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain with rewinds in its journal, opened twice so that the index has tables and a log."""
    datadir = tmp_path_factory.mktemp("sound")
    for part in range(2):
        with opened(datadir) as store:
            for salt in range(BLOCKS // 2):
                append_one(store, 1000 * part + salt, body=2000, proof=4000)
                if salt % 7 == 3:
                    store.rewind()
                    append_one(store, 1000 * part + salt + 500, body=2000, proof=4000)
    return datadir


def contents(store: ChainStore) -> dict[str, Any]:
    """All that a caller can read."""
    heights = range(1, store.tip.height + 1)
    return {
        "tip": (store.tip.height, store.tip.block_id, store.state.root, store.receipt_root),
        "state": dict(store.state),
        "blocks": [store.block(height) for height in heights],
        "proofs": [store.proof(height) for height in heights],
        "receipts": [store.receipt(number) for number in range(store.tip.receipts)],
    }


def files(datadir: Path) -> list[Path]:
    return sorted(path.relative_to(datadir) for path in datadir.rglob("*") if path.is_file())


def flipped(sound: Path, folder: Path, path: Path, chooser: random.Random) -> None:
    """A copy of the data directory with one bit of one file changed."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    data = bytearray((folder / path).read_bytes())
    data[chooser.randrange(len(data))] ^= 1 << chooser.randrange(8)
    (folder / path).write_bytes(data)


def flips(sound: Path, folder: Path, each: int) -> Iterator[Path]:
    chooser = random.Random(each)
    for path in files(sound):
        if path.name not in WITHOUT_MEANING and (sound / path).stat().st_size:
            for _ in range(each):
                flipped(sound, folder, path, chooser)
                yield path


def complaint(folder: Path, whole: dict[str, Any]) -> StorageError | None:
    """What opening and checking says; without a complaint all that was stored is there."""
    try:
        with opened(folder) as store:
            check_store(store)
            assert contents(store) == whole
    except StorageError as error:
        return error
    return None


def mended(folder: Path, path: Path, whole: dict[str, Any]) -> str:
    """Reindex after a flip, compare with the sound contents; what kind of damage it was."""
    if path.parts[0] == BLOCK_FOLDER:
        with pytest.raises(BlockLostError) as raised:
            reindex(folder, GENESIS, replay, options())
        assert str(folder / path) in str(raised.value)
        report = reindex(folder, GENESIS, replay, options(), accept_loss=True)
        assert report.lost is not None
        assert report.height == report.lost.height - 1
        with opened(folder) as store:
            check_store(store)
            # A chain that was rewound later may stand here; below the last fork it is the same.
            kept = contents(store)["blocks"]
        same = sum(a == b for a, b in zip(kept, whole["blocks"], strict=False))
        assert same >= report.height - 1
        return "journal"
    report = reindex(folder, GENESIS, replay, options())
    assert report.lost is None
    with opened(folder) as store:
        if path.parts[0] == PROOF_FOLDER:
            assert [error.path for error in report.damaged_proofs] == [folder / path]
            heights = range(1, store.tip.height + 1)
            for height in heights:
                if height in report.without_proof:
                    with pytest.raises(ProofPrunedError):
                        store.proof(height)
                else:
                    assert store.proof(height) == whole["proofs"][height - 1]
            found = contents_but_proofs(store)
            assert found == {key: whole[key] for key in found}
            return "proof"
        assert report.damaged_proofs == ()
        check_store(store)
        assert contents(store) == whole
    return "index"


def contents_but_proofs(store: ChainStore) -> dict[str, Any]:
    return {
        "state": dict(store.state),
        "blocks": [store.block(height) for height in range(1, store.tip.height + 1)],
    }


def flip_everywhere(sound: Path, folder: Path, each: int) -> None:
    with opened(sound) as store:
        check_store(store)
        whole = contents(store)
    seen: Counter[str] = Counter()
    for path in flips(sound, folder, each):
        error = complaint(folder, whole)
        if error is None:
            # LevelDB takes a damaged length at the end of its log for a torn write; the step that
            # it drops is in the segments and has been carried over. A table that a compaction left
            # behind when the store was closed is no part of it, and is deleted at the opening.
            left_behind = path.suffix == ".ldb" and not (folder / path).exists()
            assert path.suffix == ".log" or left_behind, path
            seen["left behind" if left_behind else "carried over"] += 1
        else:
            assert str(folder / path) in str(error), f"{path}: {error}"
            seen[mended(folder, path, whole)] += 1
    print(dict(seen))
    assert min(seen[kind] for kind in ("index", "journal", "proof")) >= each


def test_flipped_bits(sound: Path, tmp_path: Path) -> None:
    flip_everywhere(sound, tmp_path / "copy", 3)


@pytest.mark.soak
def test_many_flipped_bits(sound: Path, tmp_path: Path) -> None:
    flip_everywhere(sound, tmp_path / "copy", 60)


def test_a_deleted_file_is_named_or_not_missed(sound: Path, tmp_path: Path) -> None:
    with opened(sound) as store:
        whole = contents(store)
    seen: Counter[str] = Counter()
    for path in files(sound):
        if path.name in {*WITHOUT_MEANING, "storage-format"}:
            continue
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        (folder / path).unlink()
        error = complaint(folder, whole)
        seen[path.suffix] += 1
        if error is None:
            # The steps in LevelDB's log are in the segments too and have been carried over.
            assert path.suffix == ".log"
        elif isinstance(error, SegmentError):
            assert error.path == folder / path
        else:
            assert path.parts[0] == "index"
            assert str(folder / "index") in str(error)
    assert seen[".seg"] >= 3
    assert seen[".ldb"] >= 1
