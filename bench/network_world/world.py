"""The whole: miners search, blocks spread, each node follows its own tip."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass

from .assumptions import MEGABYTE, Plan
from .chain import Block, Tree, prefers
from .relay import Events, Relay
from .topology import topology


@dataclass(slots=True)
class Miner:
    """Somebody who searches on one tier."""

    node: int
    tier: int
    power: float
    call_ms: float
    prove_ms: float
    generation: int = 0
    idle: bool = True
    """Whether no call of the engine runs."""
    begun: float = 0.0
    """When its first call of the engine on the present job began."""
    stands_on: int = 0
    """The block whose children it searches."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened."""

    plan: Plan
    blocks: tuple[Block, ...]
    """All that were found, in that order."""
    chain: frozenset[int]
    """Those of them that the network ended on."""
    spread: dict[int, tuple[float, ...]]
    """By block of the chain how long each other node waited for it, sorted, ms."""
    sent: tuple[int, ...]
    """By node, bytes."""
    received: tuple[int, ...]
    lost: int
    """Bytes on links that were cut."""
    powers: tuple[tuple[int, float], ...]
    """By miner its tier and its part of all power."""
    listeners: tuple[bool, ...]
    mined_on: tuple[int, ...]
    """Nodes of the miners."""
    tips: int
    """Different tips at the end; 1 unless nodes are away."""
    lasted_ms: float
    """Until the search ended."""
    wasted: float
    """Part of all search that was calls of the engine under way when their parent was left."""
    deepest: int
    """Blocks that a node undid at once, at most."""
    events: int

    @property
    def stale(self) -> list[Block]:
        """Found and not of the chain."""
        return [block for block in self.blocks if block.number not in self.chain]

    @property
    def stale_rate(self) -> float:
        """Part of all blocks."""
        return len(self.stale) / len(self.blocks)

    def waits(self, part: float) -> float:
        """Time until a part of the nodes had proven a block, median of blocks, ms."""
        each = sorted(
            times[min(len(times) - 1, int(part * len(times)))] for times in self.spread.values()
        )
        return each[len(each) // 2]

    def share(self, tier: int) -> float:
        """Of the chain's blocks."""
        counts = Counter(block.tier for block in self.blocks if block.number in self.chain)
        return counts[tier] / len(self.chain)

    def tier_stale(self, tier: int) -> float:
        """Part of a tier's weight that was lost."""
        own = [block for block in self.blocks if block.tier == tier]
        lost = sum(block.weight for block in own if block.number not in self.chain)
        return lost / max(1, sum(block.weight for block in own))

    def advantage(self, miner: int) -> float:
        """A miner's part of the chain over its part of the power."""
        won = sum(self.blocks[number - 1].miner == miner for number in self.chain)
        return won / len(self.chain) / self.powers[miner][1]


class World:
    """Nodes, miners and their events."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chance = random.Random(plan.seed ^ 0x5EED)
        self._events = Events()
        self._tree = Tree(plan)
        self._nodes = topology(plan)
        self._relay = Relay(
            plan, self._nodes, self._events, lambda one: self._tree.blocks[one].parent, self._proven
        )
        self._tips = [0] * plan.nodes
        self._searching = True
        self._ended = 0.0
        self._wasted = 0.0
        self._deepest = 0
        self._yields: dict[int, list[float]] = {}
        self._miners = self._make_miners()
        self._by_node = {miner.node: number for number, miner in enumerate(self._miners)}

    def run(self) -> Outcome:
        """Until the height is reached and all that was sent has come."""
        plan = self._plan
        for number, miner in enumerate(self._miners):
            self._search(number, miner)
        if plan.away_ms:
            for node in range(plan.nodes):
                if node not in self._by_node:
                    self._events.at(self._wait(plan.away_after_ms), self._go, node)
        if plan.split_ms:
            self._events.at(plan.split_at + plan.split_ms, self._heal)
        self._events.run()
        return self._outcome()

    def _make_miners(self) -> list[Miner]:
        plan = self._plan
        count = min(plan.miners, plan.nodes)
        powers = [(place + 1) ** -plan.concentration for place in range(count)]
        scale = sum(powers)
        places = self._chance.sample(range(plan.nodes), count)
        left = [tier.power for tier in plan.tiers]
        tiers = []
        for power in powers:
            # Each joins the tier that lacks most of its power.
            tier = max(range(len(left)), key=lambda one: left[one])
            left[tier] -= power / scale
            tiers.append(tier)
        proving = sum(one.power * one.prove_ms for one in plan.tiers)
        # So much more power than the spacing asks for as the chain loses while it proves.
        more = 1 / max(0.2, 1 - proving / plan.spacing_ms)
        found = []
        for number, (power, tier) in enumerate(zip(powers, tiers, strict=True)):
            kind = plan.tiers[tier]
            prove = kind.prove_ms * plan.provers[number % len(plan.provers)]
            part = more * power / scale
            found.append(Miner(places[number], tier, part, kind.call_ms, prove))
        return found

    def _wait(self, mean: float) -> float:
        return self._events.now + self._chance.expovariate(1 / mean)

    # Mining.

    def _search(self, number: int, miner: Miner) -> None:
        """A new job, taken in when the engine's present call ends."""
        now, call = self._events.now, miner.call_ms
        if call and not miner.idle and now > miner.begun:
            miner.begun += math.ceil((now - miner.begun) / call) * call
            self._wasted += miner.power * call
        elif miner.begun < now:
            miner.begun = now
        miner.generation += 1
        miner.idle = False
        miner.stands_on = tip = self._tips[miner.node]
        if tip not in self._yields:
            self._yields[tip] = self._tree.yields(self._tree.blocks[tip])
        rate = miner.power * self._yields[tip][miner.tier]
        wait = self._chance.expovariate(rate)
        if call:
            # A ticket is told when its call ends.
            wait = math.ceil(wait / call) * call
        self._events.at(miner.begun + wait, self._ticket, number, miner.generation)

    def _ticket(self, number: int, generation: int) -> None:
        miner = self._miners[number]
        if not self._searching or self._relay.away[miner.node]:
            return
        if generation != miner.generation:
            # Overtaken: what a call for an old parent finds is dropped.
            return
        # Its own search stops until the next tip.
        miner.generation += 1
        miner.idle = True
        prove = self._events.now + miner.prove_ms
        self._events.at(prove, self._publish, number, miner.stands_on)

    def _publish(self, number: int, parent: int) -> None:
        miner = self._miners[number]
        overtaken = parent != self._tips[miner.node]
        if not self._searching or (overtaken and not self._plan.overtaken_proofs):
            return
        # The ticket's header was made before its proof: the time differs by the proving alone.
        block = self._tree.found(self._tree.blocks[parent], miner.tier, number, self._events.now)
        self._relay.own(miner.node, block.number)
        if block.height >= self._plan.blocks:
            self._searching, self._ended = False, self._events.now

    # Tips.

    def _proven(self, node: int, block: int) -> None:
        number = self._by_node.get(node)
        if number is None:
            self._consider(node, block)
            return
        costs, shape = self._plan.costs, self._plan.block
        wait = costs.execute_ms + costs.execute_ms_per_mb * shape.body / MEGABYTE
        self._events.at(self._events.now + wait, self._executed, number, block)

    def _executed(self, number: int, block: int) -> None:
        miner = self._miners[number]
        if self._consider(miner.node, block) and self._searching:
            self._search(number, miner)

    def _consider(self, node: int, block: int) -> bool:
        tip, proven, blocks = self._tips[node], self._relay.proven, self._tree.blocks
        new = blocks[block]
        if not prefers(node, blocks[tip], proven[tip][node], new, proven[block][node]):
            return False
        if new.parent != tip:
            self._deepest = max(self._deepest, self._undone(tip, block))
        self._tips[node] = block
        return True

    def _undone(self, tip: int, block: int) -> int:
        blocks, count = self._tree.blocks, 0
        while tip != block:
            if blocks[tip].height >= blocks[block].height:
                tip, count = blocks[tip].parent, count + 1
            else:
                block = blocks[block].parent
        return count

    # Links that end and come back.

    def _go(self, node: int) -> None:
        if self._searching:
            self._relay.away[node] = True
            self._events.at(self._wait(self._plan.away_ms), self._return, node)

    def _return(self, node: int) -> None:
        self._relay.away[node] = False
        best = max(
            (peer for peer in self._nodes[node].peers if self._relay.reaches(node, peer)),
            key=lambda peer: self._tree.blocks[self._tips[peer]].total,
            default=None,
        )
        if best is not None:
            self._claim(node, best)
        if self._searching:
            self._events.at(self._wait(self._plan.away_after_ms), self._go, node)

    def _heal(self) -> None:
        """Dials succeed again within half a minute; hellos and pongs tell the tips."""
        for node, one in enumerate(self._nodes):
            for peer in one.dialled:
                then = self._events.now + 30_000 * self._chance.random()
                self._events.at(then, self._claim, node, peer)
                self._events.at(then, self._claim, peer, node)

    def _claim(self, node: int, peer: int) -> None:
        ours, theirs = (self._tree.blocks[self._tips[one]] for one in (node, peer))
        if theirs.total > ours.total and self._relay.reaches(node, peer):
            self._relay.claims(node, peer, theirs.number)

    # The end.

    def _outcome(self) -> Outcome:
        blocks, relay = self._tree.blocks, self._relay
        here = [node for node in range(self._plan.nodes) if not relay.away[node]]
        counts = Counter(self._tips[node] for node in here)
        # Where a last tie was never decided, the tip of most.
        tip = max(counts, key=lambda one: (blocks[one].total, counts[one], -one))
        chain = frozenset(block.number for block in self._tree.chain(tip))
        spread = {
            number: tuple(
                sorted(
                    time - blocks[number].found_ms
                    for time in relay.proven[number]
                    if blocks[number].found_ms < time < math.inf
                )
            )
            for number in sorted(chain)
        }
        power = sum(miner.power for miner in self._miners)
        return Outcome(
            plan=self._plan,
            blocks=tuple(blocks[1:]),
            chain=chain,
            spread={number: times for number, times in spread.items() if times},
            sent=tuple(talk.sent for talk in relay.talks),
            received=tuple(talk.received for talk in relay.talks),
            lost=relay.lost,
            powers=tuple((miner.tier, miner.power / power) for miner in self._miners),
            listeners=tuple(node.listens for node in self._nodes),
            mined_on=tuple(miner.node for miner in self._miners),
            tips=len(counts),
            lasted_ms=self._ended,
            wasted=self._wasted / (power * max(1.0, self._ended)),
            deepest=self._deepest,
            events=self._events.handled,
        )


def simulate(plan: Plan) -> Outcome:
    """All of it, the same for the same plan."""
    return World(plan).run()
