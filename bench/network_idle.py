"""Measure what peers cost a node that has nothing to do: memory and processor time.

python -m bench.network_idle [--seconds 60] [--peers 10]

One node alone in this process; the peers are network services of another process, and dial it. Both
have a chain of eight empty blocks of FAKE WORK. Prints one JSON object: resident KiB with one peer
(what the first brings along is the library) and with all, and the share of a processor while idle.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from esper.node.interpreter import share_interpreter
from esper.node.peers.network_service import NetworkService
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress

from .network_chain import BenchChain, make
from .network_nodes import (
    HOST,
    address_of,
    further_services,
    give,
    load,
    opened,
    plan,
    processor_s,
    resident_kib,
)
from .network_sync import CHAINS, ROOT

PATIENCE_S = 60.0
SETTLE_S = 10.0


def chain_of() -> BenchChain:
    """What all stand on."""
    CHAINS.mkdir(parents=True, exist_ok=True)
    return make(CHAINS / "empty-8.chain", proven=False, blocks=8, transfers=0)


async def visit(port: int, node_id: str, count: int) -> None:
    """Dial a node as so many peers, until the input ends."""
    chain = chain_of()
    peer = PeerAddress(ip_from_text(HOST), port, bytes.fromhex(node_id))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with opened(folder / "node", chain.params, chain.verifier(0.0), None) as node:
            await give(node, chain.blocks)
            async with further_services(node, folder, count, static=(peer,)):
                await trio.to_thread.run_sync(sys.stdin.read)


@contextmanager
def visitors(service: NetworkService, count: int) -> Iterator[None]:
    """A process of peers."""
    own = address_of(service)
    command = [
        sys.executable, "-m", "bench.network_idle", "--visit",
        str(own.port), own.peer_id.hex(), str(count),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def idle(seconds: float) -> float:
    """The share of a processor that this process takes meanwhile."""
    began, used = time.perf_counter(), processor_s()
    await trio.sleep(seconds)
    return (processor_s() - used) / (time.perf_counter() - began)


async def measure(asked: argparse.Namespace) -> dict[str, float]:
    """Alone, with one peer, with all."""
    share_interpreter()
    chain = chain_of()
    network = plan(chain.params, "idle", alone=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder), chain.params, chain.verifier(0.0), network) as node,
    ):
        await give(node, chain.blocks)
        service = node.network
        assert service is not None

        async def have(count: int) -> int:
            with trio.fail_after(PATIENCE_S):
                while len(service.table.settled()) < count:
                    await trio.sleep(0.05)
            await trio.sleep(SETTLE_S)
            return resident_kib()

        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            alone_kib = await have(0)
            alone = await idle(asked.seconds / 2)
            with visitors(service, 1):
                one_kib = await have(1)
                with visitors(service, asked.peers - 1):
                    all_kib = await have(asked.peers)
                    visited = await idle(asked.seconds)
                    links = [one.connection.link for one in service.table.settled()]
                    carried = sum(one.statistics().bytes_out for one in links)
            nursery.cancel_scope.cancel()
    return {
        "alone_kib": alone_kib,
        "one_peer_kib": one_kib,
        "all_kib": all_kib,
        "kib_a_peer": (all_kib - one_kib) / (asked.peers - 1),
        "processor_alone": alone,
        "processor_visited": visited,
        "bytes_out": carried,
    }


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--peers", type=int, default=10)
    parser.add_argument("--visit", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.visit:
        trio.run(visit, int(asked.visit[0]), asked.visit[1], int(asked.visit[2]))
    else:
        print(json.dumps(trio.run(measure, asked) | {"load": load()}))


if __name__ == "__main__":
    main()
