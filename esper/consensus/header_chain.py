"""The chain as the next header sees it: a value that grows by headers of proven blocks.

Neither the state nor what blocks hold is part of it: whether a header fits and its work is proven
can be judged on any branch, and by who has no body yet. Which models and tiers a height has follows
from what the last executed ancestor, x, had confirmed: exactly, up to x + L, the horizon.
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
    tip_registry: TierRegistry
    """Models and tiers of the tip."""
    schedule: tuple[Scheduled, ...]
    """What was confirmed up to the last executed ancestor and acts after the tip."""
    executed_height: int
    """x: height of the last executed ancestor; the tip's own if that was executed."""
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
    tip_tiers: TierState
    """Multipliers and counts after the tip, of the tip's tiers."""
    weight: int
    """Sum of the weights of all blocks after genesis, in 1/65536 of a genesis ticket."""

    @property
    def median_time_ms(self) -> int:
        """Median of the last times (the upper one of an even number): the next must exceed it."""
        return sorted(self.times_ms)[len(self.times_ms) // 2]

    @property
    def horizon(self) -> int:
        """x + L, the greatest height whose models and tiers are known here."""
        return self.executed_height + self.params.governance.horizon

    @property
    def registry(self) -> TierRegistry:
        """Models and tiers of the next block, exact up to the horizon."""
        return registry_at(self.tip_registry, self.schedule, self.height + 1)

    @property
    def tiers(self) -> TierState:
        """Multipliers and counts for the next block: a new tier begins at 1."""
        registry = self.registry
        same = registry is self.tip_registry
        return self.tip_tiers if same else self.tip_tiers.matched(registry)

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
        """This chain, whose tip was executed and confirmed so much.

        Raises ValueError for what would act within the horizon that the parent had: others have
        judged headers without it.
        """
        least = self.height + self.params.governance.horizon
        for one in confirmed:
            if one.height < least:
                raise ValueError(
                    f"block {self.height} confirms an act of height {one.height}, must be at "
                    f"least {least}"
                )
        return replace(self, schedule=(*self.schedule, *confirmed), executed_height=self.height)

    def told(self, executed: "HeaderChain") -> "HeaderChain":
        """This chain, of which ``executed`` is an ancestor: with what that knows more.

        Nothing but what lies ahead of the tip changes: up to the old horizon both say the same, and
        tiers are matched only to those of a height that is asked for.
        """
        if executed.executed_height <= self.executed_height:
            return self
        schedule = still_ahead(executed.schedule, self.height)
        return replace(self, schedule=schedule, executed_height=executed.executed_height)

    def extended_by_header(self, header: Header) -> "HeaderChain":
        """This chain with a proven block on top."""
        pre = header.pre
        rules = self.params.difficulty
        registry = self.registry
        tiers, anchor = after_block(
            registry,
            self.tiers,
            self.anchor,
            tier_id=pre.tier,
            height=pre.height,
            time_ms=pre.time_ms,
            rules=rules,
        )
        return HeaderChain(
            params=self.params,
            genesis_hash=self.genesis_hash,
            tip_registry=registry,
            schedule=still_ahead(self.schedule, pre.height),
            executed_height=self.executed_height,
            tip_id=header.block_id,
            tip_work_id=header.work_id,
            height=pre.height,
            times_ms=(*self.times_ms, pre.time_ms)[-rules.median_window :],
            anchor=anchor,
            tip_tiers=tiers,
            weight=self.weight + block_weight(pre.target_value, pre.omega),
        )
