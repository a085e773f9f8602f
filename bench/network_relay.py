"""Measure how fast one block reaches ten nodes, and how many bytes that takes.

python -m bench.network_relay [--shape star|mesh] [--known] [--blocks 6] [--verify-ms 3.6]
python -m bench.network_relay --gossipsub [--shape star|mesh] [--blocks 6] [--bytes 500000]

Eleven nodes in one process, on sockets of 127.0.0.1. In a star ten nodes dial the first, which
finds the blocks; in a mesh each dials the next four. Blocks are of FAKE WORK: proofs of a real
one's size, a verifier that computes for ``--verify-ms``; 60 signed transfers, that the mempools
know with ``--known``. ``--gossipsub`` lets py-libp2p's pubsub carry a message of as many bytes,
which nobody checks, between as many hosts. Prints one JSON object, medians of blocks but the first
two: until the last part of it came at the last node, until the last node has proven it, until the
last has executed it; and for pubsub until the last host has it.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio

from esper.consensus.block import decode_body
from esper.node.events import TipMoved
from esper.node.interpreter import share_interpreter
from esper.node.running_node import OpenNode

from .network_chain import BenchChain, make
from .network_nodes import address_of, give, load, opened, plan, processor_s
from .network_sync import CHAINS

RECEIVERS = 10
WARM = 2
"""Blocks that are not measured: preferences settle."""
DIALS = 4
"""Of each node in a mesh."""
PATIENCE_S = 60.0
PROFILE = cProfile.Profile(time.thread_time)


class Arrivals:
    """When each node had what."""

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self.at: dict[str, dict[int, float]] = {}
        self._changed = trio.Event()

    def clear(self) -> None:
        """Another block."""
        self.at.clear()

    def note(self, what: str, node: int) -> None:
        """A node has it now; of parts of a block the last counts, until it is proven."""
        at = self.at.setdefault(what, {})
        if what != "came":
            at.setdefault(node, time.perf_counter())
        elif node not in self.at.get("proven", {}):
            at[node] = time.perf_counter()
        self._changed.set()
        self._changed = trio.Event()

    async def all_have(self, what: str) -> float:
        """When the last of them had it."""
        with trio.fail_after(PATIENCE_S):
            while len(self.at.get(what, {})) < self._nodes:
                await self._changed.wait()
        return max(self.at[what].values())


def dialled(shape: str, number: int, nodes: int) -> list[int]:
    """Whom a node dials: only nodes that were started before."""
    if shape == "star":
        return [0] if number else []
    if number < DIALS:
        return list(range(number))
    return [number - 1 - step for step in range(DIALS)]


def noting(
    judge: Callable[..., Awaitable[Any]], arrivals: Arrivals, node: int
) -> Callable[..., Awaitable[Any]]:
    """What a chain service does, and a note of when it was done."""

    async def judged(*given: object, **named: object) -> object:
        found = await judge(*given, **named)
        arrivals.note("proven", node)
        return found

    return judged


def coming(
    heard: Callable[..., list[Any]], arrivals: Arrivals, node: int
) -> Callable[..., list[Any]]:
    """What a relay does with a part of a block, and a note of when it came."""

    def hears(*given: object, **named: object) -> list[Any]:
        arrivals.note("came", node)
        return heard(*given, **named)

    return hears


async def tell_moves(node: OpenNode, arrivals: Arrivals, number: int) -> None:
    """Notes each change of chain."""
    with node.events.subscribe(TipMoved) as moves:
        async for _ in moves:
            arrivals.note("executed", number)


def carried(nodes: Sequence[OpenNode]) -> list[int]:
    """Bytes that each node has sent, on all links."""
    sent = []
    for node in nodes:
        assert node.network is not None
        links = [one.connection.link for one in node.network.table.all()]
        sent.append(sum(link.statistics().bytes_out for link in links))
    return sent


async def esper(asked: argparse.Namespace) -> dict[str, Any]:
    """Blocks over this project's relay."""
    share_interpreter()
    CHAINS.mkdir(parents=True, exist_ok=True)
    file = CHAINS / "transfers-60.chain"
    chain = make(file, proven=False, blocks=asked.blocks, transfers=60)
    arrivals = Arrivals(RECEIVERS)
    nodes: list[OpenNode] = []
    addresses: list[Any] = []
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for number in range(RECEIVERS + 1):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            static = [addresses[one] for one in dialled(asked.shape, number, RECEIVERS + 1)]
            network = plan(chain.params, f"node {number}", static, alone=number == 0)
            verifier = chain.verifier(asked.verify_ms)
            node = stack.enter_context(opened(folder, chain.params, verifier, network))
            await give(node, chain.blocks[: chain.first])
            assert node.network is not None
            await nursery.start(node.network.run)
            addresses.append(address_of(node.network))
            nodes.append(node)
            if number:
                nursery.start_soon(tell_moves, node, arrivals, number)
                node.chain.judging.judge_lists = noting(  # type: ignore[method-assign, assignment]
                    node.chain.judging.judge_lists, arrivals, number
                )
                relay = node.network.following.blocks
                for part in ("pushed", "answered"):
                    setattr(relay, part, coming(getattr(relay, part), arrivals, number))
        links = sum(len(dialled(asked.shape, one, len(nodes))) for one in range(len(nodes)))
        await joined(nodes, 2 * links)
        rows = [
            await one_block(asked, chain, nodes, arrivals, number)
            for number in range(chain.first, len(chain.blocks))
        ]
        nursery.cancel_scope.cancel()
    block = chain.blocks[-1]
    size = len(block.header) + len(block.body) + len(block.proof)
    found = medians(rows[WARM:]) | {"block_bytes": size, "links": links}
    # Naive: every node sends the whole block over each link but the one that it came by.
    found["flooded_bytes"] = size * (2 * links - RECEIVERS)
    return found


async def joined(nodes: Sequence[OpenNode], ends: int) -> None:
    """Until all links are there and idle."""
    with trio.fail_after(PATIENCE_S):
        while sum(len(one.network.table.settled()) for one in nodes if one.network) < ends:
            await trio.sleep(0.05)
    # The first claims are compared.
    await trio.sleep(4)


async def one_block(
    asked: argparse.Namespace,
    chain: BenchChain,
    nodes: Sequence[OpenNode],
    arrivals: Arrivals,
    number: int,
) -> dict[str, float]:
    """From the finder's chain to all others."""
    block = chain.blocks[number]
    if asked.known:
        body = decode_body(block.body, chain.params.limits.body_bytes)
        # All but the coinbase, the last of them.
        for transaction in body.transactions[:-1]:
            for node in nodes:
                await node.mempool.submit(transaction)
    first = nodes[0]
    assert first.network is not None
    await first.chain.submit(block)
    await trio.sleep(0.2)
    arrivals.clear()
    before, used = carried(nodes), processor_s()
    began = time.perf_counter()
    first.network.own_block(block.header, block.body, block.proof)
    proven = await arrivals.all_have("proven") - began
    executed = await arrivals.all_have("executed") - began
    came = max(arrivals.at["came"].values()) - began
    used = processor_s() - used
    if asked.profile and number == chain.first + WARM:
        PROFILE.enable()
    await trio.sleep(1)
    sent = [now - then for now, then in zip(carried(nodes), before, strict=True)]
    return {
        "came_ms": 1000 * came,
        "proven_ms": 1000 * proven,
        "executed_ms": 1000 * executed,
        "processor_ms": 1000 * used,
        "sent_by_finder": sent[0],
        "sent_by_all": sum(sent),
    }


async def gossipsub(asked: argparse.Namespace) -> dict[str, Any]:
    """Messages over py-libp2p's pubsub."""
    from libp2p import new_host
    from libp2p.peer.peerinfo import PeerInfo
    from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
    from libp2p.pubsub.pubsub import Pubsub
    from libp2p.tools.anyio_service import background_trio_service
    from multiaddr import Multiaddr  # type: ignore[import-untyped]

    arrivals = Arrivals(RECEIVERS)
    topic = "blocks"
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        hosts: list[Any] = []
        pubsubs: list[Any] = []

        async def receive(subscription: Any, number: int) -> None:
            while True:
                await subscription.get()
                arrivals.note("has", number)

        for number in range(RECEIVERS + 1):
            listen = [Multiaddr("/ip4/127.0.0.1/tcp/0")]
            host = new_host(listen_addrs=listen)
            await stack.enter_async_context(host.run(listen_addrs=listen))
            router = GossipSub([PROTOCOL_ID_V11], 8, 6, 12, heartbeat_interval=1)
            pubsub = Pubsub(host, router)
            await stack.enter_async_context(background_trio_service(router))
            await stack.enter_async_context(background_trio_service(pubsub))
            await pubsub.wait_until_ready()
            for one in dialled(asked.shape, number, RECEIVERS + 1):
                await host.connect(PeerInfo(hosts[one].get_id(), hosts[one].get_addrs()))
            subscription = await pubsub.subscribe(topic)
            if number:
                nursery.start_soon(receive, subscription, number)
            hosts.append(host)
            pubsubs.append(pubsub)
        await trio.sleep(5)
        rows = []
        for _ in range(asked.blocks):
            arrivals.clear()
            used, began = processor_s(), time.perf_counter()
            await pubsubs[0].publish(topic, secrets.token_bytes(asked.bytes))
            had = await arrivals.all_have("has") - began
            rows.append({"has_ms": 1000 * had, "processor_ms": 1000 * (processor_s() - used)})
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return medians(rows[WARM:])


def medians(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Of each number."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=["star", "mesh"], default="star")
    parser.add_argument("--known", action="store_true", help="mempools hold the transactions")
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--verify-ms", type=float, default=3.6)
    parser.add_argument("--gossipsub", action="store_true")
    parser.add_argument("--bytes", type=int, default=500_000)
    parser.add_argument("--profile", action="store_true", help="tell what the loop computes")
    asked = parser.parse_args()
    found = trio.run(gossipsub if asked.gossipsub else esper, asked)
    if asked.profile:
        PROFILE.disable()
        shown = pstats.Stats(PROFILE, stream=sys.stderr)
        shown.sort_stats("tottime").print_stats(30)
        shown.sort_stats("cumulative").print_stats(60)
    print(json.dumps(found | {"load": load()}))


if __name__ == "__main__":
    main()
