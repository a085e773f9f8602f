"""The simulated relay beside the measured one: eleven real nodes on sockets of one machine.

Bytes are to agree as they are. Times cannot: eleven nodes share two processors there. So one
network, the star whose mempools know nothing, gives two numbers: the rate at which its finder's
bytes came, and what a node then waits for its part of the processors until it has proven the block.
The other three networks are simulated with them; the model was adjusted after looking at those, as
docs/network-simulation.md says.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.network_relay import RECEIVERS, WARM, dialled

from .assumptions import DATACENTRE, BlockShape, Costs, Plan
from .relay import Events, Relay
from .topology import Node

ROOT: Final = Path(__file__).resolve().parents[2]
NETWORKS: Final = (("star", False), ("star", True), ("mesh", False), ("mesh", True))
PROOF: Final = 290_000
FIRST_BLOCKS: Final = 6
SEEDS: Final = 20


@dataclass(frozen=True, slots=True)
class Foretold:
    """One network, measured and simulated."""

    shape: str
    known: bool
    measured_bytes: float
    """Sent by all for a block."""
    simulated_bytes: float
    measured_ms: float
    """Until the last has proven it."""
    simulated_ms: float

    @property
    def bytes_ratio(self) -> float:
        """Simulated over measured."""
        return self.simulated_bytes / self.measured_bytes

    @property
    def time_ratio(self) -> float:
        """Simulated over measured."""
        return self.simulated_ms / self.measured_ms


def measured(shape: str, *, known: bool) -> dict[str, Any]:
    """What bench.network_relay finds."""
    command = [sys.executable, "-m", "bench.network_relay", "--shape", shape]
    done = subprocess.run(
        [*command, *(["--known"] if known else [])],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def relayed(
    shape: str, *, known: bool, block_bytes: int, busy_ms: float, rate: float
) -> tuple[float, float]:
    """Bytes sent by all for a block, and ms until the last has proven it; means over seeds.

    ``busy_ms`` is what a node waits for its part of the processors, ``rate`` what it sends, bytes a
    ms.
    """
    count = RECEIVERS + 1
    block = BlockShape(
        body=block_bytes - PROOF - 600, proof=PROOF, header=600, fixed=1_000, transaction=3_400,
        known=1.0 if known else 0.0,
    )  # fmt: skip
    costs = Costs(0.1, busy_ms, 0.0, 0.0, 0.0, noisy=busy_ms > 0)
    plan = Plan(nodes=count, block=block, costs=costs, lines=((DATACENTRE, 1.0),))
    sent, took = 0, list[float]()
    for seed in range(SEEDS):
        nodes = [Node(rate, 1e6, 0, listens=True) for _ in range(count)]
        for number, node in enumerate(nodes):
            for other in dialled(shape, number, count):
                node.peers[other] = nodes[other].peers[number] = 0.05
                node.dialled.add(other)
        events = Events()
        relay = Relay(replace(plan, seed=seed), nodes, events, lambda one: one - 1, lambda *_: None)
        for number in range(1, FIRST_BLOCKS + 1):
            before, began = sum(talk.sent for talk in relay.talks), events.now
            relay.own(0, number)
            events.run()
            if number > WARM:
                sent += sum(talk.sent for talk in relay.talks) - before
                took.append(max(relay.proven[number]) - began)
    return sent / len(took), statistics.mean(took)


def fitted(target_ms: float, block_bytes: int, rate: float) -> float:
    """The busy time that makes the star with unknown transactions take so long; by halving."""
    low, high = 0.0, target_ms
    for _ in range(40):
        middle = (low + high) / 2
        _, took = relayed("star", known=False, block_bytes=block_bytes, busy_ms=middle, rate=rate)
        low, high = (middle, high) if took < target_ms else (low, middle)
    return (low + high) / 2


def compare(
    found: Mapping[tuple[str, bool], Mapping[str, float]],
) -> tuple[float, float, list[Foretold]]:
    """The fitted wait and rate, and each network beside its measurement."""
    star = found["star", False]
    rate = star["sent_by_all"] / star["came_ms"]
    busy_ms = fitted(star["proven_ms"], int(star["block_bytes"]), rate)
    rows = []
    for (shape, known), one in found.items():
        size, took = relayed(
            shape, known=known, block_bytes=int(one["block_bytes"]), busy_ms=busy_ms, rate=rate
        )
        rows.append(Foretold(shape, known, one["sent_by_all"], size, one["proven_ms"], took))
    return busy_ms, rate, rows


def calibrate() -> tuple[float, float, list[Foretold]]:
    """Measures the four networks, then compares."""
    return compare({(shape, known): measured(shape, known=known) for shape, known in NETWORKS})
