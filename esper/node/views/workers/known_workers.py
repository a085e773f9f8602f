"""All workers of a miner in one list: those of its farm, and the processes of this machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from esper.node.entries.entry_workers import EntryWorkers
from esper.node.workers.farm.farm import Farm
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.loadable import Loadable
from esper.node.workers.worker_slot import SlotStanding

FARM: Final = "farm"
HERE: Final = "here"
SEARCH: Final = "search"
PROVE: Final = "prove"
CALLS: Final = "calls"
KINDS: Final = MappingProxyType({Role.SEARCH: SEARCH, Role.PROVE: PROVE})


@dataclass(frozen=True, slots=True)
class KnownWorker:
    """A slot, and whose it is."""

    where: str
    """``FARM`` or ``HERE``."""
    kind: str
    """``SEARCH``, ``PROVE`` or ``CALLS``."""
    slot: int
    """From 1 on, among those of its place and kind."""
    entry: Loadable | None
    """What it works for, None while the farm works for nobody."""
    standing: SlotStanding
    """How it is."""


def known_workers(farm: Farm | None, loaded: Iterable[EntryWorkers]) -> list[KnownWorker]:
    """The farm's by kind and slot, then those of this machine in the order of ``loaded``."""
    found: list[KnownWorker] = []
    if farm is not None:
        found += [
            KnownWorker(FARM, kind, number, farm.entry, slot.standing())
            for role, kind in KINDS.items()
            for number, slot in enumerate(farm.slots[role], 1)
        ]
    for one in loaded:
        workers = one.workers
        for kind, slot in (
            (SEARCH, workers.searcher.slot),
            (PROVE, workers.work_prover.slot),
            (CALLS, workers.call_prover.slot),
        ):
            found.append(KnownWorker(HERE, kind, one.number, one.entry, slot.standing()))
    return found
