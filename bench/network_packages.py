"""Measure how fast chunks of a package go from one node to another, beside the bare stream.

python -m bench.network_packages [--mib 48] [--runs 3]

Both nodes are in one process, on sockets of 127.0.0.1; the package lies in memory and the rates of
bytes are lifted, so what is measured is messages, machines, digests and threads. The bare stream is
the bulk stream of the same links (Yamux of this project over libp2p's Noise), whose bytes nobody
looks at. Prints one JSON object, medians of the runs: MiB a second, processor time of both ends.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Awaitable, Callable

import trio

from esper.node.interpreter import share_interpreter
from esper.p2p.limits import MIB, PACKAGE_ASK_BURST
from esper.p2p.service.settings import NetworkSettings
from tests.support.net.bare_network import bare_network, running
from tests.support.net.package_store import Shelf, package
from tests.support.net.transport_world import HOST, world

from .network_nodes import load, processor_s

UNLIMITED = 1 << 34
"""Bytes a second."""
PIECE = 1 << 16
"""Bytes that a reader of the bare stream takes at once, as a connection does."""


async def chunks(mib: int) -> dict[str, float]:
    """So many chunks of a MiB from one node to another."""
    one, shelf = package(mib, size=MIB), Shelf()
    settings = NetworkSettings(
        hosts=(HOST,), package_upload_per_s=UNLIMITED, package_download_per_s=UNLIMITED
    )
    seeder = bare_network(1, settings=settings, models=Shelf(one).source)
    node = bare_network(2, settings=settings, models=shelf.source)
    async with running(seeder, node):
        await seeder.packages.offer(one.root)
        await node.meet(seeder)
        await node.peers(1)
        await seeder.peers(1)
        began, used = time.perf_counter(), processor_s()
        await node.packages.fetch(one.root)
        found = _measured(mib, began, used)
    if not shelf.is_whole(one):
        raise RuntimeError("the package is not whole")
    return found


async def bare(mib: int) -> dict[str, float]:
    """As many bytes over the bulk stream of a link."""
    data = package(1, size=MIB).chunks[0]
    async with world() as made:
        link = await made.dial()
        began, used = time.perf_counter(), processor_s()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send, link.bulk.send_all, data, mib)
            far = (await made.link()).bulk
            left = mib * MIB
            while left:
                left -= len(await far.receive_some(PIECE))
        return _measured(mib, began, used)


async def _send(send_all: Callable[[bytes], Awaitable[None]], data: bytes, times: int) -> None:
    for _ in range(times):
        await send_all(data)


def _measured(mib: int, began: float, used: float) -> dict[str, float]:
    took, used = time.perf_counter() - began, processor_s() - used
    return {"mib_per_s": mib / took, "processor_ms": 1000 * used / mib}


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=48)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    if asked.mib >= PACKAGE_ASK_BURST:
        parser.error(f"--mib must be below {PACKAGE_ASK_BURST}: from there on requests are paced")
    share_interpreter()
    rows: dict[str, list[dict[str, float]]] = {"chunks": [], "bare": []}
    for _ in range(asked.runs):
        rows["chunks"].append(trio.run(chunks, asked.mib))
        rows["bare"].append(trio.run(bare, asked.mib))
    found = {
        f"{what}_{name}": statistics.median(row[name] for row in made)
        for what, made in rows.items()
        for name in ("mib_per_s", "processor_ms")
    }
    print(json.dumps(found | {"load": load()}))


if __name__ == "__main__":
    main()
