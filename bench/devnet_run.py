"""Run a devnet node with calls arriving, and measure it from outside.

python -m bench.devnet_run [--minutes 60] [--threads 2] [--call-every 30]

Calls arrive at random, on average one in so many seconds (the seed is fixed). JSON-RPC is asked ten
times a second by one client, reading methods in turns. Memory is that of the node's process, its
workers apart. Counting begins after a minute, when the first blocks have been mined and the first
call has been answered. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from esper.consensus.genesis import genesis_hash
from esper.crypto.demo_key import demo_key
from esper.primitives.address import Address
from esper.primitives.networks import DEMO_ADDRESS, DEVNET
from esper.primitives.units import UNITS_PER_ESP
from esper.rpc import schema as s
from esper.rpc.client import NodeError, RpcClient
from esper.vm.stake import Stake
from esper.vm.transaction import Payload
from esper.wallet.asked_call import asked_call
from esper.wallet.builder import signed
from esper.wallet.intents import prepared
from esper.wallet.node_port import RpcNode

ADDRESS = Address.from_bytes(DEMO_ADDRESS).to_text(DEVNET.address_prefix)
PROMPTS = ("Once upon a time", "Tom had a red ball.", "The little dog", "One day, Lily saw")
ANSWER_TOKENS = (8, 12, 16)
STAKED = 1000 * UNITS_PER_ESP
ASK_EVERY_S = 0.1
WARM_UP_S = 60
MEMORY_EVERY_S = 10


@dataclass
class Seen:
    """What was measured."""

    latencies_ms: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    worker_mib: list[float] = field(default_factory=list)
    made: dict[str, float] = field(default_factory=dict)
    answered_s: list[float] = field(default_factory=list)


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def children(pid: int) -> list[int]:
    """Processes that a process started, of all its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


class Visitor:
    """One user of a node: a client that looks, and a wallet that calls."""

    def __init__(self, client: RpcClient, seed: int) -> None:
        self._client = client
        self._node = RpcNode(client)
        self._chooser = random.Random(seed)
        self._turn = 0
        self.seen = Seen()

    def height(self) -> int:
        """The node's tip."""
        return self._client.status().height

    def submit(self, payload: Payload) -> str:
        """Sign with the demonstration key and hand in; the id."""
        bare = prepared(self._node, DEVNET, ADDRESS, payload)
        done = signed(bare, demo_key(), genesis_hash(DEVNET), DEVNET.limits)
        return self._client.submit(s.SubmitParams(done.to_bytes().hex())).txid

    def call(self) -> None:
        """Ask the model something."""
        chosen = self._chooser
        payload, _ = asked_call(
            self._node, DEVNET, chosen.choice(PROMPTS), chosen.choice(ANSWER_TOKENS)
        )
        self.seen.made[self.submit(payload)] = time.monotonic()

    def collect(self) -> None:
        """See which calls have been answered."""
        for txid, began in list(self.seen.made.items()):
            if self._client.call_reply(s.TransactionParams(txid)).status == "answered":
                self.seen.answered_s.append(time.monotonic() - began)
                del self.seen.made[txid]

    def look(self) -> None:
        """One timed question, the methods in turns."""
        methods: tuple[Callable[[], object], ...] = (
            self._client.status,
            lambda: self._client.account(s.AccountParams(ADDRESS)),
            lambda: self._client.block(s.BlockParams()),
            lambda: self._client.history(s.HistoryParams(ADDRESS, limit=20)),
            self._client.mempool,
        )
        ask = methods[self._turn % len(methods)]
        self._turn += 1
        began = time.perf_counter()
        ask()
        self.seen.latencies_ms.append(1000 * (time.perf_counter() - began))

    def pause(self, mean_s: float) -> float:
        """Seconds to the next call."""
        return self._chooser.expovariate(1 / mean_s)


def percentile(values: list[float], part: float) -> float:
    """The value below which this part of the values lies."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def warm_up(visitor: Visitor) -> None:
    """First blocks, a stake, a call that is answered."""
    ends = time.monotonic() + WARM_UP_S
    visitor.submit(Stake(STAKED))
    while time.monotonic() < ends or visitor.seen.made:
        time.sleep(1)
        if not visitor.seen.made and not visitor.seen.answered_s:
            try:
                visitor.call()
            except Exception as error:
                print(f"no credits yet: {error}", file=sys.stderr)
        visitor.collect()
    visitor.seen.answered_s.clear()


def watch(visitor: Visitor, pid: int, seconds: float, call_every_s: float) -> dict[str, float]:
    """Look, call and count for so long."""
    seen = visitor.seen
    began = time.monotonic()
    first = visitor.height()
    next_call, next_memory = began + visitor.pause(call_every_s), began
    calls = refused = 0
    while (now := time.monotonic()) < began + seconds:
        visitor.look()
        if now >= next_call:
            next_call = now + visitor.pause(call_every_s)
            try:
                visitor.call()
                calls += 1
            except NodeError:
                refused += 1
        if now >= next_memory:
            next_memory += MEMORY_EVERY_S
            seen.memory_mib.append(resident_mib(pid))
            seen.worker_mib.append(sum(map(resident_mib, children(pid))))
            visitor.collect()
        time.sleep(max(0.0, now + ASK_EVERY_S - time.monotonic()))
    took = time.monotonic() - began
    quarter = max(len(seen.memory_mib) // 4, 1)
    return {
        "minutes": took / 60,
        "blocks": visitor.height() - first,
        "blocks_expected": 1000 * took / DEVNET.difficulty.spacing_ms,
        "calls": calls,
        "calls_refused": refused,
        "calls_answered": len(seen.answered_s),
        "answer_median_s": statistics.median(seen.answered_s) if seen.answered_s else 0.0,
        "rpc_requests": len(seen.latencies_ms),
        "rpc_p50_ms": percentile(seen.latencies_ms, 0.50),
        "rpc_p99_ms": percentile(seen.latencies_ms, 0.99),
        "rpc_max_ms": max(seen.latencies_ms),
        "node_mib_first_quarter": statistics.mean(seen.memory_mib[:quarter]),
        "node_mib_last_quarter": statistics.mean(seen.memory_mib[-quarter:]),
        "workers_mib_first_quarter": statistics.mean(seen.worker_mib[:quarter]),
        "workers_mib_last_quarter": statistics.mean(seen.worker_mib[-quarter:]),
    }


def measure(minutes: float, threads: int, call_every_s: float) -> dict[str, float]:
    """Start a node in a new folder, measure it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        datadir = Path(folder) / "devnet"
        command = [Path(sys.executable).parent / "esperd", "mine", "--network", "devnet"]
        command += ["--datadir", datadir, "--rpc-port", "0"]
        command += ["--threads", str(threads), "--prove-threads", str(threads)]
        with (Path(folder) / "log").open("wb") as log:
            node = subprocess.Popen([*map(str, command)], stderr=log, start_new_session=True)
        try:
            while not (datadir / "rpc.cookie").exists():
                if node.poll() is not None:
                    raise RuntimeError((Path(folder) / "log").read_text())
                time.sleep(0.1)
            with RpcClient.from_environment({}, datadir) as client:
                visitor = Visitor(client, seed=1)
                warm_up(visitor)
                visitor.seen.latencies_ms.clear()
                found = watch(visitor, node.pid, 60 * minutes, call_every_s)
                mining = client.mining()
                stops = time.monotonic()
                node.send_signal(signal.SIGTERM)
                node.wait(30)
        finally:
            if node.poll() is None:
                node.kill()
        return {
            **found,
            "stale_per_mille": mining.stale_per_mille,
            "proof_ms": mining.proof_ms,
            "attempts_per_second": mining.attempts_per_second,
            "usefulness_per_mille": mining.usefulness_per_mille,
            "shutdown_s": time.monotonic() - stops,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--call-every", type=float, default=30.0)
    options = parser.parse_args()
    print(json.dumps(measure(options.minutes, options.threads, options.call_every)))
