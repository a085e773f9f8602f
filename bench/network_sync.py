"""Measure how fast a new node follows a chain, over sockets, from other nodes.

python -m bench.network_sync [--proven FILE] [--blocks 600] [--peers 4] [--assume-valid] [--runs 3]
                             [--verify-ms 3.6] [--look]

The peers are network services of one chain in another process, with the limits that every node has.
Without ``--proven`` the blocks are empty, their proofs FAKE, of a real one's size, and the verifier
computes for ``--verify-ms`` in place of the real one. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from esper.node.events import TipMoved
from esper.node.interpreter import share_interpreter
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress

from .network_chain import BenchChain, make
from .network_nodes import (
    HOST,
    Sampler,
    address_of,
    further_services,
    give,
    load,
    opened,
    plan,
    processor_s,
)

ROOT = Path(__file__).resolve().parents[1]
CHAINS = ROOT / ".tools" / "chains"
"""Chains that are made once."""
GIVE_UP_S = 600


def chain_of(asked: argparse.Namespace) -> BenchChain:
    """What is followed."""
    CHAINS.mkdir(parents=True, exist_ok=True)
    if asked.proven:
        return make(asked.proven, proven=True, blocks=asked.blocks, transfers=200)
    file = CHAINS / f"empty-{asked.blocks}.chain"
    return make(file, proven=False, blocks=asked.blocks, transfers=0)


async def serve(asked: argparse.Namespace) -> None:
    """Serve the chain until the input ends."""
    chain = chain_of(asked)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with opened(folder / "node", chain.params, chain.verifier(0.0), None) as node:
            await give(node, chain.blocks)
            # Addresses in the peers' own order; what they serve is theirs, the disk is shared.
            async with further_services(node, folder, asked.peers, alone=True) as services:
                said = [(one.node_id.hex(), address_of(one).port) for one in services]
                print(json.dumps(said), flush=True)
                await trio.to_thread.run_sync(sys.stdin.read)
                counters = services[0].counters()
                print(json.dumps({"processor_s": processor_s(), "counters": counters}), flush=True)


async def follow(asked: argparse.Namespace) -> None:
    """Follow it, and print how fast."""
    share_interpreter()
    chain = chain_of(asked)
    height = len(chain.blocks)
    static = [
        PeerAddress(ip_from_text(HOST), port, bytes.fromhex(node_id))
        for node_id, port in json.loads(asked.addresses)
    ]
    params = chain.params
    network = plan(params, "follower", static)
    if asked.assume_valid:
        from esper.consensus.header_isolation import read_header

        last = read_header(chain.blocks[-1].header, params.limits)
        settings = replace(network.settings, assume_valid=(height, last.block_id))
        network = replace(network, settings=settings)
    moves: list[tuple[float, int, float]] = []
    sampler, profile = Sampler(), cProfile.Profile(time.thread_time)
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder), params, chain.verifier(asked.verify_ms), network) as node,
    ):
        assert node.network is not None
        with trio.fail_after(GIVE_UP_S):
            async with trio.open_nursery() as nursery:
                with node.events.subscribe(TipMoved) as told:
                    await nursery.start(node.network.run)
                    async for moved in told:
                        if not moves and asked.look:
                            sampler.start()
                        if not moves and asked.profile:
                            profile.enable()
                        assert isinstance(moved, TipMoved)
                        moves.append((time.perf_counter(), moved.height, processor_s()))
                        if moved.height == height:
                            break
                profile.disable()
                if asked.profile:
                    shown = pstats.Stats(profile, stream=sys.stderr)
                    shown.sort_stats("tottime").print_stats(40)
                    shown.sort_stats("cumulative").print_stats(70)
                if asked.look:
                    sampler.stop()
                    print(sampler.report(), file=sys.stderr)
                counters = node.network.counters()
                nursery.cancel_scope.cancel()
    # From the first measured block on: what came before them is not what is measured.
    start = next(one for one in moves if one[1] >= chain.first)
    took, done = moves[-1][0] - start[0], height - start[1]
    print(
        json.dumps(
            {
                "blocks_per_s": done / took,
                "processor_ms": 1000 * (moves[-1][2] - start[2]) / done,
                "changes": len(moves),
                "blocks": done,
                "counters": counters,
            }
        )
    )


def once(asked: argparse.Namespace, arguments: list[str]) -> dict[str, Any]:
    """One run: peers in a process, the follower in another."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bench.network_sync", *arguments]
    peers = subprocess.Popen(
        [*command, "--serve"], cwd=ROOT, env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert peers.stdout is not None
    assert peers.stdin is not None
    try:
        addresses = peers.stdout.readline().strip()
        follower = subprocess.run(
            [*command, "--addresses", addresses], cwd=ROOT, env=environment, check=True,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        peers.stdin.close()
        served = json.loads(peers.stdout.readline())
    finally:
        peers.kill()
        peers.wait()
    found: dict[str, Any] = json.loads(follower.stdout)
    found["served"] = served
    return found


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proven", type=Path, help="a chain of real proofs; made if it is absent")
    parser.add_argument("--blocks", type=int, default=600)
    parser.add_argument("--peers", type=int, default=4)
    parser.add_argument("--assume-valid", action="store_true")
    parser.add_argument("--verify-ms", type=float, default=3.6)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--look", action="store_true", help="tell where the time goes")
    parser.add_argument(
        "--profile", action="store_true", help="tell what the event loop computes, by functions"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--addresses", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        trio.run(serve, asked)
    elif asked.addresses:
        trio.run(follow, asked)
    else:
        chain_of(asked)
        runs = [once(asked, sys.argv[1:]) for _ in range(asked.runs)]
        median = {
            name: statistics.median(run[name] for run in runs)
            for name in ("blocks_per_s", "processor_ms", "changes")
        }
        print(json.dumps(median | {"peers": asked.peers, "load": load(), "last": runs[-1]}))


if __name__ == "__main__":
    main()
