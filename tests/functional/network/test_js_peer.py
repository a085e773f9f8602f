"""js-libp2p, with nothing of our code, dials a node, is dialled by it, and talks with it.

It wants Node and the packages of ``js_peer/package-lock.json``, which `npm ci` fetches.
"""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.genesis import genesis_hash
from esper.primitives.networks import REGTEST
from tests.support.net.network_process import NetworkNode, node
from tests.support.node_js import installed_packages, node_js

pytestmark = [pytest.mark.nodes, pytest.mark.xdist_group("js_peer")]

FOLDER = Path(__file__).parent / "js_peer"
VECTORS = Path(__file__).parents[2] / "vectors" / "network.json"
PATIENCE_S = 30
BLOCKS = 2
"""As peer.mjs expects."""
GENESIS = genesis_hash(REGTEST).hex()


@pytest.fixture(scope="module")
def installed() -> str:
    """Node, with the peer's packages in place; skips where they cannot be had."""
    return installed_packages(FOLDER)


class Peer:
    """The process."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def says(self, what: str) -> Any:
        """Its next line, which must be about ``what``."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
        line = self._process.stdout.readline() if ready else ""
        assert line, self._errors.read_text()
        return json.loads(line)[what]

    def end(self) -> int:
        """Tell it to end; its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(PATIENCE_S)


@contextmanager
def peer(runtime: str, tmp_path: Path, *arguments: str) -> Iterator[Peer]:
    """``peer.mjs`` with arguments."""
    errors = tmp_path / "js_peer.log"
    with (
        errors.open("w") as stream,
        subprocess.Popen(
            [runtime, FOLDER / "peer.mjs", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            bufsize=1,
        ) as process,
    ):
        try:
            yield Peer(process, errors)
        finally:
            process.kill()


def check_talk(said: dict[str, Any], tip: str) -> None:
    """What it found out is what the node has."""
    assert said["tip"] == tip
    assert said["headers"] == BLOCKS
    assert said["pings"] >= 1


def wait_for_nobody(one: NetworkNode) -> None:
    """Its peer is gone, and nothing was held against it."""
    ends = time.monotonic() + PATIENCE_S
    while one.peers()["peers"]:
        assert time.monotonic() < ends
        time.sleep(0.2)
    assert one.bans() == []
    assert one.node.process.poll() is None


def test_another_reader_of_the_bytes_agrees() -> None:
    done = subprocess.run(
        [node_js(), FOLDER / "peer.mjs", "vectors", VECTORS],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == len(json.loads(VECTORS.read_text())["messages"])


def test_a_js_peer_dials_a_node_and_is_dialled_by_it(installed: str, tmp_path: Path) -> None:
    with node(tmp_path / "node", "--archive") as one:
        tip = one.generate(BLOCKS)[-1]
        with peer(installed, tmp_path, "dial", GENESIS, one.address) as dialling:
            check_talk(dialling.says("done"), tip)
            (seen,) = one.peers()["peers"]
            assert seen["agent"] == "js-libp2p"
            assert seen["direction"] == "in"
            assert dialling.end() == 0
        wait_for_nobody(one)
        with peer(installed, tmp_path, "listen", GENESIS) as listening:
            said = one.esperd("connect", listening.says("listening"))
            assert "js-libp2p" in said
            check_talk(listening.says("done"), tip)
            (seen,) = one.peers()["peers"]
            assert seen["direction"] == "out"
            assert listening.end() == 0
        wait_for_nobody(one)
