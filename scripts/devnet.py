"""Run a development network on this machine: several nodes of which some mine, until ctrl-C.

python scripts/devnet.py [--nodes 3] [--miners 2] [--folder devnet-data] [--port 29333]

The first node keeps every proof and mines without peers; the others connect to it. Each has its
data directory below the folder, and its name before each of its log lines. Ctrl-C stops all of
them, a second one kills them; one that dies is said, and the others go on.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from esper.p2p.peers.multiaddr import Multiaddr, parse_endpoint, peer_id_from_text
from esper.rpc.auth import CookieError
from esper.rpc.client import NodeError, RpcClient, RpcClientError
from esper.rpc.errors import NO_NETWORK
from esper.rpc.methods import GET_NETWORK
from esper.rpc.schema import NoParams

ESPERD: Final = Path(sys.executable).with_name("esperd")
NETWORK: Final = "devnet"
LOOPBACK: Final = "127.0.0.1"
MOST_NODES: Final = 32
LOOK_EVERY_S: Final = 0.2
START_S: Final = 60.0
"""A first start builds indexes and reads the model."""
BOUNCE_S: Final = 0.5
"""A second wish to end that comes sooner is the first one again: `timeout` sends two."""
LINE_BYTES: Final = 1 << 16
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A node that is to run."""

    name: str
    """Before its log lines; also of its folder."""
    datadir: Path
    arguments: tuple[str, ...]
    """Of ``esperd``."""
    does: str
    """In a phrase."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that a node wrote."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A node's process is gone."""

    name: str
    status: int
    """Below 0: the signal that killed it."""


@dataclass(frozen=True, slots=True)
class Signalled:
    """Somebody wishes that all ends."""


Event = Line | Ended | Signalled
AddressOf = Callable[[Path], str | None]
"""Where the node of a data directory can be dialled; None: ask again. Raises RuntimeError."""


def plans(
    folder: Path, nodes: int, miners: int, *, port: int, rpc_port: int, threads: int
) -> list[Plan]:
    """What each node is started with. A port of 0: any that is free."""
    found = []
    for number in range(1, nodes + 1):
        first, mines = number == 1, number <= miners
        own = port + number - 1 if port else 0
        rpc = rpc_port if first else 0
        datadir = folder / f"node{number}"
        words = ["mine" if mines else "node", "--network", NETWORK, "--datadir", str(datadir)]
        words += ["--listen", LOOPBACK, "--port", str(own), "--rpc-port", str(rpc)]
        words += ["--threads", str(threads), "--prove-threads", str(threads)] if mines else []
        words += ["--archive", "--alone"] if first else []
        does = "mines" if mines else "keeps the chain"
        does += ", keeps every proof" if first else ", connects to node1"
        found.append(Plan(f"node{number}", datadir, tuple(words), f"{does}, data in {datadir}"))
    return found


def address_of(datadir: Path) -> str | None:
    """As its RPC says. Raises RuntimeError if nobody can dial it."""
    try:
        with RpcClient.from_environment({}, datadir, 5.0) as client:
            now = client.call(GET_NETWORK, NoParams())
    except NodeError as error:
        if error.code != NO_NETWORK:
            return None
        raise RuntimeError(str(error)) from error
    except (RpcClientError, CookieError):
        return None
    if not now.listening:
        raise RuntimeError("it lets nobody in")
    ip, port = parse_endpoint(now.listening)
    return str(Multiaddr(ip, port, peer_id_from_text(now.peer_id)))


class Devnet:
    """The nodes, their log lines, and their end."""

    def __init__(
        self,
        planned: Sequence[Plan],
        say: Callable[[str], None],
        esperd: Sequence[str] = (str(ESPERD),),
        address: AddressOf = address_of,
    ) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        """Filled by threads and by handlers of signals."""
        self._planned = planned
        self._say = say
        self._esperd = esperd
        self._address = address
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._width = max(len(one.name) for one in planned)
        self._stops = 0
        """How often somebody wished the end."""
        self._stopped_at = -BOUNCE_S
        self._failed = False

    def run(self) -> int:
        """Until all nodes have ended. Status 0 if that was wished, 1 if one ended by itself."""
        first, *others = self._planned
        try:
            self._start(first)
            address = self._wait_for(first) if others else None
            if address is not None:
                for one in others:
                    self._start(one, "--connect", address)
            while self._running:
                self._take(self.events.get())
        finally:
            # Whatever happened here, no node is left behind.
            self._signal(signal.SIGKILL)
        return 1 if self._failed else 0

    def _start(self, plan: Plan, *more: str) -> None:
        if self._stops:
            return
        self._tell(plan.name, plan.does)
        process = subprocess.Popen(
            [*self._esperd, *plan.arguments, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # The terminal's ctrl-C comes here alone, and is passed on once.
            start_new_session=True,
            preexec_fn=_as_a_node_should_begin,
        )
        self._running[plan.name] = process
        threading.Thread(target=self._read, args=(plan.name, process), daemon=True).start()

    def _read(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in _lines(stream):
                self.events.put(Line(name, line))
        self.events.put(Ended(name, process.wait()))

    def _wait_for(self, first: Plan) -> str | None:
        """Where the first node can be dialled; None if it ends before."""
        looks = time.monotonic()
        ends = looks + START_S
        while first.name in self._running and not self._stops:
            try:
                self._take(self.events.get(timeout=max(looks - time.monotonic(), 0.0)))
                continue
            except queue.Empty:
                looks = time.monotonic() + LOOK_EVERY_S
            try:
                found = self._address(first.datadir)
            except RuntimeError as error:
                self._give_up(f"{first.name} cannot be dialled: {error}")
                return None
            if found is not None:
                return found
            if looks > ends:
                self._give_up(f"{first.name} does not say within {START_S:g} s where it is")
        return None

    def _give_up(self, why: str) -> None:
        self._say(f"{why}; the others are not started")
        self._failed = True
        self.events.put(Signalled())

    def _take(self, event: Event) -> None:
        match event:
            case Line(name, text):
                self._tell(name, text)
            case Ended(name, status):
                del self._running[name]
                self._ended(name, status)
            case Signalled():
                now = time.monotonic()
                if now - self._stopped_at < BOUNCE_S:
                    return
                self._stops, self._stopped_at = self._stops + 1, now
                if self._stops == 1:
                    self._say(f"stopping {_counted(len(self._running))}; ctrl-C again kills")
                self._signal(signal.SIGINT if self._stops == 1 else signal.SIGKILL)

    def _ended(self, name: str, status: int) -> None:
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        if self._stops:
            self._tell(name, f"ended, {how}" if status else "stopped")
            return
        self._failed = True
        self._tell(name, f"ended by itself, {how}; {_counted(len(self._running))} left")

    def _signal(self, number: signal.Signals) -> None:
        """To a node alone, or with its workers if it is to be killed."""
        for process in self._running.values():
            try:
                if number == signal.SIGKILL:
                    os.killpg(process.pid, number)
                else:
                    process.send_signal(number)
            except ProcessLookupError:
                pass

    def _tell(self, name: str, text: str) -> None:
        self._say(f"{name:{self._width}} | {text}")


def _counted(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"


_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def _as_a_node_should_begin() -> None:
    """It hears ctrl-C, and stops when this script is gone, however it went."""
    # What a shell starts with `&` ignores ctrl-C, and so would a node that is asked to stop early.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Until everybody has closed it; a line that is too long comes in pieces."""
    while line := stream.readline(LINE_BYTES):
        yield line.decode("utf-8", "replace").rstrip("\n")


def main(given: Sequence[str] | None = None) -> int:
    """Run it. The status is that of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=3, help="how many; 3")
    parser.add_argument("--miners", type=int, default=2, help="how many of them mine; 2")
    parser.add_argument("--folder", type=Path, default=Path("devnet-data"), help="of all data")
    parser.add_argument("--port", type=int, default=29333, help="of node1; 0: any that are free")
    parser.add_argument("--rpc-port", type=int, default=9334, help="of node1; 0: any")
    parser.add_argument("--threads", type=int, default=0, help="of each miner; 0: its share")
    parser.add_argument("--esperd", default=str(ESPERD), help=argparse.SUPPRESS)
    told = parser.parse_args(given)
    if not 1 <= told.nodes <= MOST_NODES:
        parser.error(f"--nodes {told.nodes}: name 1 to {MOST_NODES}")
    if not told.miners >= 1:
        parser.error(f"--miners {told.miners}: node1 mines always, name 1 or more")
    if (told.folder / "chain.json").exists():
        one = told.folder / "node1"
        parser.error(
            f"{told.folder} is the data directory of a single node: move what is in it to {one}, "
            "or name another --folder"
        )
    miners = min(told.miners, told.nodes)
    threads = told.threads or max(1, len(os.sched_getaffinity(0)) // miners)
    planned = plans(
        told.folder, told.nodes, miners, port=told.port, rpc_port=told.rpc_port, threads=threads
    )

    def say(text: str) -> None:
        try:
            print(text, flush=True)
        except BrokenPipeError:
            # Nobody reads any more: the nodes need not run.
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
            devnet.events.put(Signalled())

    devnet = Devnet(planned, say, [told.esperd])
    for number in SIGNALS:
        signal.signal(number, lambda *_: devnet.events.put(Signalled()))
    return devnet.run()


if __name__ == "__main__":
    sys.exit(main())
