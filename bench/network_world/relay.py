"""How blocks pass from node to node: announced, fetched, pushed; and fetched after a parting.

The rules are those of esper/p2p/relay: a proven block is pushed to peers that prefer us and
announced to the rest that lack it; the first announcer is asked, an inbound one after 50 ms, any
250 ms after a push began; another fetch each second, three at most.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from esper.p2p.limits import (
    ANOTHER_FETCH_MS,
    FETCHES_OF_A_WORK,
    FIRST_IN,
    FIRST_OF,
    PREFERRED,
    PREFERRERS,
    WAIT_FOR_OUTBOUND_MS,
    WAIT_FOR_PUSH_MS,
)

from .assumptions import MEGABYTE, Plan
from .topology import Node

ASK: Final = 100
"""A request, bytes."""
Handler = Callable[..., None]


class Events:
    """A queue by time; equal times keep their order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handled = 0
        self._heap: list[tuple[float, int, Handler, tuple[Any, ...]]] = []
        self._serial = 0

    def at(self, time: float, handler: Handler, *given: Any) -> None:
        """Call it then."""
        self._serial += 1
        heapq.heappush(self._heap, (time, self._serial, handler, given))

    def run(self) -> None:
        """Until nothing is left."""
        heap = self._heap
        while heap:
            self.now, _, handler, given = heapq.heappop(heap)
            self.handled += 1
            handler(*given)


@dataclass(slots=True)
class Waiting:
    """A block that a node does not have yet."""

    announcers: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    push_until: float = 0.0
    looks_at: float = math.inf
    held: bool = False
    """Whether a proof is here and being judged: nobody else is asked meanwhile."""
    filling: bool = False
    """Whether its transactions were asked for: of one giver, whoever else sends the block."""


@dataclass(slots=True)
class Talk:
    """What a node keeps of its peers."""

    prefers: list[int] = field(default_factory=list)
    preferred_by: dict[int, None] = field(default_factory=dict)
    firsts: deque[int] = field(default_factory=lambda: deque(maxlen=FIRST_OF))
    queue: deque[tuple[int, int, int, int, bool]] = field(default_factory=deque)
    """Transfers that wait for the uplink: to whom, block, bytes, bytes to be asked for, pushed."""
    busy: bool = False
    down_free: float = 0.0
    sent: int = 0
    received: int = 0


class Relay:
    """All nodes' relay."""

    def __init__(
        self,
        plan: Plan,
        nodes: list[Node],
        events: Events,
        parent_of: Callable[[int], int],
        on_proven: Callable[[int, int], None],
    ) -> None:
        """``on_proven`` hears of each node and block once."""
        self._plan, self._nodes, self._events = plan, nodes, events
        self._parent_of, self._on_proven = parent_of, on_proven
        self.talks = [Talk() for _ in nodes]
        self.proven: dict[int, list[float]] = {0: [0.0] * len(nodes)}
        """By block when each node had proven it, ms."""
        self._waiting: dict[tuple[int, int], Waiting] = {}
        self._orphans: dict[tuple[int, int], int] = {}
        self._syncing: set[tuple[int, int]] = set()
        self._chance = random.Random(plan.seed)
        self.lost = 0
        """Bytes that were sent and came nowhere."""
        self.away = [False] * len(nodes)
        block, costs = plan.block, plan.costs
        self._lacking = block.lacking
        self._prove_ms = costs.proof_ms + costs.proven_ms_per_mb * block.body / MEGABYTE
        self._side = [number < plan.split_part * len(nodes) for number in range(len(nodes))]

    def reaches(self, one: int, other: int) -> bool:
        """Whether a link works now."""
        plan = self._plan
        if self.away[one] or self.away[other]:
            return False
        parted = plan.split_at <= self._events.now < plan.split_at + plan.split_ms
        return not parted or self._side[one] == self._side[other]

    def own(self, node: int, block: int) -> None:
        """A node found a block."""
        self.proven[block] = [math.inf] * len(self._nodes)
        self._prove(node, block, -1, spread=True)

    def claims(self, node: int, peer: int, tip: int) -> None:
        """A peer says on a new link, or by pong, that it stands on a block we may lack."""
        if self.proven[tip][node] == math.inf:
            self._sync(node, peer, tip)

    # Bytes.

    def _say(self, one: int, other: int, size: int, heard: Handler, *given: Any) -> None:
        size = round(size * self._plan.block.overhead)
        self.talks[one].sent += size
        latency = self._nodes[one].peers[other]
        then = self._events.now + latency + self._plan.costs.header_ms
        self._events.at(then, self._heard, one, other, size, heard, given)

    def _heard(
        self, one: int, other: int, size: int, heard: Handler, given: tuple[Any, ...]
    ) -> None:
        if not self.reaches(one, other):
            self.lost += size
            return
        self.talks[other].received += size
        heard(*given)

    def _transfer(
        self, one: int, other: int, block: int, size: int, fill: int, *, pushed: bool
    ) -> None:
        self.talks[one].queue.append((other, block, size, fill, pushed))
        if not self.talks[one].busy:
            self._send_next(one)

    def _send_next(self, one: int) -> None:
        talk, now = self.talks[one], self._events.now
        talk.busy = False
        while talk.queue:
            other, block, size, fill, pushed = talk.queue.popleft()
            latency = self._nodes[one].peers[other]
            # Its nevermind has come.
            if not pushed and self.proven[block][other] + latency <= now:
                continue
            if not self.reaches(one, other):
                continue
            if self._is_filled(other, block):
                fill = 0
            size = round((size + fill) * self._plan.block.overhead)
            talk.busy, talk.sent = True, talk.sent + size
            ends = now + size / self._nodes[one].up
            peer = self.talks[other]
            peer.down_free = max(peer.down_free, now) + size / self._nodes[other].down
            came = max(ends, peer.down_free) + latency
            if fill:
                # Asked for while the proof comes.
                came = max(came, now + 3 * latency)
            self._events.at(ends, self._send_next, one)
            self._events.at(now + latency, self._push_began, other, block)
            self._events.at(came, self._came, one, other, block, size)
            return

    def _is_filled(self, node: int, block: int) -> bool:
        """Whether a block's transactions were asked for; if not, they are from now on."""
        if self.proven[block][node] < math.inf:
            return True
        waiting = self._waiting.setdefault((node, block), Waiting())
        before, waiting.filling = waiting.filling, True
        return before

    def _push_began(self, node: int, block: int) -> None:
        if self.proven[block][node] == math.inf:
            waiting = self._waiting.setdefault((node, block), Waiting())
            # Counted from the first: a second push does not prolong the wait.
            waiting.push_until = waiting.push_until or self._events.now + WAIT_FOR_PUSH_MS

    def _came(self, one: int, other: int, block: int, size: int) -> None:
        if not self.reaches(one, other):
            self.lost += size
            return
        self.talks[other].received += size
        if self.proven[block][other] == math.inf:
            self._waiting.setdefault((other, block), Waiting()).held = True
            takes = self._prove_ms
            if self._plan.costs.noisy:
                takes *= self._chance.expovariate(1.0)
            then = self._events.now + takes
            self._events.at(then, self._prove_relayed, other, block, one)

    # The rules.

    def _prove_relayed(self, node: int, block: int, giver: int) -> None:
        if self.proven[block][node] < math.inf or self.away[node]:
            return
        parent = self._parent_of(block)
        if self.proven[parent][node] == math.inf:
            self._orphans[node, parent] = block
            self._sync(node, giver, parent)
            return
        self._prove(node, block, giver, spread=True)

    def _prove(self, node: int, block: int, giver: int, *, spread: bool) -> None:
        proven, now = self.proven[block], self._events.now
        proven[node] = now
        self._waiting.pop((node, block), None)
        if giver >= 0:
            self._learn(node, giver)
        self._on_proven(node, block)
        if spread:
            self._spread(node, block, giver)
        orphan = self._orphans.pop((node, block), None)
        if orphan is not None and proven[node] == now:
            self._prove_relayed(node, orphan, giver)

    def _spread(self, node: int, block: int, giver: int) -> None:
        proven, now, shape = self.proven[block], self._events.now, self._plan.block
        lacking = [
            peer
            for peer, latency in self._nodes[node].peers.items()
            if peer != giver and proven[peer] + latency > now
        ]
        if self._plan.floods:
            for peer in lacking:
                self._transfer(node, peer, block, shape.whole, 0, pushed=True)
            return
        known = set(lacking)
        pushed = [one for one in self.talks[node].preferred_by if one in known][:PREFERRERS]
        known.difference_update(pushed)
        whole = not (self._plan.split_ms or self._plan.away_ms)
        size = round(shape.header * shape.overhead)
        for peer in lacking:
            if peer not in known:
                continue
            if whole and proven[peer] <= now:
                # It has the block, and nothing follows but the bytes.
                self.talks[node].sent += size
                self.talks[peer].received += size
            else:
                self._say(node, peer, shape.header, self._announced, peer, block, node)
        for peer in pushed:
            self._transfer(node, peer, block, shape.compact, self._lacking, pushed=True)

    def _announced(self, node: int, block: int, giver: int) -> None:
        if self.proven[block][node] < math.inf:
            return
        waiting = self._waiting.setdefault((node, block), Waiting())
        waiting.announcers.append(giver)
        outbound = giver in self._nodes[node].dialled
        wait = 0.0 if outbound else WAIT_FOR_OUTBOUND_MS
        self._look_at(node, block, max(self._events.now + wait, waiting.push_until))

    def _look_at(self, node: int, block: int, time: float) -> None:
        waiting = self._waiting[node, block]
        if time < waiting.looks_at:
            waiting.looks_at = time
            self._events.at(time, self._look, node, block)

    def _look(self, node: int, block: int) -> None:
        waiting = self._waiting.get((node, block))
        if waiting is None or waiting.held or len(waiting.asked) >= FETCHES_OF_A_WORK:
            return
        waiting.looks_at = math.inf
        if self._events.now < waiting.push_until:
            self._look_at(node, block, waiting.push_until)
            return
        free = [one for one in waiting.announcers if one not in waiting.asked]
        if not free:
            return
        dialled = self._nodes[node].dialled
        giver = next((one for one in free if one in dialled), free[0])
        waiting.asked.append(giver)
        self._say(node, giver, ASK, self._give, giver, node, block)
        self._look_at(node, block, self._events.now + ANOTHER_FETCH_MS)

    def _give(self, node: int, asker: int, block: int) -> None:
        shape = self._plan.block
        self._transfer(node, asker, block, shape.compact, self._lacking, pushed=False)

    def _learn(self, node: int, giver: int) -> None:
        """esper/p2p/relay/blocks/preference.py."""
        talk, dialled = self.talks[node], self._nodes[node].dialled
        talk.firsts.append(giver)
        if giver in talk.prefers:
            return
        others = talk.prefers
        inbound = [one for one in others if one not in dialled]
        if giver not in dialled and inbound:
            others = inbound
        elif len(others) < PREFERRED:
            self._prefer(node, giver)
            return
        firsts = talk.firsts.count(giver)
        weakest = min(others, key=talk.firsts.count)
        if firsts < FIRST_IN or talk.firsts.count(weakest) >= firsts:
            return
        talk.prefers.remove(weakest)
        self.talks[weakest].preferred_by.pop(node, None)
        self._prefer(node, giver)

    def _prefer(self, node: int, giver: int) -> None:
        self.talks[node].prefers.append(giver)
        self.talks[giver].preferred_by[node] = None

    # After a parting.

    def _sync(self, node: int, giver: int, tip: int) -> None:
        """All that is missing below a block, oldest first, one by one, from one peer."""
        missing, at = [], tip
        while self.proven[at][node] == math.inf:
            missing.append(at)
            at = self._parent_of(at)
        if missing and (node, missing[-1]) not in self._syncing:
            self._syncing.add((node, missing[-1]))
            self._say(node, giver, ASK, self._serve, giver, node, tuple(reversed(missing)))
            # Whoever does not answer within ten seconds is not waited for.
            then = self._events.now + 10_000
            self._events.at(then, self._syncing.discard, (node, missing[-1]))

    def _serve(self, node: int, asker: int, blocks: tuple[int, ...]) -> None:
        shape, now = self._plan.block, self._events.now
        size = round(shape.whole * self._plan.block.overhead)
        latency = self._nodes[node].peers[asker]
        rate = min(self._nodes[node].up, self._nodes[asker].down)
        for place, block in enumerate(blocks, start=1):
            self.talks[node].sent += size
            came = now + latency + place * (size / rate + self._prove_ms)
            last = place == len(blocks)
            self._events.at(came, self._synced, node, asker, block, size, last)

    def _synced(self, giver: int, node: int, block: int, size: int, last: bool) -> None:
        if not self.reaches(giver, node):
            self.lost += size
            return
        self.talks[node].received += size
        held = self.proven[self._parent_of(block)][node] < math.inf
        if held and self.proven[block][node] == math.inf:
            self._prove(node, block, giver, spread=last)
