"""What the system refuses for a while is never taken for damage."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import plyvel
import pytest

from esper.node.chain.store_state import genesis_of, replay_of
from esper.storage.chain_store import ChainStore
from esper.storage.errors import IndexCorruptError, StorageError
from esper.storage.kv import leveldb
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.reindex import _last_known
from esper.storage.segments.segment_reader import SegmentReader
from esper.storage.segments.segment_writer import SegmentWriter
from esper.storage.store_options import StoreOptions
from esper.storage.system_errors import SystemRefusedError, refused_number, system_told
from tests.support.node.node_world import PARAMS, go, node_world

ROOT = Path(__file__).parents[3]
PASSING = (
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOSPC,
    errno.EROFS, errno.EDQUOT, errno.EAGAIN,
)  # fmt: skip


def words(number: int) -> str:
    return f"IO error: /d/index/MANIFEST-000010: {os.strerror(number)}"


class Failing:
    """A database that LevelDB opened and cannot read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get(self, *_: Any, **__: Any) -> bytes:
        raise self._error

    def close(self) -> None:
        pass


@pytest.mark.parametrize("number", PASSING)
def test_what_passes_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise plyvel.IOError(words(number).encode())

    assert refused_number(words(number)) == number
    monkeypatch.setattr(plyvel, "DB", refuse)
    with pytest.raises(SystemRefusedError, match=os.strerror(number)) as told:
        LevelDbStore(tmp_path / "index", create=False)
    assert told.value.number == number
    assert "reindex" not in str(told.value)
    # While it runs as well: tables are opened when they are read.
    monkeypatch.setattr(
        plyvel, "DB", lambda *_, **__: Failing(plyvel.IOError(words(number).encode()))
    )
    with pytest.raises(SystemRefusedError):
        LevelDbStore(tmp_path / "index", create=False).get(b"key")


@pytest.mark.parametrize(
    "said",
    [
        "Corruption: bad record length",
        "Corruption: 3 missing files; e.g.: /d/index/000005.ldb",
        "NotFound: /d/index/000005.ldb: No such file or directory",
        "IO error: /d/index/000005.ldb: Invalid argument",
        "Invalid argument: /d/index: does not exist (create_if_missing is false)",
    ],
)
def test_what_is_damaged_or_missing_stays_damage(tmp_path: Path, said: str) -> None:
    assert refused_number(said) is None
    store = leveldb.LevelDbView(tmp_path, Failing(plyvel.Error(said.encode())))
    with pytest.raises(IndexCorruptError, match="reindex"):
        store.get(b"key")


def test_damage_is_told_though_the_look_for_its_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(leveldb, "damaged_file", refuse)
    store = leveldb.LevelDbView(tmp_path, Failing(plyvel.CorruptionError(b"Corruption: bad")))
    with pytest.raises(IndexCorruptError):
        store.get(b"key")


def test_a_folder_that_may_not_be_read_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SegmentWriter(tmp_path / "blocks").append(b"a block")
    real = os.scandir, os.listdir

    def refuse(path: Any = ".") -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PermissionError):
        SegmentReader(tmp_path / "blocks").files()
    monkeypatch.setattr(os, "scandir", real[0])
    monkeypatch.setattr(os, "listdir", real[1])
    assert len(SegmentReader(tmp_path / "blocks").files()) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/mnt/lock"), "/mnt/lock: Read-only"),
        (OSError(errno.ENOSPC, "No space left on device"), "/d: No space left on device; free"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (MemoryError(), "Cannot allocate memory; free some memory"),
        (OSError("the file is closed"), "/d: the file is closed"),
    ],
)
def test_the_sentence_names_file_reason_and_remedy(error: Exception, told: str) -> None:
    with pytest.raises(StorageError, match=told), system_told(Path("/d")):
        raise error


def test_a_store_that_the_system_refuses_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemRefusedError, match="Not a directory"):
        ChainStore(tmp_path / "file" / "d", genesis_of(PARAMS), replay_of(PARAMS))
    # Whatever else a node opens: what waits, for one, is not thrown away for a lack.
    (tmp_path / "d" / "mempool.dat").mkdir(parents=True)

    async def main() -> None:
        async with node_world(tmp_path / "d"):
            raise AssertionError("it started")

    with pytest.raises(SystemRefusedError, match=r"mempool\.dat: Is a directory"):
        go(main)


def test_a_reindex_begins_nothing_without_the_old_index_s_tip(tmp_path: Path) -> None:
    genesis, replay = genesis_of(PARAMS), replay_of(PARAMS)
    with ChainStore(tmp_path, genesis, replay, StoreOptions(reserve_bytes=0)):
        pass

    def refuse(folder: Path, create: bool) -> LevelDbStore:
        raise SystemRefusedError(folder, errno.EMFILE, os.strerror(errno.EMFILE))

    # What the old tip has acknowledged must not be cut: without it nobody knows what that is.
    with pytest.raises(SystemRefusedError):
        _last_known(tmp_path, StoreOptions(open_index=refuse))


STARVED = """
import logging, resource, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from esper.storage.errors import StorageError
from esper.storage.system_errors import SystemRefusedError
from tests.support.crash.crash_world import ALICE, BOB, open_node
from esper.node.chain.history import HistoryUnusableError

datadir = Path(sys.argv[1])
with open_node(datadir) as node:
    before = node.manager.store.tip, node.history.index.tip
kept = sorted((datadir / "index").glob("*.ldb")), sorted((datadir / "history").glob("*.ldb"))
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
refused = opened = 0
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger().addHandler(handler)
used = len(list(Path("/proc/self/fd").iterdir()))
for limit in range(used, used + 40):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        with open_node(datadir):
            opened += 1
    except (SystemRefusedError, OSError) as error:
        assert "Too many open files" in str(error), error
        refused += 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
assert refused > 5 and opened > 0, (refused, opened)
assert not [one for one in said if "anew" in one], said
assert not (datadir / "history" / "damaged").exists()
assert not (datadir / "history.old").exists()
with open_node(datadir) as node:
    assert (node.manager.store.tip, node.history.index.tip) == before
print("kept")
"""


@pytest.mark.serial
def test_whatever_descriptors_are_lacking_nothing_is_thrown_away(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARVED.format(root=str(ROOT)), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "kept\n", done.stderr
