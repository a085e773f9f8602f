"""What mining each tier promises this machine, and which one to mine: pure decisions.

    block_ms = 1000 / (attempts a second * chance of an attempt) + ms of its proof
    reward a second = reward of the next block * 1000 / block_ms

All tiers' blocks earn the same, so the best is the one with the least block_ms. Numbers of this
machine are measured; an entry that was never searched with is estimated from those that were, by
its shape, and is searched with first if it is ready: a minute that is no loss, for whatever is
found counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Final

from esper.dao.cost import proving_cost
from esper.dao.omega import reference_work
from esper.dao.registry import Entry
from esper.node.workers.loadable import Loadable

MARGIN: Final = 0.1
"""Another tier has to promise so much more before the miner changes: speeds and targets tremble."""
HOLD_MS: Final = 60_000
"""And the one that is mined has to have been mined for so long."""
COST_MS: Final = 1e-5
"""Milliseconds of two cores in a unit of ``dao.cost``."""


class Readiness(StrEnum):
    """How far the workers of an entry are."""

    READY = "ready"
    """It can be searched with."""
    LOADING = "loading"
    """Its model is being loaded."""
    RESTING = "resting"
    """It answers calls, and is not searched with."""
    MISSING = "missing"
    """Its model or bank is not here, or cannot be loaded."""
    LEFT = "left"
    """Another tier is to be mined, by this node's settings."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """An entry that may be mined in the next block."""

    entry: Entry
    """The entry."""
    previous: bool
    """Whether it is its tier's previous one."""
    readiness: Readiness
    """How far its workers are."""
    chance: float
    """That an attempt wins, 0 to 1."""
    attempts_per_second: float = 0.0
    """Of this machine, 0 if nothing is known."""
    proof_ms: float = 0.0
    """Of a ticket, 0 if nothing is known."""
    measured: bool = False
    """Whether the speed was measured; else it is estimated."""

    @property
    def loadable(self) -> Loadable:
        """What its workers load."""
        return Loadable.of(self.entry)

    @property
    def block_ms(self) -> float:
        """Mean time to a proven block of this machine alone; infinite if nothing is known."""
        wins = self.attempts_per_second * self.chance
        return 1000 / wins + self.proof_ms if wins > 0 else inf


def estimated(prospects: Sequence[Prospect]) -> tuple[Prospect, ...]:
    """The same with speeds for those that were not measured, by the work of their tickets.

    Without any measurement the speeds stay 0, but for proofs: those follow from the cost formula.
    """
    works = [one.attempts_per_second * _work(one) for one in prospects if one.measured]
    slowness = [one.proof_ms / _proving_ms(one) for one in prospects if one.proof_ms > 0]
    work = max(works, default=0.0)
    factor = min(slowness, default=1.0)
    found = []
    for one in prospects:
        speed = one.attempts_per_second if one.measured else work / _work(one)
        proof_ms = one.proof_ms or factor * _proving_ms(one)
        found.append(replace(one, attempts_per_second=speed, proof_ms=proof_ms))
    return tuple(found)


def chosen(
    prospects: Iterable[Prospect],
    *,
    tier: int | None,
    mined: Loadable | None,
    mined_ms: int,
) -> Prospect | None:
    """What to mine: of the only ``tier`` that is, or of the best; None if nothing can be.

    ``mined`` is what is mined now, for ``mined_ms``. A tier's previous entry is mined only while
    its own cannot be.
    """
    candidates = _candidates(one for one in prospects if tier in (None, one.entry.model.tier))
    if not candidates:
        return None
    present = next((one for one in candidates if one.loadable == mined), None)
    if present is not None and not _is_measured(present):
        return present
    unmeasured = next((one for one in candidates if not _is_measured(one)), None)
    if unmeasured is not None:
        return unmeasured
    best = min(candidates, key=lambda one: (one.block_ms, one.entry.model.tier))
    if present is None:
        return best
    better = best.block_ms * (1 + MARGIN) < present.block_ms
    return best if better and mined_ms >= HOLD_MS else present


def _candidates(prospects: Iterable[Prospect]) -> list[Prospect]:
    """One for each tier that can be mined; those that are ready, if any is."""
    by_tier: dict[int, list[Prospect]] = {}
    for one in prospects:
        if one.readiness in (Readiness.READY, Readiness.LOADING):
            by_tier.setdefault(one.entry.model.tier, []).append(one)
    firsts = [min(tier, key=_rank) for _, tier in sorted(by_tier.items())]
    ready = [one for one in firsts if one.readiness is Readiness.READY]
    return ready or firsts


def _rank(one: Prospect) -> tuple[bool, bool]:
    """Ready before loading, own before previous."""
    return one.readiness is not Readiness.READY, one.previous


def _is_measured(one: Prospect) -> bool:
    return one.measured or one.readiness is not Readiness.READY


def _work(one: Prospect) -> int:
    return reference_work(one.entry.puzzle, one.entry.model)


def _proving_ms(one: Prospect) -> float:
    return proving_cost(one.entry.puzzle, one.entry.model.shape) * COST_MS
