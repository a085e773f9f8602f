"""Who is connected with whom, over which lines."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .assumptions import BYTES_OF_MBIT, REGIONS, Plan


@dataclass(slots=True)
class Node:
    """A machine in the network."""

    up: float
    """Bytes a ms."""
    down: float
    region: int
    listens: bool
    peers: dict[int, float] = field(default_factory=dict)
    """Latency to each, one way, ms."""
    dialled: set[int] = field(default_factory=set)
    inbound: int = 0


def topology(plan: Plan) -> list[Node]:
    """Nodes and links of a seed; each node dials listeners at random."""
    chance = random.Random(plan.seed)
    lines, weights = [one for one, _ in plan.lines], [share for _, share in plan.lines]
    shares = [region.share for region in REGIONS]
    nodes = []
    for number in range(plan.nodes):
        line = chance.choices(lines, weights)[0]
        region = chance.choices(range(len(REGIONS)), shares)[0]
        # A network of few needs somebody to be dialled.
        listens = number <= plan.dials or chance.random() < plan.listeners
        up, down = line.up_mbit * BYTES_OF_MBIT, line.down_mbit * BYTES_OF_MBIT
        nodes.append(Node(up, down, region, listens))
    reachable = [number for number, node in enumerate(nodes) if node.listens]
    for number, node in enumerate(nodes):
        tried = chance.sample(reachable, min(len(reachable), 4 * plan.dials))
        for other in tried:
            if len(node.dialled) == plan.dials:
                break
            if other == number or other in node.peers or nodes[other].inbound == plan.inbound:
                continue
            base = plan.latency_ms
            if base is None:
                base = REGIONS[node.region].latencies[nodes[other].region]
            latency = base * chance.lognormvariate(0.0, plan.jitter) if plan.jitter else base
            node.peers[other] = nodes[other].peers[number] = latency
            node.dialled.add(other)
            nodes[other].inbound += 1
    return nodes
