"""Who works for an entry, and where to get them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from esper.node.entries.places import EntryPlaces
from esper.node.workers.loadable import Loadable
from esper.node.workers.threads import ThreadsError
from esper.node.workers.work_ports import ProverPort, SearcherPort, Workers
from esper.node.workers.worker_process import NATIVE, EngineChoice, WorkerSettings


class Crew(Protocol):
    """Makes workers. They load nothing before they are started."""

    def is_here(self, entry: Loadable) -> bool:
        """Whether the entry's files lie on this machine."""

    def workers(self, entry: Loadable) -> Workers:
        """New workers for an entry that is here."""

    def use_threads(self, search: int | None, prove: int | None) -> None:
        """Threads of all that are made from now on; None leaves them.

        Raises ThreadsError for a search that no threads are of use to.
        """


@dataclass(frozen=True, slots=True)
class Threads:
    """Of each worker, at least 1."""

    search: int
    """Of a search."""
    prove: int
    """Of a prover."""


class ProcessCrew:
    """Workers that are processes."""

    def __init__(
        self,
        network: str,
        places: EntryPlaces,
        threads: Threads,
        searcher: Callable[[WorkerSettings], SearcherPort],
        prover: Callable[[WorkerSettings], ProverPort],
        engine: EngineChoice = NATIVE,
    ) -> None:
        """``searcher`` and ``prover`` make a process's port from how it is started.

        ``engine`` is that of searches.
        """
        self._network = network
        self._places: Final = places
        self._threads = threads
        self._searcher = searcher
        self._prover = prover
        self._engine = engine

    def is_here(self, entry: Loadable) -> bool:
        """Whether model and bank lie here."""
        return self._places.find(entry) is not None

    def workers(self, entry: Loadable) -> Workers:
        """Ports of processes that are not started yet."""
        place = self._places.find(entry)
        # What went away since it was looked for is told of by the process that misses it.
        model, bank = (place.model, place.bank) if place else (Path(), Path())
        searching = WorkerSettings(
            self._network, model, bank, self._threads.search, entry, self._engine
        )
        proving = replace(searching, threads=self._threads.prove, engine=NATIVE)
        return Workers(self._searcher(searching), self._prover(proving), self._prover(proving))

    def use_threads(self, search: int | None, prove: int | None) -> None:
        """As the port says."""
        if search is not None and self._engine.is_card:
            raise ThreadsError(
                f"do not matter to a search on {self._engine.device}, which has its own: cap those "
                "of the provers alone (`esperd threads --prove`, prove_threads)"
            )
        self._threads = Threads(search or self._threads.search, prove or self._threads.prove)
