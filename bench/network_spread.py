"""Simulate how a block spreads through networks of 10 to 10,000 nodes, and draw it.

python -m bench.network_spread [--sizes 10 100 1000 10000] [--svg bench/network_spread.svg]

A queue of events, not the code of the nodes: the rules of the relay (announce, fetch, push, prefer,
second fetches) with times that were measured, on links that are made up. The model:

- each node dials ten others at random; a link's one-way latency is lognormal, median 60 ms;
- every uplink has 100 Mbit/s (``--uplink``) and sends one transfer after another; downlinks are
  free;
- a block has 500 kB: 290 kB of proof and 200 kB of transactions, of which mempools know 95 %;
- a node takes 10 ms from the last byte to the proven block, 1 ms for a short message;
- preferences are learned over nine blocks, found anywhere; the last three are measured.

Beside it the same network floods naively: whoever has a block sends all of it to every peer that it
did not come from.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .spread_plot import draw

DIALS = 10
LATENCY_MS = 60.0
SPREAD = 0.6
"""Of the logarithm."""
BYTES_OF_MBIT = 125.0
"""A millisecond."""
PROVE_MS, HEAR_MS = 10.0, 1.0
PROOF, TRANSACTIONS, HEADER = 290_000, 200_000, 600
KNOWN = 0.95
COMPACT = HEADER + 6_000 + 1_000
FILL = round(TRANSACTIONS * (1 - KNOWN))
ASK = 100
WAIT_FOR_OUTBOUND_MS, WAIT_FOR_PUSH_MS, ANOTHER_FETCH_MS = 50.0, 250.0, 1_000.0
FETCHES, PREFERRED, PREFERRERS, FIRST_OF, FIRST_IN = 3, 2, 10, 8, 3
BLOCKS, MEASURED = 9, 3


@dataclass(slots=True)
class Node:
    """What a node knows of one block, and of its peers."""

    peers: dict[int, float] = field(default_factory=dict)
    """Latency to each, ms."""
    dialled: set[int] = field(default_factory=set)
    prefers: list[int] = field(default_factory=list)
    preferred_by: list[int] = field(default_factory=list)
    firsts: deque[int] = field(default_factory=lambda: deque(maxlen=FIRST_OF))
    sending: deque[tuple[int, float, Callable[[float], None], Callable[[float], bool]]] = field(
        default_factory=deque
    )
    """Transfers that wait for the uplink."""
    busy: bool = False
    sent: float = 0.0
    proven: float = math.inf
    """When it had proven the block."""
    have: set[int] = field(default_factory=set)
    """Peers that are known to have it."""
    announcers: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    push_until: float = 0.0
    looks_at: float = math.inf

    def forget(self) -> None:
        """Another block."""
        self.proven, self.push_until, self.looks_at, self.sent = math.inf, 0.0, math.inf, 0.0
        for one in (self.have, self.announcers, self.asked, self.sending):
            one.clear()
        self.busy = False


class World:
    """Nodes and events."""

    def __init__(self, size: int, seed: int, uplink: float, *, floods: bool) -> None:
        self._uplink = BYTES_OF_MBIT * uplink
        self._random = random.Random(seed)
        self._floods = floods
        self.nodes = [Node() for _ in range(size)]
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._serial = 0
        for number, node in enumerate(self.nodes):
            others = self._random.sample(range(size), min(size, DIALS + 1))
            for other in [one for one in others if one != number][:DIALS]:
                if other not in node.peers:
                    latency = LATENCY_MS * self._random.lognormvariate(0.0, SPREAD)
                    node.peers[other] = self.nodes[other].peers[number] = latency
                    node.dialled.add(other)

    def block(self) -> tuple[list[float], float]:
        """One block: when each other node had proven it, and bytes sent a node."""
        for node in self.nodes:
            node.forget()
        finder = self._random.randrange(len(self.nodes))
        self._at(0.0, lambda now: self._proven(finder, None, now))
        while self._events:
            now, _, event = heapq.heappop(self._events)
            event(now)
        for node in self.nodes:
            self._learn(node)
        for node in self.nodes:
            node.preferred_by.clear()
        for number, node in enumerate(self.nodes):
            for peer in node.prefers:
                if len(self.nodes[peer].preferred_by) < PREFERRERS:
                    self.nodes[peer].preferred_by.append(number)
        times = [one.proven for number, one in enumerate(self.nodes) if number != finder]
        return times, sum(one.sent for one in self.nodes) / len(self.nodes)

    def _at(self, time: float, event: Callable[[float], None]) -> None:
        self._serial += 1
        heapq.heappush(self._events, (time, self._serial, event))

    def _say(self, number: int, to: int, size: int, now: float, heard: Callable[..., None]) -> None:
        """A short message: beside the transfers."""
        node = self.nodes[number]
        node.sent += size
        self._at(now + node.peers[to] + HEAR_MS, heard)

    def _transfer(
        self, number: int, to: int, size: float, now: float, came: Callable[[float], None],
        still: Callable[[float], bool] = lambda _: True,
    ) -> None:  # fmt: skip
        node = self.nodes[number]
        node.sending.append((to, size, came, still))
        if not node.busy:
            self._send_next(number, now)

    def _send_next(self, number: int, now: float) -> None:
        node = self.nodes[number]
        node.busy = False
        while node.sending:
            to, size, came, still = node.sending.popleft()
            if not still(now):
                continue
            node.busy, node.sent = True, node.sent + size
            ends = now + size / self._uplink
            self._at(ends, lambda then: self._send_next(number, then))
            self._at(ends + node.peers[to], came)
            return

    # The rules.

    def _proven(self, number: int, giver: int | None, now: float) -> None:
        node = self.nodes[number]
        if node.proven < math.inf:
            return
        node.proven = now
        if giver is not None:
            node.firsts.append(giver)
            node.have.add(giver)
        if self._floods:
            for peer in node.peers:
                if peer not in node.have:
                    size = HEADER + PROOF + TRANSACTIONS
                    self._transfer(number, peer, size, now, self._flooded(peer, number))
            return
        lacking = [one for one in node.peers if one not in node.have]
        pushed = [one for one in node.preferred_by if one in lacking]
        for peer in lacking:
            if peer not in pushed:
                self._say(number, peer, HEADER, now, self._announced(peer, number))
        for peer in pushed:
            self._give_block(number, peer, now)

    def _flooded(self, number: int, giver: int) -> Callable[[float], None]:
        def came(now: float) -> None:
            self.nodes[number].have.add(giver)
            self._at(now + PROVE_MS, lambda then: self._proven(number, giver, then))

        return came

    def _give_block(
        self, number: int, peer: int, now: float, still: Callable[[float], bool] = lambda _: True
    ) -> None:
        """Compact and proof, with what the mempool lacks: asked for while the proof comes."""
        other = self.nodes[peer]
        latency = other.peers[number]
        filled = math.inf

        def began(then: float) -> None:
            nonlocal filled
            filled = then + 2 * latency
            other.push_until = max(other.push_until, then + WAIT_FOR_PUSH_MS)

        def came(then: float) -> None:
            other.have.add(number)
            if other.proven == math.inf:
                other.sent += ASK
                whole = max(then, filled) + PROVE_MS
                self._at(whole, lambda last: self._proven(peer, number, last))

        def starts(then: float) -> bool:
            if not still(then):
                return False
            self._at(then + COMPACT / self._uplink + latency, began)
            return True

        self._transfer(number, peer, COMPACT + PROOF + FILL, now, came, starts)

    def _announced(self, number: int, giver: int) -> Callable[[float], None]:
        def heard(now: float) -> None:
            node = self.nodes[number]
            node.have.add(giver)
            if node.proven < math.inf:
                return
            node.announcers.append(giver)
            wait = 0.0 if giver in node.dialled else WAIT_FOR_OUTBOUND_MS
            self._look_at(number, max(now + wait, node.push_until))

        return heard

    def _look_at(self, number: int, time: float) -> None:
        if time < self.nodes[number].looks_at:
            self.nodes[number].looks_at = time
            self._at(time, lambda now: self._look(number, now))

    def _look(self, number: int, now: float) -> None:
        node = self.nodes[number]
        node.looks_at = math.inf
        if node.proven < math.inf or len(node.asked) >= FETCHES:
            return
        if now < node.push_until:
            self._look_at(number, node.push_until)
            return
        waiting = [one for one in node.announcers if one not in node.asked]
        if not waiting:
            return
        giver = next((one for one in waiting if one in node.dialled), waiting[0])
        node.asked.append(giver)
        self._say(number, giver, ASK, now, lambda then: self._give(giver, number, then))
        self._look_at(number, now + ANOTHER_FETCH_MS)

    def _give(self, number: int, asker: int, now: float) -> None:
        other = self.nodes[asker]
        latency = other.peers[number]

        def still(then: float) -> bool:
            # Else its nevermind has come.
            return then < other.proven + latency

        self._give_block(number, asker, now, still)

    @staticmethod
    def _learn(node: Node) -> None:
        """Two peers, one of them dialled: the first deliverers, replaced by who was first often."""
        if not node.firsts:
            return
        counts = {one: node.firsts.count(one) for one in node.firsts}
        last = node.firsts[-1]
        if last in node.prefers:
            return
        if len(node.prefers) < PREFERRED:
            node.prefers.append(last)
        elif counts[last] >= FIRST_IN:
            worst = min(node.prefers, key=lambda one: counts.get(one, 0))
            kept = [one for one in node.prefers if one != worst]
            if last in node.dialled or any(one in node.dialled for one in kept):
                node.prefers = [*kept, last]


@dataclass(frozen=True, slots=True)
class Row:
    """What came out for a network of a size."""

    nodes: int
    half_ms: float
    """Until half of them had proven it."""
    most_ms: float
    """Until 95 % had."""
    all_ms: float
    megabytes: float
    """Sent by a node for a block, mean."""
    missed: int
    """That never had it."""


def simulate(size: int, seed: int, uplink: float, *, floods: bool) -> Row:
    """Medians of the measured blocks."""
    world = World(size, seed, uplink, floods=floods)
    runs = [world.block() for _ in range(MEASURED if floods else BLOCKS)][-MEASURED:]
    times = sorted(time for times, _ in runs for time in times if time < math.inf)
    missed = sum(time == math.inf for run, _ in runs for time in run)
    sent = sorted(bytes_ for _, bytes_ in runs)[len(runs) // 2]
    return Row(
        size, times[len(times) // 2], times[int(len(times) * 0.95)], times[-1], sent / 1e6, missed
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1_000, 10_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--uplink", type=float, default=100.0, help="Mbit/s")
    parser.add_argument("--svg", type=Path)
    asked = parser.parse_args(arguments)
    found = {
        name: [simulate(size, asked.seed, asked.uplink, floods=floods) for size in asked.sizes]
        for name, floods in (("relay", False), ("flooding", True))
    }
    if asked.svg:
        relay, flooding = found["relay"], found["flooding"]
        asked.svg.write_text(
            draw(
                asked.sizes,
                [
                    (
                        "a block is proven by, seconds",
                        [
                            ("half of the nodes", [one.half_ms / 1000 for one in relay]),
                            ("95 %", [one.most_ms / 1000 for one in relay]),
                            ("95 %, naive flooding", [one.most_ms / 1000 for one in flooding]),
                        ],
                    ),
                    (
                        "bytes that a node sends for a block, MB",
                        [
                            ("relay", [one.megabytes for one in relay]),
                            ("naive flooding", [one.megabytes for one in flooding]),
                        ],
                    ),
                ],
            )
        )
    rows = {name: [vars_of(one) for one in rows] for name, rows in found.items()}
    print(json.dumps(rows, indent=1))


def vars_of(row: Row) -> dict[str, float]:
    """The fields by name."""
    return {name: round(getattr(row, name), 2) for name in Row.__slots__}


if __name__ == "__main__":
    main()
