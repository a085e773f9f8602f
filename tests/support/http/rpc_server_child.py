"""A server of a fake node in a process of its own, whose memory and life can be watched."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).resolve().parents[3]
STATUS = b'{"jsonrpc":"2.0","method":"get_status","id":1}'

UNCLOSED = ("01", "08")
"""The kernel's names for established connections and for those that the other side alone closed."""


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def log(self) -> str:
        """What it wrote to its log."""
        return self._log.read_text(encoding="utf-8")

    def resident_bytes(self) -> int:
        """Memory that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def open_sockets(self) -> int:
        """Connections that it has not closed yet."""
        lines = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        return sum(
            line.split()[1].endswith(f":{self.port:04X}") and line.split()[3] in UNCLOSED
            for line in lines
        )

    def connect(self, timeout_s: float = 20.0) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def send(self, *parts: bytes, close: bool = False) -> bytes:
        """Send bytes; what came back until the server closed. ``close``: half, by us, first."""
        with self.connect() as client:
            try:
                for part in parts:
                    client.sendall(part)
                if close:
                    client.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return received(client)

    def assert_well(self) -> None:
        """It lives and answers an honest client."""
        assert self.process.poll() is None, self.log
        answer = self.send(post(STATUS, "Connection: close"))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        assert b'"height":1' in answer

    def answers(self) -> bool:
        """It answers an honest client, and does not turn it away as one too many.

        The place of a connection is free only some steps after its client has seen the end.
        """
        return b'"height":1' in self.send(post(STATUS, "Connection: close"))

    def assert_calm(self) -> None:
        """It lives, answers, and logged no failure."""
        self.assert_well()
        self.assert_no_failure()

    def assert_no_failure(self) -> None:
        """It lives and logged no failure."""
        assert self.process.poll() is None, self.log
        assert "Traceback" not in self.log, self.log


def received(client: socket.socket) -> bytes:
    """All that comes until the other side closes. A reset ends it too."""
    data = bytearray()
    try:
        while part := client.recv(65_536):
            data += part
    except ConnectionError:
        pass
    return bytes(data)


def post(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """An honest request."""
    head = [
        "POST / HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def eventually(done: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for another process to get there."""
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextmanager
def running(datadir: Path, files: int = 4096, /, **changes: Any) -> Iterator[Server]:
    """A server with these settings and at most so many open files."""
    log = datadir / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.http.rpc_server_child",
                str(datadir),
                str(files),
                json.dumps(changes),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
            cwd=ROOT,
            env={**os.environ, "ESPER_STALE_NATIVE": "allow"},
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield Server(process, int(line), log)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    """Serve until SIGTERM; say the port on stdout, and how long the end took on stderr."""
    import logging

    from esper.rpc.server import serve
    from tests.support.node.fake_node import FakeNode, settings

    datadir, files, changes = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    logging.basicConfig(level=logging.INFO)
    node = FakeNode()
    slow = changes.pop("slow_s", None)
    large = changes.pop("large", None)
    if slow is not None:
        node.behave = lambda name: trio.sleep(slow)
    if large is not None:
        node.blocks[1].work.extend(node.blocks[1].work * large)
    config = settings(datadir, **changes)

    async def until_told() -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                port = await nursery.start(
                    lambda task_status: serve(node, config, task_status=task_status)
                )
                print(port, flush=True)
                async for _ in signals:
                    begun = time.monotonic()
                    nursery.cancel_scope.cancel()
                    break
        print(f"ended after {time.monotonic() - begun:.2f} s", file=sys.stderr)

    trio.run(until_told)


if __name__ == "__main__":
    main()
