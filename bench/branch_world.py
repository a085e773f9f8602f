"""A branch of headers mined in private, whose times and tiers are its miner's to choose.

    work of a block    tickets expected until one meets the target, 2^512 / target, times what a
                       ticket costs: its multiply-accumulates over those of genesis' ticket
    weight of a block  what fork choice adds for it, in 1/65536 of genesis' ticket

Targets, multipliers, anchors, medians and tiers are those of ``esper.consensus``; work is a float,
for it is measured and not agreed on. The omega of an entry is what the chain believes about its
cost; ``Start.costs`` is what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.branch_rules import IN_FORCE, BranchRules, Mined
from esper.consensus.difficulty import Anchor
from esper.consensus.tiers import TierState
from esper.dao.registry import Entry, TierRegistry
from esper.dao.schedule import Scheduled, registry_at, still_ahead
from esper.primitives.ids import ModelId
from esper.primitives.params import DifficultyParameters
from esper.primitives.units import FIXED_POINT_ONE, RANGE_512


@dataclass(frozen=True)
class Start:
    """Where a branch leaves the chain: what headers say up to that block."""

    rules: DifficultyParameters
    """The network's."""
    height: int
    """Of the last common block."""
    times_ms: tuple[int, ...]
    """Times of the last common blocks."""
    anchor: Anchor | None
    """Where targets are measured from."""
    registry: TierRegistry
    """Tiers of the next block."""
    state: TierState
    """Their multipliers and counts."""
    schedule: tuple[Scheduled, ...]
    """What acts later, on every branch."""
    costs: Mapping[ModelId, float]
    """Work of a ticket of each model, genesis' 1."""


class Branch:
    """Grows by blocks. Not a value."""

    def __init__(self, start: Start, rules: BranchRules = IN_FORCE) -> None:
        self._rules, self._params, self._costs = rules, start.rules, start.costs
        self.height = start.height
        self.times_ms = list(start.times_ms[-start.rules.median_window :])
        self.registry, self.state, self.anchor = start.registry, start.state, start.anchor
        self.weight = 0
        """Sum of the weights of the branch's own blocks."""
        self.work = 0.0
        """Sum of their work."""
        self._schedule = start.schedule
        self._base = self._next_base()

    @property
    def earliest_ms(self) -> int:
        """Least time of the next block: above the median."""
        return sorted(self.times_ms)[len(self.times_ms) // 2] + 1

    @property
    def base(self) -> int:
        """Base target of the next block."""
        return self._base

    def entries(self) -> tuple[Entry, ...]:
        """All that the next block may be mined with."""
        return tuple(entry for tier in self.registry.tiers for entry in tier.entries)

    def price(self, entry: Entry) -> tuple[int, float]:
        """Weight, in 1/65536 of genesis' ticket, and work of the next block if of ``entry``."""
        target = self._rules.target_of(entry, self.registry, self.state, self._base, self._params)
        tier = self.registry.tier(entry.model.tier)
        weight = self._rules.weight(Mined(target, self._base, entry, tier))
        return weight, self._costs[entry.model.model_id] * (RANGE_512 / target)

    def mine(self, entry: Entry, time_ms: int) -> None:
        """One more block. Raises ValueError for a time that is not above the median."""
        if time_ms < self.earliest_ms:
            raise ValueError(f"time {time_ms} must be {self.earliest_ms} at least")
        weight, work = self.price(entry)
        self.weight += weight
        self.work += work
        self.height += 1
        self.state, self.anchor = self._rules.after_block(
            self.registry,
            self.state,
            self.anchor,
            tier_id=entry.model.tier,
            height=self.height,
            time_ms=time_ms,
            rules=self._params,
        )
        if self._schedule:
            self.registry = registry_at(self.registry, self._schedule, self.height + 1)
            self._schedule = still_ahead(self._schedule, self.height + 1)
            self.state = self.state.matched(self.registry)
        self.times_ms = [*self.times_ms, time_ms][-self._params.median_window :]
        self._base = self._next_base()

    def _next_base(self) -> int:
        return self._rules.child_target(self.anchor, self.height, self.times_ms[-1], self._params)


def behind(branch: Branch) -> Entry:
    """The own entry of the tier that has fewest of the window's blocks for its share."""
    tiers = branch.registry.tiers
    return min(tiers, key=lambda tier: (branch.state.tally(tier.id).blocks + 1) / tier.share).own


def honest(start: Start, blocks: int, rules: BranchRules = IN_FORCE) -> Branch:
    """The chain on time, every tier at its share, only own entries."""
    branch = Branch(start, rules)
    first = start.times_ms[-1]
    for number in range(1, blocks + 1):
        branch.mine(behind(branch), first + number * start.rules.spacing_ms)
    return branch


def per_work(branch: Branch) -> float:
    """Weight for work, both in genesis' tickets."""
    return branch.weight / FIXED_POINT_ONE / branch.work


def times_before(height: int, first_ms: int, rules: DifficultyParameters) -> Sequence[int]:
    """Times on the dot of the last blocks up to ``height``, block 0 at ``first_ms``."""
    low = max(0, height + 1 - rules.median_window)
    return [first_ms + each * rules.spacing_ms for each in range(low, height + 1)]
