"""Workers of an entry that the farm takes part in, beside the processes of this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from esper.consensus.genesis import genesis_hash
from esper.consensus.ports import WorkVerifier
from esper.model.prompts import read_bank
from esper.node.clock import Clock
from esper.node.entries.crew import Crew
from esper.node.entries.places import EntryPlaces, Place
from esper.node.workers.farm.farm import Assignment, Farm
from esper.node.workers.farm.farm_prover import FarmProver
from esper.node.workers.farm.farm_search import FarmSearcher
from esper.node.workers.farm.ticket_check import TicketCheck
from esper.node.workers.farm.worker_spec import Role, WorkerSpec
from esper.node.workers.loadable import Loadable
from esper.node.workers.search import PromptSource
from esper.node.workers.work_ports import Workers
from esper.node.workers.worker_process import NATIVE, EngineChoice
from esper.primitives.params import NetworkParameters


@dataclass(frozen=True, slots=True)
class FarmSizes:
    """Workers of a farm, by role."""

    most: Mapping[Role, int]
    """At most so many."""
    cpus: Mapping[Role, int]
    """Processors that each takes, at least 1."""


class FarmCrew:
    """A Crew whose workers share their work with a farm."""

    def __init__(
        self,
        local: Crew,
        farm: Farm,
        sizes: FarmSizes,
        network: NetworkParameters,
        places: EntryPlaces,
        engine: EngineChoice,
        verifier: WorkVerifier,
        wall: Clock,
    ) -> None:
        """``engine`` is that of searches; on graphics cards each takes one. ``wall`` may step."""
        self._local = local
        self._farm = farm
        self._sizes = sizes
        self._network = network
        self._places = places
        self._engine = engine
        self._verifier = verifier
        self._wall = wall

    def is_here(self, entry: Loadable) -> bool:
        """Whether model and bank lie on the node's machine."""
        return self._local.is_here(entry)

    def workers(self, entry: Loadable) -> Workers:
        """Ports that begin nothing before they are started."""
        own = self._local.workers(entry)
        place = self._places.find(entry)
        if place is None:
            return own
        genesis = genesis_hash(self._network)
        load_check = partial(_load_check, self._network, entry, place.bank)
        prover = partial(
            FarmProver,
            farm=self._farm,
            entry=entry,
            verifier=self._verifier,
            genesis_hash=genesis,
        )
        return Workers(
            FarmSearcher(
                own.searcher, self._farm, self._assignment(entry, place), load_check, self._wall
            ),
            prover(own.work_prover),
            prover(own.call_prover),
        )

    def use_threads(self, search: int | None, prove: int | None) -> None:
        """Of the processes; a worker of the farm has as many as it takes processors.

        Raises ThreadsError.
        """
        self._local.use_threads(search, prove)

    def _assignment(self, entry: Loadable, place: Place) -> Assignment:
        sizes, engine = self._sizes, self._engine
        cards = int(engine.is_card)
        search = WorkerSpec(
            Role.SEARCH,
            self._network.name,
            entry,
            place.model.resolve(),
            place.bank.resolve(),
            sizes.cpus[Role.SEARCH],
            cards,
            # Ray shows each worker its own card, as the first.
            replace(engine, device="cuda") if cards else engine,
        )
        cpus = sizes.cpus[Role.PROVE]
        prove = replace(search, role=Role.PROVE, cpus=cpus, gpus=0, engine=NATIVE)
        return Assignment(entry, {Role.SEARCH: search, Role.PROVE: prove}, sizes.most)


def _load_check(network: NetworkParameters, entry: Loadable, bank: Path) -> TicketCheck:
    """Raises ModelError and WrongModelError."""
    source = PromptSource.of(read_bank(bank).prompts, entry.model)
    return TicketCheck(entry.puzzle.on(network.puzzle), entry.model, source)
