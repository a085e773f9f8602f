"""The chain as the next header sees it: a value that grows by headers of proven blocks.

Neither the state nor what blocks hold is part of it: whether a header fits and its work is proven
can be judged on any branch, and by who has no body yet. Which models and tiers a height has follows
from what the last executed ancestor had confirmed.
"""

from dataclasses import dataclass, replace

from esper.consensus.difficulty import Anchor, block_weight, child_target
from esper.consensus.header import Header
from esper.consensus.tiers import TierState, after_block, entry_of, target_of
from esper.dao.registry import Entry, TierRegistry
from esper.dao.schedule import Scheduled, registry_at, still_ahead
from esper.primitives.ids import BlockId, WorkId
from esper.primitives.params import NetworkParameters


@dataclass(frozen=True, slots=True)
class HeaderChain:
    """What headers alone say of the chain up to a proven block, the tip."""

    params: NetworkParameters
    """The network."""
    genesis_hash: bytes
    """64 bytes."""
    registry: TierRegistry
    """Models and tiers of the next block."""
    schedule: tuple[Scheduled, ...]
    """What was confirmed by the last executed ancestor and acts after the next block."""
    tip_id: BlockId
    """64 bytes: block_id of the tip."""
    tip_work_id: WorkId
    """64 bytes: what the next block's VRF takes in."""
    height: int
    """The tip's height."""
    times_ms: tuple[int, ...]
    """Times of the last blocks, at most median_window, the tip's last."""
    anchor: Anchor | None
    """Where targets are measured from."""
    tiers: TierState
    """Multipliers and counts of the tiers."""
    weight: int
    """Sum of the weights of all blocks after genesis, in 1/65536 of a genesis ticket."""

    @property
    def median_time_ms(self) -> int:
        """Median of the last times (the upper one of an even number): the next must exceed it."""
        return sorted(self.times_ms)[len(self.times_ms) // 2]

    def own_entry(self, tier: int) -> Entry:
        """What the next block of a tier is mined with, by the tier's rule. Raises TierViolation."""
        return self.registry.tier(tier).own

    def entry_for(self, header: Header) -> Entry:
        """What a header on top of the tip says that it is mined with.

        Raises TierViolation, ModelViolation, BankViolation.
        """
        pre = header.pre
        return entry_of(pre.tier, pre.model_id, pre.bank_root, self.registry)

    def target(self, entry: Entry) -> int:
        """The target that the next block must have if it is of ``entry``. Raises TierViolation."""
        rules = self.params.difficulty
        base = child_target(self.anchor, self.height, self.times_ms[-1], rules)
        return target_of(entry, self.registry, self.tiers, base, rules)

    def executed(self, confirmed: tuple[Scheduled, ...]) -> "HeaderChain":
        """This chain, whose tip was executed and confirmed so much."""
        return replace(self, schedule=(*self.schedule, *confirmed)) if confirmed else self

    def extended_by_header(self, header: Header) -> "HeaderChain":
        """This chain with a proven block on top."""
        pre = header.pre
        rules = self.params.difficulty
        tiers, anchor = after_block(
            self.registry,
            self.tiers,
            self.anchor,
            tier_id=pre.tier,
            height=pre.height,
            time_ms=pre.time_ms,
            rules=rules,
        )
        registry = registry_at(self.registry, self.schedule, pre.height + 1)
        return HeaderChain(
            params=self.params,
            genesis_hash=self.genesis_hash,
            registry=registry,
            schedule=still_ahead(self.schedule, pre.height + 1),
            tip_id=header.block_id,
            tip_work_id=header.work_id,
            height=pre.height,
            times_ms=(*self.times_ms, pre.time_ms)[-rules.median_window :],
            anchor=anchor,
            tiers=tiers if registry is self.registry else tiers.matched(registry),
            weight=self.weight + block_weight(pre.target_value, pre.omega),
        )
