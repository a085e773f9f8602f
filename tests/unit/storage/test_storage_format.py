"""The version of a data directory: kept, checked, migrated, refused."""

import os
from pathlib import Path

import pytest

from esper.storage.datadir_lock import DirectoryLock
from esper.storage.errors import DirectoryLockedError, FormatError
from esper.storage.format_version import (
    FORMAT,
    FORMAT_FILE,
    FormatDamagedError,
    bring_up_to_date,
    read_format,
    write_format,
)
from esper.storage.segments.segment_writer import SegmentWriter


def test_a_new_directory_gets_the_newest_format(tmp_path: Path) -> None:
    assert read_format(tmp_path) is None
    bring_up_to_date(tmp_path)
    assert read_format(tmp_path) == FORMAT
    assert [path.name for path in tmp_path.iterdir()] == [FORMAT_FILE]


def test_blocks_without_a_version_are_of_the_first_format(tmp_path: Path) -> None:
    SegmentWriter(tmp_path / "blocks").append(b"block")
    migrated: list[Path] = []
    bring_up_to_date(tmp_path, newest=2, migrations={1: migrated.append})
    assert migrated == [tmp_path]


def test_older_formats_are_migrated_step_by_step(tmp_path: Path) -> None:
    write_format(tmp_path, 1)
    steps = []

    def step(name: str) -> None:
        steps.append((name, read_format(tmp_path)))

    bring_up_to_date(
        tmp_path, newest=3, migrations={1: lambda _: step("1 to 2"), 2: lambda _: step("2 to 3")}
    )
    assert steps == [("1 to 2", 1), ("2 to 3", 2)]
    assert read_format(tmp_path) == 3


def test_a_migration_that_fails_is_run_again(tmp_path: Path) -> None:
    write_format(tmp_path, 1)

    def fail(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_up_to_date(tmp_path, newest=2, migrations={1: fail})
    assert read_format(tmp_path) == 1


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write_format(tmp_path, FORMAT + 1)
    with pytest.raises(FormatError, match=f"format {FORMAT + 1}, this program knows up to"):
        bring_up_to_date(tmp_path)
    assert read_format(tmp_path) == FORMAT + 1


def test_a_format_that_nothing_migrates_is_refused(tmp_path: Path) -> None:
    write_format(tmp_path, 1)
    with pytest.raises(FormatError, match="cannot migrate to 2; use an older program"):
        bring_up_to_date(tmp_path, newest=2, migrations={})


def test_every_flipped_bit_is_told(tmp_path: Path) -> None:
    write_format(tmp_path, 1)
    path = tmp_path / FORMAT_FILE
    sound = path.read_bytes()
    for position in range(8 * len(sound)):
        damaged = bytearray(sound)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(FormatDamagedError, match="is damaged; run `esperd reindex`"):
            bring_up_to_date(tmp_path)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        with pytest.raises(DirectoryLockedError, match="in use by another process; stop it") as e:
            DirectoryLock(tmp_path)
        assert e.value.path == tmp_path
        # Who has it is told, where that is known.
        assert e.value.holder == os.getpid()
        assert f"stop it (process {os.getpid()})" in str(e.value)
        for unknown in (b"", b"4194304999\n", b"someone\n"):
            (tmp_path / "lock").write_bytes(unknown)
            with pytest.raises(DirectoryLockedError, match="another process; stop it or name"):
                DirectoryLock(tmp_path)
    DirectoryLock(tmp_path).release()
