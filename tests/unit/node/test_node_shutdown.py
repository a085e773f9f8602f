"""A real ``esperd`` on regtest: how it ends, and what it says when it cannot begin."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from esper.node.datadir import RESULTS_FILE, SECRET_FILE
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.auth import COOKIE_FILE, Cookie, read_cookie
from esper.rpc.client import RpcClient, RpcClientError
from esper.storage.segments.block_files import BlockFiles
from tests.unit.node.workers.test_node_workers import children, gone_within

pytestmark = pytest.mark.serial

PATIENCE_S = 60
"""For a start on a busy machine."""
END_S = 5
"""A node that is told to end is gone within that."""
ESPERD = [sys.executable, "-c", "from esper.cli.entry import esperd; esperd()"]


@dataclass
class Running:
    """A node that mines, and what it told."""

    process: "subprocess.Popen[str]"
    datadir: Path
    lines: list[str]

    def wait_for(self, pattern: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = next((line for line in self.lines if re.search(pattern, line)), None)
            if found is not None:
                return found
            assert self.process.poll() is None, self.lines
            time.sleep(0.02)
        raise AssertionError(f"nothing like {pattern!r} in {self.lines}")

    @property
    def cookie(self) -> Cookie:
        found = read_cookie(self.datadir)
        assert found is not None
        return found


def command(datadir: Path, *more: str) -> list[str]:
    settings = ["--network", "regtest", "--datadir", str(datadir), "--rpc-port", "0", "--port", "0"]
    return [*ESPERD, "mine", *settings, "--threads", "1", "--prove-threads", "1", *more]


@contextmanager
def mining(datadir: Path) -> Iterator[Running]:
    process = subprocess.Popen(
        command(datadir), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    lines: list[str] = []
    listener = threading.Thread(target=lines.extend, args=(process.stderr,))
    listener.start()
    try:
        yield Running(process, datadir, lines)
    finally:
        process.kill()
        process.wait()
        listener.join()
        process.stderr.close()


def refused(datadir: Path, *more: str) -> tuple[int, str]:
    """Status and words of a node that cannot begin."""
    done = subprocess.run(
        command(datadir, *more), stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stderr


def ask_until(cookie: Cookie, over: threading.Event) -> None:
    """Keep the server busy until the node is gone."""
    with RpcClient(cookie.url, token=cookie.token) as client, suppress(RpcClientError):
        while not over.is_set():
            client.call(m.GET_STATUS, s.NoParams())


def ended(node: Running, number: int) -> None:
    """Tell a node to end while it mines and is asked, and look at what it leaves."""
    node.wait_for(r" block 1 ")
    cookie, over = node.cookie, threading.Event()
    asking = threading.Thread(target=ask_until, args=(cookie, over))
    asking.start()
    workers = children(node.process.pid)
    assert len(workers) >= 2
    # As a terminal does it: the whole group hears it.
    began = time.monotonic()
    os.killpg(node.process.pid, number)
    status = node.process.wait(PATIENCE_S)
    took = time.monotonic() - began
    over.set()
    asking.join()
    assert status == 0, node.lines
    assert took < END_S
    assert all(gone_within(worker, 1) for worker in workers)
    assert not (node.datadir / COOKIE_FILE).exists()
    assert cookie.token not in "".join(node.lines)


def assert_complete(node: Running) -> None:
    """Everything that was told is on disk, and no secret was told. The node has ended."""
    told = "".join(node.lines)
    last = re.search(r"stopped at height (\d+)", told)
    assert last is not None, told
    height = int(last[1])
    blocks = [int(number) for number in re.findall(r" block (\d+) ", told)]
    assert blocks == list(range(1, max(blocks) + 1))
    assert height >= max(blocks)
    assert len(list(BlockFiles(node.datadir))) == height
    assert "Traceback" not in told
    assert "ERROR" not in told
    for file in (SECRET_FILE, RESULTS_FILE):
        path = node.datadir / file
        assert not path.exists() or path.read_bytes().hex() not in told


def test_sigterm_and_what_a_second_node_is_told(tmp_path: Path) -> None:
    with mining(tmp_path / "a") as node:
        node.wait_for(r"RPC on 127\.0\.0\.1 port \d+")
        port = str(urlsplit(node.cookie.url).port)
        status, said = refused(tmp_path / "a")
        assert status == 1, said
        [line] = [line for line in said.splitlines() if line.startswith("error: ")]
        assert str(tmp_path / "a") in line
        assert "use" in line
        status, said = refused(tmp_path / "b", "--rpc-port", port)
        assert status == 2, said
        [line] = [line for line in said.splitlines() if line.startswith("error: ")]
        assert f"cannot listen on 127.0.0.1 port {port}" in line
        assert "Traceback" not in said
        # Neither of them took anything from the first one.
        assert node.process.poll() is None
        ended(node, signal.SIGTERM)
    assert_complete(node)


def test_ctrl_c(tmp_path: Path) -> None:
    with mining(tmp_path / "a") as node:
        ended(node, signal.SIGINT)
    assert_complete(node)


def test_a_signal_during_the_start(tmp_path: Path) -> None:
    with mining(tmp_path / "a") as node:
        node.wait_for(r"RPC on ")
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(END_S) == 0
    assert "Traceback" not in "".join(node.lines)
