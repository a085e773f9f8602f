"""`esper key resume`: for a gateway that stopped, whose node does not run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from esper.cli.esper.app import application
from esper.gateway.proving_rows import Step
from esper.gateway.store.gateway_store import DATABASE_FILE, GatewayStore
from esper.node.datadir import DataDirectory
from esper.primitives.networks import NETWORKS
from esper.storage.datadir_lock import DirectoryLock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "node"
    DataDirectory.open_or_create(path, NETWORKS["regtest"])
    with GatewayStore(path / DATABASE_FILE) as store:
        store.line.commit(Step(next_nonce=4, stopped="foreign_nonce"), 0)
    return path


def resume(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(application(), ["key", "resume", *words, "--datadir", str(folder)])


def kept(folder: Path) -> tuple[str, int]:
    with GatewayStore(folder / DATABASE_FILE) as store:
        line = store.line.load(0)
    return line.stopped, line.next_nonce


def test_a_stopped_gateway_serves_again(folder: Path) -> None:
    done = resume(folder, "--next-nonce", "9")
    assert done.exit_code == 0, done.output
    assert done.stdout == "foreign_nonce: resumed; start the node\n"
    assert kept(folder) == ("", 9)
    again = resume(folder)
    assert (again.exit_code, again.stderr) == (
        1,
        "this gateway is not stopped: nothing was changed\n",
    )


def test_the_nonce_stays_where_none_is_named(folder: Path) -> None:
    assert resume(folder).exit_code == 0
    assert kept(folder) == ("", 4)


def test_a_running_node_is_stopped_first(folder: Path) -> None:
    with DirectoryLock(folder):
        refused = resume(folder)
    assert refused.exit_code == 1
    assert "stop the node first" in refused.stderr
    assert kept(folder) == ("foreign_nonce", 4)
