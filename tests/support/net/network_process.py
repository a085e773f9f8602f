"""Several real nodes of one network on loopback, for functional tests."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esper.rpc.methods import GENERATE, GET_STATUS
from esper.rpc.schema import GenerateParams, NoParams, Status
from tests.support.node.node_process import (
    BIN,
    PATIENCE_S,
    RunningNode,
    ask,
    environment,
    running,
    until,
)

SYNC_S = 120
BLOCK_S = 600


@dataclass
class NetworkNode:
    """A node of the network."""

    node: RunningNode

    @property
    def datadir(self) -> Path:
        return self.node.datadir

    def esperd(self, *arguments: str) -> str:
        """What an `esperd` command on it prints."""
        done = subprocess.run(
            [BIN / "esperd", *arguments, "--datadir", self.datadir],
            capture_output=True,
            text=True,
            check=False,
            timeout=10 * PATIENCE_S,
            env=environment(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def peers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.esperd("peers", "--json"))
        return found

    def bans(self) -> list[Any]:
        found: list[Any] = json.loads(self.esperd("bans", "--json"))["bans"]
        return found

    @property
    def address(self) -> str:
        """As ``--connect`` takes it."""
        address: str = self.peers()["network"]["multiaddr"]
        return address

    def generate(self, blocks: int) -> list[str]:
        """Mine so many on demand; their ids."""
        one = GenerateParams(1)
        return [ask(self.datadir, GENERATE, one, BLOCK_S).hashes[0] for _ in range(blocks)]

    def status(self) -> Status:
        return ask(self.datadir, GET_STATUS, NoParams())

    @property
    def tip(self) -> str:
        return self.status().tip

    def wait_for_tip(self, tip: str, patience_s: float = SYNC_S) -> None:
        until(
            f"{self.datadir.name} to reach {tip[:16]}",
            lambda: True if self.tip == tip else None,
            patience_s,
        )


@contextmanager
def node(
    datadir: Path, *arguments: str | Path, connect: tuple[str, ...] = ()
) -> Iterator[NetworkNode]:
    """``esperd node`` on regtest, which mines on demand; it dials ``connect``, or needs nobody."""
    named = [word for one in connect for word in ("--connect", one)]
    flags = ("--network", "regtest", *named, *arguments)
    with running("node", datadir, *flags, alone=not connect) as found:
        yield NetworkNode(found)


class CuttingProxy:
    """Stands between two nodes; may be cut, delayed, and mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._cut = False
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> None:
        """End all connections, and take none."""
        self._cut = True
        for one in self._sockets:
            one.close()
        self._sockets.clear()

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self._open = False
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        try:
            while True:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    other[one].sendall(data)
        except (OSError, ValueError):
            return
        finally:
            near.close()
            far.close()


@contextmanager
def proxied(address: str) -> Iterator[tuple[CuttingProxy, str]]:
    """A proxy before a node's address, and the address that leads through it."""
    head, _, rest = address.partition("/tcp/")
    port, _, peer = rest.partition("/p2p/")
    proxy = CuttingProxy(int(port))
    try:
        yield proxy, f"{head}/tcp/{proxy.port}/p2p/{peer}"
    finally:
        proxy.close()
