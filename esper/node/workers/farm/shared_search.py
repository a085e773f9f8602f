"""One search by several workers: who tries which nonces, and whose find counts.

Pure: who the workers are and how they are reached, others know. A worker has nonces of its own from
its start to its end, and nobody has them after it: what died may still have tried some.
"""

from collections.abc import Hashable
from itertools import count
from typing import Final

from esper.node.workers.farm.ticket_check import StrangeResultError, TicketCheck
from esper.node.workers.search import SearchJob
from esper.node.workers.worker_messages import Found, Search

SHARE: Final = 1 << 40
"""Nonces of a worker: a million a second would last for twelve days, a job lasts for a block."""
SHARES: Final = (1 << 64) // SHARE
LOCAL_SHARE: Final = 0
"""Of a search on the node's own machine, which begins at nonce 0."""
STOP: Final = Search(None)
KEPT_JOBS: Final = 8
"""Jobs on one parent whose finds count: what waits changes a template every second, and a find
that was on its way meanwhile makes a block as good as any."""


class SharedSearch:
    """What is searched now, and by whom."""

    def __init__(self, check: TicketCheck) -> None:
        self._check = check
        self._shares = count(LOCAL_SHARE + 1)
        self._nonces: dict[Hashable, range] = {}
        self._job: SearchJob | None = None
        self._jobs: dict[int, SearchJob] = {}

    def search(self, job: SearchJob | None) -> None:
        """Search for this from now on; None: stop. What is found on another parent is dropped."""
        if job is None or self._job is None or job.pre.parent != self._job.pre.parent:
            self._jobs.clear()
        self._job = job
        if job is not None:
            self._jobs[job.number] = job
            for old in list(self._jobs)[:-KEPT_JOBS]:
                del self._jobs[old]

    def is_searched(self, number: int) -> bool:
        """Whether a find for this job would count."""
        return number in self._jobs

    def join(self, worker: Hashable) -> Search:
        """Take in a worker that is ready; what it is to be told.

        Raises ValueError if it is there already, or after ``SHARES`` workers.
        """
        if worker in self._nonces:
            raise ValueError(f"worker {worker} is there already")
        share = next(self._shares)
        if share >= SHARES:
            raise ValueError("all shares of the nonces were given away")
        self._nonces[worker] = range(share * SHARE, (share + 1) * SHARE)
        return self.told(worker)

    def leave(self, worker: Hashable) -> None:
        """A worker is gone; what still comes from it is refused."""
        self._nonces.pop(worker, None)

    def told(self, worker: Hashable) -> Search:
        """What a worker is to search for now. Raises KeyError for one that is not there."""
        nonces = self._nonces[worker]
        return STOP if self._job is None else Search(self._job, nonces.start)

    def heard(self, worker: Hashable, number: int, data: bytes, now_ms: int) -> Found | None:
        """What a worker found, if it counts; the search ends with it, and all are to be told.

        ``number`` is that of the job the worker was told. None for a find of a job that is over,
        by a new tip or by another worker's find. Raises StrangeResultError for what no worker of
        this program sends, and from a worker that is not there: it is to be replaced.
        """
        nonces = self._nonces.get(worker)
        if nonces is None:
            raise StrangeResultError("the worker was given no nonces")
        job = self._jobs.get(number)
        if job is None:
            return None
        ticket = self._check.checked(job, nonces, data, now_ms)
        self.search(None)
        return Found(number, ticket)
