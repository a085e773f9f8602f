"""The log file: rotated by size, opened anew on request, and never in the node's way."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from esper.node.log_file import LogFile, LogFileError, check_log_file
from esper.node.logs import reopen_files, set_up

LOG = logging.getLogger("esper.mining")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The root logger is the process's: whoever comes next finds it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for one in root.handlers:
        if isinstance(one, LogFile):
            one.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def logging_to(path: Path, limit_bytes: int = 1 << 20, kept: int = 2) -> LogFile:
    file = LogFile(path, limit_bytes=limit_bytes, kept=kept)
    set_up("info", as_json=False, file=file)
    return file


def numbers(path: Path) -> list[int]:
    return [int(line.split()[-1]) for line in path.read_text().splitlines()]


def test_lines_go_to_the_file_and_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "esper.log"
    path.write_text("from before\n")
    logging_to(path)
    LOG.info("a line")
    assert path.read_text().splitlines()[0] == "from before"
    assert path.read_text().endswith("Z mining   a line\n")
    assert capsys.readouterr().err.endswith("a line\n")
    assert path.with_name("other.log").exists() is False


def test_a_full_file_makes_room_and_so_many_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "esper.log"
    logging_to(path, limit_bytes=100, kept=2)
    for number in range(20):
        LOG.info("line %d", number)
    files = [path.with_name("esper.log.2"), path.with_name("esper.log.1"), path]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    found = [number for file in files for number in numbers(file)]
    assert found == list(range(20 - len(found), 20))
    assert all(file.stat().st_size <= 100 for file in files)


def test_none_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "esper.log"
    logging_to(path, limit_bytes=100, kept=0)
    for number in range(20):
        LOG.info("line %d", number)
    assert list(tmp_path.iterdir()) == [path]
    assert numbers(path)[-1] == 19


def test_who_rotates_by_himself_asks_for_a_new_file(tmp_path: Path) -> None:
    path, moved = tmp_path / "esper.log", tmp_path / "moved"
    logging_to(path)
    LOG.info("line 1")
    path.rename(moved)
    LOG.info("line 2")
    assert reopen_files() == 1
    LOG.info("line 3")
    assert (numbers(moved), numbers(path)) == ([1, 2], [3])


def test_nothing_is_opened_anew_where_there_is_no_file() -> None:
    set_up("info", as_json=False)
    assert reopen_files() == 0


def test_a_full_disk_costs_lines_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "esper.log"
    logging_to(path)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        for number in range(3):
            LOG.info("line %d", number)
    LOG.info("line 3")
    told = capsys.readouterr().err
    assert told.count("cannot be written: No space left on device") == 1
    assert "Traceback" not in told
    lines = path.read_text().splitlines()
    assert lines[0].endswith("node     WARNING: 3 log lines before this one were lost")
    assert lines[1].endswith("line 3")


def test_lost_lines_are_an_object_for_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "esper.log"
    set_up("info", as_json=True, file=LogFile(path, limit_bytes=1 << 20, kept=0))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda *_: _refuse())
        LOG.info("lost")
    LOG.info("kept")
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["event"], first["lines"], first["level"]) == ("log_lines_lost", 1, "warning")
    assert second["message"] == "kept"


def _refuse() -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_was_cut_does_not_swallow_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "esper.log", os.write
    logging_to(path)
    room = [10]

    def scarce(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = whole(descriptor, data[: room[0]])
        room[0] -= written
        return written

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", scarce)
        LOG.info("cut")
    LOG.info("line 1")
    assert path.read_text().splitlines()[-1].endswith("mining   line 1")


def test_a_folder_that_went_away_is_no_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    logging_to(folder / "esper.log", limit_bytes=50)
    LOG.info("line 1")
    (folder / "esper.log").unlink()
    folder.rmdir()
    reopen_files()
    LOG.info("line 2")
    folder.mkdir()
    LOG.info("line 3")
    assert "cannot be opened again" in capsys.readouterr().err
    assert (folder / "esper.log").read_text().endswith("mining   line 3\n")


@pytest.mark.parametrize("name", [".", "missing/esper.log", "file/esper.log"])
def test_a_file_that_cannot_be_opened_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / name
    for ask in (check_log_file, lambda path: LogFile(path, limit_bytes=1, kept=0)):
        with pytest.raises(LogFileError, match=r"^log_file = .* cannot be opened: .*; name a file"):
            ask(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file"]
