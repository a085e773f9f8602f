"""Whole nodes for the network's measurements: on sockets of 127.0.0.1, without RPC or mining."""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio

from esper.consensus.chain import BlockBytes
from esper.consensus.genesis import genesis_hash
from esper.consensus.ports import WorkVerifier
from esper.node.chain.changes.arrival import GROUP_BLOCKS
from esper.node.clock import steady_ms, wall_ms
from esper.node.datadir import DataDirectory
from esper.node.peers.network_plan import NetworkPlan, network_service
from esper.node.peers.network_service import NetworkService
from esper.node.running_node import NodeParts, OpenNode, open_node
from esper.node.settings import Settings
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.service.endpoint import TcpEndpoint, protocols_of
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.identity import Identity
from esper.primitives.params import NetworkParameters
from esper.storage.store_options import StoreOptions
from tests.support.node.node_world import NoTexts

HOST = "127.0.0.1"


def plan(
    params: NetworkParameters, name: str, static: Sequence[PeerAddress] = (), **settings: Any
) -> NetworkPlan:
    """The part of a node in the network; its identity follows from its name."""
    identity = Identity.from_seed(hashlib.sha3_256(name.encode()).digest())
    chosen = NetworkSettings(
        hosts=(HOST,), static=tuple(static), connect_only=True, archive=True, agent=b"bench",
        **settings,
    )  # fmt: skip
    protocols = protocols_of(genesis_hash(params))
    endpoint = TcpEndpoint(identity, protocols, chosen.hosts, 0, spares=chosen.localities.spares)
    return NetworkPlan(chosen, identity.node_id, endpoint)


@contextmanager
def opened(
    folder: Path, params: NetworkParameters, verifier: WorkVerifier, network: NetworkPlan | None
) -> Iterator[OpenNode]:
    """A node on a folder, its files as a real node has them."""
    folder.mkdir(parents=True, exist_ok=True)
    options = StoreOptions(undo_depth=params.limits.undo_depth, reserve_bytes=0)
    parts = NodeParts(
        DataDirectory(folder, params), verifier, NoTexts(), wall_ms, None, options, network=network
    )
    settings = Settings(network=params.name, datadir=folder, archive=True)
    with open_node(settings, parts, lambda: None) as node:
        yield node


async def give(node: OpenNode, blocks: Sequence[BlockBytes]) -> None:
    """Let a node take blocks whose proofs are taken on trust."""
    judged = []
    parent = node.manager.headers_of(node.chain.tip)
    for one in blocks:
        assert parent is not None
        judged.append(await node.chain.judging.judge(one, parent, assumed=True))
        parent = judged[-1].headers
    for first in range(0, len(judged), GROUP_BLOCKS):
        adopted = await node.chain.adopt_many(judged[first : first + GROUP_BLOCKS])
        if adopted.failure is not None:
            raise adopted.failure


def address_of(service: NetworkService) -> PeerAddress:
    """Where a running service is dialled."""
    port = service._made_of.endpoint.port
    return PeerAddress(ip_from_text(HOST), port, service.node_id)


@asynccontextmanager
async def further_services(
    node: OpenNode, folder: Path, count: int, **settings: Any
) -> AsyncIterator[list[NetworkService]]:
    """So many network services on one chain: peers that share their disk."""
    services = []
    async with trio.open_nursery() as nursery:
        for number in range(count):
            own = folder / f"service{number}"
            own.mkdir(parents=True, exist_ok=True)
            service = network_service(
                plan(node.manager.params, f"{folder} {number}", **settings), own, node.manager,
                node.chain, node.mempool, node.events, wall=wall_ms, steady=steady_ms,
            )  # fmt: skip
            await nursery.start(service.run)
            services.append(service)
        yield services
        nursery.cancel_scope.cancel()


def processor_s() -> float:
    """Processor seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_kib() -> int:
    """Resident memory of this process, KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def load() -> float:
    """How many processes wanted a processor in the last minute."""
    return os.getloadavg()[0]


class Sampler:
    """Where threads stand, looked at every few milliseconds: which lines, and which calls."""

    def __init__(self, every_s: float = 0.004) -> None:
        self._every_s = every_s
        self._stop = threading.Event()
        self.taken = 0
        """Looks."""
        self.lines: Counter[str] = Counter()
        """Thread and innermost function."""
        self.calls: Counter[str] = Counter()
        """Thread and each function of the stack once."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="sampler")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        main = threading.main_thread().ident
        own = threading.get_ident()
        while not self._stop.is_set():
            time.sleep(self._every_s)
            self.taken += 1
            for ident, frame in sys._current_frames().items():
                if ident == own:
                    continue
                where = "loop" if ident == main else "thread"
                inner = True
                seen: set[str] = set()
                at = frame
                while at is not None:
                    code = at.f_code
                    short = f"{where} {Path(code.co_filename).name}:{code.co_qualname}"
                    if inner:
                        self.lines[f"{short}:{at.f_lineno}"] += 1
                        inner = False
                    if short not in seen:
                        seen.add(short)
                        self.calls[short] += 1
                    at = at.f_back  # type: ignore[assignment]

    def report(self, most: int = 45) -> str:
        """The most frequent, in percent of all looks."""
        rows = [f"{self.taken} looks"]
        for title, counted in (("innermost", self.lines), ("within", self.calls)):
            rows.append(title)
            rows += [
                f"{100 * count / max(self.taken, 1):6.1f} % {what}"
                for what, count in counted.most_common(most)
            ]
        return "\n".join(rows)
