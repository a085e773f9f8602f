"""Which entries a miner keeps workers for: one pure function of what is confirmed and what is here.

    loaded    a lead of blocks before the first height that may have the entry
    mined     while it is its tier's own; as the previous one, while the own is not ready
    released  after the last height that may have it, once nobody works with it

An entry that is not mined rests: its calls are still answered, and it is mined again at once if a
branch without the activation wins in the blocks after it.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from esper.dao.registry import TierRegistry
from esper.dao.schedule import Scheduled, registry_at
from esper.node.workers.loadable import Loadable

LEAD_BLOCKS: Final = 10
"""Before its first height an entry is loaded: minutes on every network, and a model takes one. As
long after an activation the replaced entry stays ready, for a branch that has it as its own."""


@dataclass(frozen=True, slots=True)
class Run:
    """Heights in a row that may have blocks of an entry."""

    entry: Loadable
    """The entry."""
    first: int
    """The first of them, not below the height that was asked for."""
    last: int | None
    """The last; None if nothing that is confirmed ends it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry that workers are kept for."""

    entry: Loadable
    """The entry."""
    until: int | None
    """The last height that may have it, as of what is confirmed; None: no end is known."""
    mines: bool
    """Whether its search and the prover of tickets have to be ready; else it answers calls only."""


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What to do with the workers before the next block."""

    kept: tuple[Kept, ...]
    """All that workers are kept for, by tier; those of a tier in the order of their heights."""
    load: tuple[Loadable, ...]
    """Those of them that are not loaded yet."""
    release: tuple[Loadable, ...]
    """Loaded ones that nobody needs any more."""
    missing: tuple[Loadable, ...]
    """Own entries of tiers, of now or soon, whose model or bank does not lie here."""


def runs_from(tiers: TierRegistry, schedule: Iterable[Scheduled], height: int) -> tuple[Run, ...]:
    """Every run of heights from ``height`` on that an entry may be mined at.

    ``tiers`` are those of ``height``, ``schedule`` is what acts later. By first height, those of
    one height by tier, own before previous.
    """
    later = tuple(one for one in schedule if one.height > height)
    heights = [height, *sorted({one.height for one in later})]
    began: dict[Loadable, int] = {}
    found: list[Run] = []
    for start in heights:
        now = _entries(registry_at(tiers, later, start))
        for entry in [entry for entry in began if entry not in now]:
            found.append(Run(entry, began.pop(entry), start - 1))
        for entry in now:
            began.setdefault(entry, start)
    found += [Run(entry, first, None) for entry, first in began.items()]
    return tuple(sorted(found, key=lambda run: (run.first, run.entry.model.tier)))


def plan_room(
    tiers: TierRegistry,
    schedule: Iterable[Scheduled],
    height: int,
    *,
    tier: int | None,
    here: Callable[[Loadable], bool],
    loaded: Collection[Loadable],
    ready: Collection[Loadable],
    busy: Collection[Loadable],
    lead: int = LEAD_BLOCKS,
) -> RoomPlan:
    """What workers to keep for the block at ``height``, whose tiers are ``tiers``.

    ``tier`` is the only one that is mined, None for all. ``here`` says whether an entry's files
    are; what is ``loaded`` needs them no more. ``ready`` can be searched with, ``busy`` has a proof
    or an answer under way.
    """
    later = tuple(one for one in schedule if one.height > height)
    near = height + lead
    runs: dict[Loadable, Run] = {}
    for run in runs_from(tiers, later, height):
        if run.first <= near and tier in (None, run.entry.model.tier):
            # Of several runs of one entry the first: the others are planned when it ends.
            runs.setdefault(run.entry, run)

    def is_here(entry: Loadable) -> bool:
        return entry in loaded or here(entry)

    owned = {
        Loadable.of(one.own): None
        for start in [height, *(one.height for one in later if one.height <= near)]
        for one in registry_at(tiers, later, start).tiers
    }
    standing_by = {
        Loadable.of(entry)
        for one in tiers.tiers
        for entry in one.previous
        if Loadable.of(one.own) not in ready or height - one.since < lead
    }
    kept = tuple(
        Kept(entry, run.last, entry in owned or entry in standing_by)
        for entry, run in sorted(runs.items(), key=lambda item: _order(*item))
        if is_here(entry)
    )
    names = {one.entry for one in kept}
    return RoomPlan(
        kept=kept,
        load=tuple(one.entry for one in kept if one.entry not in loaded),
        release=tuple(one for one in loaded if one not in names and one not in busy),
        missing=tuple(one for one in owned if one in runs and not is_here(one)),
    )


def _entries(tiers: TierRegistry) -> dict[Loadable, None]:
    return {Loadable.of(entry): None for tier in tiers.tiers for entry in tier.entries}


def _order(entry: Loadable, run: Run) -> tuple[int, int]:
    return entry.model.tier, run.first
