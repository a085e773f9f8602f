"""Run a devnet node with calls arriving, and measure it from outside.

python -m bench.devnet_run [--minutes 60] [--threads 2] [--call-every 30] [--timeline FILE]

Calls arrive at random, on average one in so many seconds (the seed is fixed). JSON-RPC is asked ten
times a second by one client, reading methods in turns. Memory is looked at every ten seconds, of
the node's process and of its workers by what they do. Blocks are expected twice: by the spacing
that the target rule steers to, and by the speed and target that there were, second by second.

Counting begins after a minute, when the first blocks have been mined and the first call has been
answered. Prints one JSON object, its lists by quarters of the time; --timeline FILE gets a line of
memory, height and speed every ten seconds.
"""

from __future__ import annotations

import argparse
import itertools
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
from typing import Any

from esper.consensus.genesis import genesis_hash
from esper.crypto.demo_key import demo_key
from esper.primitives.address import Address
from esper.primitives.networks import DEMO_ADDRESS, DEVNET
from esper.primitives.units import UNITS_PER_ESP
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.client import NodeError, RpcClient
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.wallet.asked_call import asked_call
from esper.wallet.making.builder import signed
from esper.wallet.making.intents import prepared

ADDRESS = Address.from_bytes(DEMO_ADDRESS).to_text(DEVNET.address_prefix)
PROMPTS = ("Once upon a time", "Tom had a red ball.", "The little dog", "One day, Lily saw")
ANSWER_TOKENS = (8, 12, 16)
STAKED = 1000 * UNITS_PER_ESP
ASK_EVERY_S = 0.1
WARM_UP_S = 60
MEMORY_EVERY_S = 10
ODDS_EVERY_S = 1


@dataclass(frozen=True)
class Memory:
    """What the processes of a node hold at one moment, in MiB."""

    seconds: float
    node: float
    searcher: float
    provers: float

    @classmethod
    def of(cls, pid: int, seconds: float) -> Memory:
        """Of this node, now."""
        held = {"search": 0.0, "prove": 0.0}
        for child in children(pid):
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            for role in held:
                held[role] += resident_mib(child) if role in words else 0.0
        return cls(seconds, resident_mib(pid), held["search"], held["prove"])


@dataclass
class Seen:
    """What was measured."""

    latencies_ms: list[float] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
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
        self._chooser = random.Random(seed)
        self._turn = 0
        self.seen = Seen()

    def height(self) -> int:
        """The node's tip."""
        return self._client.call(m.GET_STATUS, s.NoParams()).height

    def attempts_per_second(self) -> float:
        """How fast the node searches while it does."""
        return self._client.call(m.GET_MINING, s.NoParams()).attempts_per_second

    def blocks_per_second(self) -> float:
        """What the target of now and the speed of now give: a ticket, then its proof."""
        mining = self._client.call(m.GET_MINING, s.NoParams())
        if not mining.expected_block_ms:
            return 0.0
        return 1000 / (mining.expected_block_ms + mining.proof_ms)

    def submit(self, payload: Payload) -> str:
        """Sign with the demonstration key and hand in; the id."""
        bare = prepared(self._client, DEVNET, ADDRESS, payload)
        done = signed(bare, demo_key(), genesis_hash(DEVNET), DEVNET.limits)
        return self._client.call(m.SUBMIT_TRANSACTION, s.SubmitParams(done.to_bytes().hex())).txid

    def call(self) -> None:
        """Ask the model something."""
        chosen = self._chooser
        payload, _ = asked_call(
            self._client, DEVNET, chosen.choice(PROMPTS), chosen.choice(ANSWER_TOKENS)
        )
        self.seen.made[self.submit(payload)] = time.monotonic()

    def collect(self) -> None:
        """See which calls have been answered."""
        for txid, began in list(self.seen.made.items()):
            if self._client.call(m.GET_CALL, s.TransactionParams(txid)).status == "answered":
                self.seen.answered_s.append(time.monotonic() - began)
                del self.seen.made[txid]

    def look(self) -> None:
        """One timed question, the methods in turns."""
        methods: tuple[Callable[[], object], ...] = (
            lambda: self._client.call(m.GET_STATUS, s.NoParams()),
            lambda: self._client.call(m.GET_ACCOUNT, s.AccountParams(ADDRESS)),
            lambda: self._client.call(m.GET_BLOCK, s.BlockParams()),
            lambda: self._client.call(m.GET_HISTORY, s.HistoryParams(ADDRESS, limit=20)),
            lambda: self._client.call(m.GET_MEMPOOL, s.NoParams()),
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


def by_quarters(values: list[float]) -> list[float]:
    """Their mean in each quarter of the time."""
    edges = [len(values) * quarter // 4 for quarter in range(5)]
    parts = [values[low:high] for low, high in itertools.pairwise(edges)]
    return [round(statistics.mean(part), 1) if part else 0.0 for part in parts]


def watch(
    visitor: Visitor, pid: int, seconds: float, call_every_s: float, timeline: Path | None
) -> dict[str, Any]:
    """Look, call and count for so long."""
    seen = visitor.seen
    began = time.monotonic()
    first = visitor.height()
    next_call, next_memory = began + visitor.pause(call_every_s), began
    next_odds, odds = began, 0.0
    calls = refused = 0
    heights: list[float] = []
    speeds: list[float] = []
    while (now := time.monotonic()) < began + seconds:
        visitor.look()
        if now >= next_call:
            next_call = now + visitor.pause(call_every_s)
            try:
                visitor.call()
                calls += 1
            except NodeError:
                refused += 1
        if now >= next_odds:
            next_odds += ODDS_EVERY_S
            odds += ODDS_EVERY_S * visitor.blocks_per_second()
        if now >= next_memory:
            next_memory += MEMORY_EVERY_S
            seen.memory.append(Memory.of(pid, now - began))
            speeds.append(visitor.attempts_per_second())
            heights.append(float(visitor.height()))
            if timeline is not None:
                write_timeline(timeline, seen.memory, heights, speeds)
            visitor.collect()
        time.sleep(max(0.0, now + ASK_EVERY_S - time.monotonic()))
    took = time.monotonic() - began
    edges = [heights[(len(heights) - 1) * quarter // 4] for quarter in range(5)]
    return {
        "minutes": took / 60,
        "blocks": visitor.height() - first,
        "blocks_expected": 1000 * took / DEVNET.difficulty.spacing_ms,
        "blocks_expected_by_speed": odds,
        "calls": calls,
        "calls_refused": refused,
        "calls_answered": len(seen.answered_s),
        "answer_median_s": statistics.median(seen.answered_s) if seen.answered_s else 0.0,
        "rpc_requests": len(seen.latencies_ms),
        "rpc_p50_ms": percentile(seen.latencies_ms, 0.50),
        "rpc_p99_ms": percentile(seen.latencies_ms, 0.99),
        "rpc_max_ms": max(seen.latencies_ms),
        "blocks_by_quarter": [after - before for before, after in itertools.pairwise(edges)],
        "attempts_per_second_by_quarter": by_quarters(speeds),
        "node_mib": by_quarters([held.node for held in seen.memory]),
        "searcher_mib": by_quarters([held.searcher for held in seen.memory]),
        "provers_mib": by_quarters([held.provers for held in seen.memory]),
        "node_mib_most": max(held.node for held in seen.memory),
        "provers_mib_most": max(held.provers for held in seen.memory),
    }


def write_timeline(
    path: Path, memory: list[Memory], heights: list[float], speeds: list[float]
) -> None:
    """All that was seen so far, as lines of numbers with a line of names before them."""
    lines = ["seconds node searcher provers height attempts_per_second"]
    for held, height, speed in zip(memory, heights, speeds, strict=True):
        numbers = (held.seconds, held.node, held.searcher, held.provers, height, speed)
        lines.append(" ".join(f"{number:.0f}" for number in numbers))
    path.write_text("\n".join(lines) + "\n")


def measure(
    minutes: float, threads: int, call_every_s: float, timeline: Path | None = None
) -> dict[str, Any]:
    """Start a node in a new folder, measure it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        datadir = Path(folder) / "devnet"
        command = [Path(sys.executable).parent / "esperd", "mine", "--network", "devnet"]
        command += ["--datadir", datadir, "--rpc-port", "0", "--port", "0", "--alone"]
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
                found = watch(visitor, node.pid, 60 * minutes, call_every_s, timeline)
                mining = client.call(m.GET_MINING, s.NoParams())
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
    parser.add_argument("--timeline", type=Path)
    options = parser.parse_args()
    chosen = (options.minutes, options.threads, options.call_every, options.timeline)
    print(json.dumps(measure(*chosen)))
