"""Starts that the machine does not allow: one sentence, a status, and nothing half done."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.node.node_process import BIN, environment

pytestmark = pytest.mark.serial

REGTEST = ("--network", "regtest", "--datadir")
PR_CAPBSET_DROP = 24
READS_AND_WRITES_ANYTHING = (1, 2)
"""Capabilities of the administrator: DAC_OVERRIDE and DAC_READ_SEARCH."""
LIBC = ctypes.CDLL(None)


def as_anybody() -> None:
    """In a child before it runs: permissions hold for the administrator as well."""
    for capability in READS_AND_WRITES_ANYTHING:
        # Refused to whoever has none to drop.
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def refused(*command: str | Path, status: int = 1) -> str:
    """The one line that a command which must fail says."""
    done = subprocess.run(
        [BIN / "esperd", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(),
        preexec_fn=as_anybody,
    )
    assert done.returncode == status, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def locked(folder: Path) -> Path:
    """Nobody may write there, nor in what lies in it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("command", ["init", "node", "mine"])
def test_a_folder_that_may_not_be_written(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    locked(folder)
    for datadir in (folder, folder / "deeper" / "still"):
        told = refused(command, *REGTEST, datadir)
        assert told.startswith(f"error: {folder}")
        assert "Permission denied; let this user read and write there, or name another" in told
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["node", "mine", "reindex"])
def test_a_data_directory_that_may_not_be_written(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "d"
    subprocess.run([BIN / "esperd", "init", *REGTEST, folder], check=True, env=environment())
    before = files(locked(folder))
    told = refused(command, "--datadir", folder)
    assert told.startswith(f"error: {folder}/")
    assert "Permission denied" in told
    assert files(folder) == before


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = refused("init", *REGTEST, tmp_path / "file" / "d")
    assert "Not a directory; name another directory with --datadir" in told


def test_a_miner_needs_nothing_of_the_environment(tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("ESPER_STALE_NATIVE",) if name in os.environ}
    ports = ("--rpc-port", "0", "--port", "0")
    done = subprocess.run(
        [BIN / "esperd", "mine", *REGTEST, tmp_path / "d", *ports, "--blocks", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=kept,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "d" / "chain.json").read_text())["network"] == "regtest"
    assert "block 1 " in done.stderr
