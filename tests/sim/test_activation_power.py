"""An activation of which only a part of the power takes notice, by the real rules of targets.

The replaced model is mined at a quarter of its target. So a part f of the power that has moved
finds f / (f + (1 - f) / 4) of the blocks, and until the difficulty has followed the chain is slower
by f + (1 - f) / 4. Times are the expected ones; which entry finds a block is drawn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from esper.consensus.difficulty import child_target
from esper.consensus.tiers import TierState, after_block, target_of
from esper.dao.registry import TierRegistry
from esper.dao.schedule import registry_at
from esper.dao.steps import counted, trial_won
from esper.primitives.networks import MAINNET
from esper.primitives.units import RANGE_512
from tests.support.dao_cases import activation, placed
from tests.support.dao_proposals import proposal
from tests.support.tier_cases import ONE

RULES = MAINNET.difficulty
HALF_LIFE = RULES.half_life_blocks
ACTIVE = 4 * RULES.window
"""Height of the activation: the difficulty has settled."""
COUNTED = MAINNET.governance.count_window
LAST = ACTIVE + 6 * RULES.window
ALONE = TierRegistry((placed(0, 1, ONE),))
BESIDE_AN_IDLE_TIER = TierRegistry((placed(0, 1, ONE * 3 // 4), placed(1, 2, ONE // 4)))
ATTEMPTS = RANGE_512 / RULES.genesis_target / RULES.spacing_ms
"""Tickets of genesis' model in a millisecond, by all of the power."""


@dataclass
class Life:
    """Blocks of a chain with an activation."""

    times: list[float]
    """Milliseconds, by height."""
    fresh: list[bool]
    """Whether each was mined with the tier's own entry, from height 1 on."""

    @property
    def share(self) -> float:
        """Of fresh blocks, since the activation."""
        since = self.fresh[ACTIVE - 1 :]
        return sum(since) / len(since)

    @property
    def slowest(self) -> float:
        """The longest half-life since then, over what it should take."""
        starts = range(ACTIVE - 1, LAST - HALF_LIFE)
        longest = max(self.times[at + HALF_LIFE] - self.times[at] for at in starts)
        return longest / HALF_LIFE / RULES.spacing_ms

    def keeps_the_new_model(self) -> bool:
        """What a trial says that ends with the last block."""
        found = replace(proposal(), seen=0, ready=0)
        for fresh in self.fresh[-COUNTED:]:
            found = counted(found, True, fresh)
        return trial_won(found, has_previous=True)


def lived(moved: float, before: TierRegistry = ALONE, omega: int = 2 * ONE) -> Life:
    """A chain on which this part of the power mines the new model from its height on."""
    chance = random.Random(1)
    schedule = [activation(ACTIVE, 0, 7, omega=omega)]
    state, anchor = TierState.of(before), None
    life, stamp = Life([0.0], []), 0
    for height in range(1, LAST + 1):
        tiers = registry_at(before, schedule, height)
        base = child_target(anchor, height - 1, stamp, RULES)
        entries = tiers.tier(0).entries
        parts = (moved, 1 - moved) if len(entries) > 1 else (1.0,)
        rates = [
            part
            * (ATTEMPTS * ONE / entry.omega)
            * (target_of(entry, tiers, state, base, RULES) / RANGE_512)
            for entry, part in zip(entries, parts, strict=True)
        ]
        life.times.append(life.times[-1] + 1 / sum(rates))
        life.fresh.append(chance.random() * sum(rates) < rates[0])
        stamp = int(life.times[-1])
        state, anchor = after_block(
            tiers, state, anchor, tier_id=0, height=height, time_ms=stamp, rules=RULES
        )
    return life


@pytest.mark.parametrize(
    ("moved", "slowest", "stays"),
    [(0, 2.3, False), (0.1, 2.0, False), (0.25, 1.7, True), (0.5, 1.4, True), (1, 1.0, True)],
)
@pytest.mark.parametrize("before", [ALONE, BESIDE_AN_IDLE_TIER], ids=["alone", "idle tier"])
def test_what_part_of_the_power_a_new_model_needs(
    moved: float, slowest: float, stays: bool, before: TierRegistry
) -> None:
    life = lived(moved, before)
    assert life.share == pytest.approx(moved / (moved + (1 - moved) / 4), abs=0.02)
    assert life.keeps_the_new_model() == stays
    if before is ALONE:
        assert life.slowest == pytest.approx(slowest, abs=0.1)


def test_a_fifth_of_the_power_finds_half_of_the_blocks() -> None:
    assert lived(0.2).share == pytest.approx(0.5, abs=0.02)


def test_the_weight_of_the_new_model_changes_nothing() -> None:
    light, heavy = lived(0.25, omega=ONE // 8), lived(0.25, omega=1024 * ONE)
    assert light.fresh == heavy.fresh
