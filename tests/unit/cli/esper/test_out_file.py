"""Files that commands write: whole or not there, and nothing overwritten unasked."""

import errno
import inspect
import os
from pathlib import Path

import pytest

from esper.cli.esper.calls.call import call_command
from esper.cli.esper.models.max_tokens import DEFAULT_MAX_TOKENS
from esper.cli.esper.models.out_file import OutFileError, check_out, write_out
from esper.cli.esper.models.prove import prove_command
from esper.cli.esper.models.run_model import run_command


def test_a_file_is_written_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_out(out, b"one", force=False)
    with pytest.raises(OutFileError, match="exists already"):
        write_out(out, b"two", force=False)
    assert out.read_bytes() == b"one"
    write_out(out, b"two", force=True)
    assert out.read_bytes() == b"two"
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_where_nothing_can_be_written(tmp_path: Path, force: bool) -> None:
    fifo, nowhere = tmp_path / "fifo", tmp_path / "nowhere"
    os.mkfifo(fifo)
    nowhere.symlink_to(tmp_path / "no" / "x")
    for out, says in (
        (tmp_path / "no" / "x", "there is no folder"),
        (nowhere, "there is no folder"),
        (tmp_path, "is a folder"),
        (fifo, "no regular file"),
        (fifo / "x", "there is no folder"),
    ):
        with pytest.raises(OutFileError, match=says):
            check_out(out, force=force)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    out.write_bytes(b"one")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_out(out, b"two", force=True)
    assert raised.value.filename == str(out)
    assert out.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_one_longest_answer_wherever_a_model_answers() -> None:
    for command in (call_command, prove_command, run_command):
        assert inspect.signature(command).parameters["max_tokens"].default == DEFAULT_MAX_TOKENS
