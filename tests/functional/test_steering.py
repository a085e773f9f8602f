"""Steering a running node through its command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.node.node_process import BIN, END_S, environment, running, until

pytestmark = pytest.mark.nodes


def esperd(*arguments: str | Path, status: int = 0) -> str:
    done = subprocess.run(
        [BIN / "esperd", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(),
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_miner_is_paused_resumed_capped_and_stopped(tmp_path: Path) -> None:
    datadir = tmp_path / "node"
    where = ("--datadir", datadir)
    network = ("--network", "regtest")
    with running("mine", datadir, *network, "--threads", "1", "--prove-threads", "1") as node:

        def mined() -> int:
            found: int = json.loads(esperd("mining", "--json", *where))["blocks_found"]
            return found

        until("a block", lambda: mined() or None)
        assert esperd("pause", *where).strip() == "paused"
        until("the search to stop", lambda: "paused" in esperd("mining", *where) or None)
        before = mined()
        assert esperd("threads", "--search", "2", *where) == "2 threads search, 1 prove\n"
        told = esperd("mining", *where)
        assert "on 2 threads" in told
        assert "esperd resume" in esperd("generate", *where, status=1)
        # A proof that ran when it was paused may still have brought one block.
        assert mined() <= before + 1
        esperd("resume", *where)
        until("another block", lambda: mined() > before + 1 or None)
        assert "tokens/s" in esperd("mining", *where)
        esperd("stop", *where)
        assert node.process.wait(END_S) == 0
    assert "esperd" in esperd("mining", *where, status=1)


def test_a_node_that_does_not_mine_says_so(tmp_path: Path) -> None:
    datadir = tmp_path / "node"
    with running("node", datadir, "--network", "devnet"):
        assert "does not mine" in esperd("pause", "--datadir", datadir, status=1)
