"""The tree of blocks, by the product's own rules of targets, tiers and weight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bench.target_world import registry
from esper.consensus.difficulty import Anchor, block_weight, child_target
from esper.consensus.fork_choice import RIVAL_MS
from esper.consensus.tiers import TierState, after_block, target_of
from esper.primitives.networks import MAINNET
from esper.primitives.units import RANGE_512

from .assumptions import Plan

START_MS: Final = 10**12


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was found."""

    number: int
    parent: int
    """Its number; -1 for the root's."""
    height: int
    tier: int
    """Place in the registry."""
    miner: int
    """-1 for the root's."""
    found_ms: float
    weight: int
    total: int
    """Of its chain."""
    times: tuple[int, ...]
    """The last ones of its chain."""
    state: TierState
    anchor: Anchor | None


class Tree:
    """All blocks by number."""

    def __init__(self, plan: Plan) -> None:
        self.rules = replace(
            MAINNET.difficulty,
            spacing_ms=plan.spacing_ms,
            reference_proof_ms=plan.spacing_ms // 10,
        )
        self.registry = registry(
            [tier.omega for tier in plan.tiers], [tier.share for tier in plan.tiers]
        )
        state = TierState.of(self.registry)
        self.blocks = [Block(0, -1, 0, 0, -1, 0.0, 0, 0, (START_MS,), state, None)]

    def yields(self, parent: Block) -> list[float]:
        """Blocks a ms that power 1 finds in each tier on a block.

        Power 1 finds one block a spacing at the genesis target and multipliers of 1.
        """
        attempts = RANGE_512 / self.rules.genesis_target / self.rules.spacing_ms
        return [
            attempts * target / (tier.omega / 65_536) / RANGE_512
            for tier, target in zip(self.registry.tiers, self._targets(parent), strict=True)
        ]

    def found(self, parent: Block, tier: int, miner: int, now: float) -> Block:
        """A new block on another."""
        target = self._targets(parent)[tier]
        entry = self.registry.tiers[tier]
        weight = block_weight(target, entry.omega)
        height = parent.height + 1
        median = sorted(parent.times)[len(parent.times) // 2]
        time = max(START_MS + int(now), median + 1)
        state, anchor = after_block(
            self.registry, parent.state, parent.anchor,
            tier_id=entry.id, height=height, time_ms=time, rules=self.rules,
        )  # fmt: skip
        times = (*parent.times, time)[-self.rules.median_window :]
        block = Block(
            len(self.blocks), parent.number, height, tier, miner, now, weight,
            parent.total + weight, times, state, anchor,
        )  # fmt: skip
        self.blocks.append(block)
        return block

    def chain(self, tip: int) -> list[Block]:
        """From the tip down to the first block, the root left out."""
        found = []
        while tip > 0:
            found.append(self.blocks[tip])
            tip = self.blocks[tip].parent
        return found

    def _targets(self, parent: Block) -> list[int]:
        base = child_target(parent.anchor, parent.height, parent.times[-1], self.rules)
        return [
            target_of(tier.own, self.registry, parent.state, base, self.rules)
            for tier in self.registry.tiers
        ]


def prefers(node: int, ours: Block, ours_ms: float, other: Block, other_ms: float) -> bool:
    """Whether a node leaves its tip for a block: by weight, and among equals by lot within 5 s."""
    if other.total != ours.total:
        return other.total > ours.total
    if abs(other_ms - ours_ms) > RIVAL_MS:
        return False
    return _lot(node, other.number) < _lot(node, ours.number)


def _lot(node: int, block: int) -> int:
    mixed = (node * 0x9E3779B97F4A7C15 ^ (block + 1) * 0xBF58476D1CE4E5B9) & (1 << 64) - 1
    mixed = (mixed ^ mixed >> 31) * 0x94D049BB133111EB & (1 << 64) - 1
    return mixed >> 20
