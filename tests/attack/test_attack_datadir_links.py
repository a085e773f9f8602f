"""A data directory from a stranger, in which files are links to files of whoever uses it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from esper.consensus.chain import BlockBytes
from esper.mempool.journal import MempoolJournal
from esper.primitives.ids import BlockId
from esper.storage.datadir_lock import LOCK_FILE, DirectoryLock
from esper.storage.format_version import FORMAT_FILE, write_format
from esper.storage.own_file import unfinished
from esper.storage.segments.segment_reader import Locator, SegmentReader
from esper.storage.segments.segment_writer import START, SegmentWriter
from esper.storage.segments.voiding import void_damage
from esper.storage.side_blocks import SideBlocks

PRECIOUS = b"the only copy of something\n" * 10
BLOCK = BlockId(bytes(64))


def lock(datadir: Path) -> None:
    DirectoryLock(datadir).release()


def void(datadir: Path) -> None:
    void_damage(SegmentReader(datadir), (), Locator(0, len(PRECIOUS)))


def cut(datadir: Path) -> None:
    SegmentWriter(datadir, acknowledged=Locator(0, len(PRECIOUS) // 2))


def name_format(datadir: Path) -> None:
    write_format(datadir, 1)


def keep_block(datadir: Path) -> None:
    SideBlocks(datadir).put(BLOCK, BlockBytes(b"", b"", b""))


def rewrite_journal(datadir: Path) -> None:
    MempoolJournal(datadir / "mempool.dat", 1 << 16).rewrite(())


def side_block_name(datadir: Path) -> str:
    blocks = SideBlocks(datadir)
    return str(unfinished(blocks._path(BLOCK)).relative_to(datadir))


@pytest.mark.parametrize(
    ("name", "uses"),
    [
        (lambda _: LOCK_FILE, lock),
        (lambda datadir: SegmentReader(datadir).path(0).name, void),
        (lambda datadir: SegmentReader(datadir).path(0).name, cut),
        (lambda _: "mempool.new", rewrite_journal),
    ],
    ids=["lock", "damage", "segment", "mempool"],
)
def test_no_link_in_a_data_directory_leads_a_write_out_of_it(
    tmp_path: Path, name: Callable[[Path], str], uses: Callable[[Path], None]
) -> None:
    precious, datadir = tmp_path / "precious", tmp_path / "d"
    precious.write_bytes(PRECIOUS)
    link = datadir / name(datadir)
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        uses(datadir)
    assert precious.read_bytes() == PRECIOUS


@pytest.mark.parametrize(
    ("name", "uses"),
    [
        (lambda _: unfinished(Path(FORMAT_FILE)).name, name_format),
        (side_block_name, keep_block),
    ],
    ids=["format", "side block"],
)
def test_a_link_where_a_file_is_begun_is_taken_away(
    tmp_path: Path, name: Callable[[Path], str], uses: Callable[[Path], None]
) -> None:
    precious, datadir = tmp_path / "precious", tmp_path / "d"
    precious.write_bytes(PRECIOUS)
    link = datadir / name(datadir)
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    uses(datadir)
    assert not link.is_symlink()
    assert precious.read_bytes() == PRECIOUS


def test_a_folder_may_lie_on_another_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "d").symlink_to(tmp_path / "disk")
    lock(tmp_path / "d")
    SegmentWriter(tmp_path / "d", acknowledged=START).append(b"\1")
    assert SegmentReader(tmp_path / "disk").path(0).is_file()
