"""A search by the farm's workers, and by the node's own process while none of them is ready."""

from collections.abc import Callable
from math import inf
from typing import Final

import trio

from esper.model import ModelError
from esper.node.clock import Clock, steady_ms
from esper.node.workers.farm.farm import Assignment, Farm
from esper.node.workers.farm.shared_search import SharedSearch
from esper.node.workers.farm.ticket_check import StrangeResultError, TicketCheck
from esper.node.workers.farm.work_records import SearchNews
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.search import SearchJob, WrongModelError
from esper.node.workers.work_ports import SearcherPort
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import WorkerError

TELL_S: Final = 0.25
"""As often a search of one process says what it did."""


class FarmSearcher:
    """A SearcherPort. A job is one search, whoever takes part; it ends with its first find."""

    def __init__(
        self,
        local: SearcherPort,
        farm: Farm,
        assignment: Assignment,
        load_check: Callable[[], TicketCheck],
        wall: Clock,
        steady: Clock = steady_ms,
    ) -> None:
        """``load_check`` reads the prompt bank; it is called in a thread. ``wall`` may step."""
        self._local = local
        self.slot = local.slot
        """Of the own process; the farm has its workers'."""
        self._farm = farm
        self._assignment = assignment
        self._load_check = load_check
        self._wall = wall
        self._steady = steady
        self._shared: SharedSearch | None = None
        self._job: SearchJob | None = None
        self._attempts = self._tokens = 0
        send, receive = trio.open_memory_channel[Found | Progress](inf)
        # At most one find of a job, and what the own process says.
        self._send, self._receive = send, receive

    def search(self, job: SearchJob | None) -> None:
        """Search for this from now on; None: stop."""
        self._job = job
        if job is not None and self._shared is not None:
            self._farm.assign(self._assignment, self)
        self._tell_all()

    def use_threads(self, threads: int) -> None:
        """Of the own process; a worker of the farm has as many as it takes processors."""
        self._local.use_threads(threads)

    async def run(
        self,
        events: "trio.MemorySendChannel[Found | Progress]",
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Work until cancelled. Raises WorkerError."""
        if self._shared is None:
            try:
                check = await trio.to_thread.run_sync(self._load_check)
            except (ModelError, WrongModelError, OSError) as error:
                raise WorkerError(f"the farm's finds cannot be checked: {error}") from error
            self._shared = SharedSearch(check)
        failed = False
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._local.run, self._send.clone())
                nursery.start_soon(self._tell_progress, events)
                nursery.start_soon(self._pass_on, events)
                if self._job is not None:
                    self.search(self._job)
                task_status.started()
        except* WorkerError:
            # The own process; the farm goes on, and what it finds waits for the next start.
            failed = True
            raise
        finally:
            if not failed:
                self._farm.release(self)

    # What the farm says.

    def joined(self, worker: int) -> None:
        """A worker is ready to search."""
        if self._shared is not None:
            self._shared.join(worker)
            self._tell_all(new=worker)

    def left(self, worker: int) -> None:
        """A worker is gone. The last one's work is the own process's again."""
        if self._shared is not None:
            self._shared.leave(worker)
            if not self._farm.ready(Role.SEARCH):
                self._local.search(self._job)

    def said(self, worker: int, news: SearchNews) -> None:
        """What a worker tried, and maybe found: a find that holds ends the search for all."""
        self._attempts += news.attempts
        self._tokens += news.tokens
        if not news.found or self._shared is None:
            return
        try:
            found = self._shared.heard(worker, news.number, news.found, self._wall())
        except StrangeResultError as error:
            self._farm.replace(worker, str(error))
            return
        if found is not None:
            self._end_search()
            self._send.send_nowait(found)

    def _end_search(self) -> None:
        self._job = None
        self._tell_all()

    def _tell_all(self, new: int | None = None) -> None:
        """Let everybody do what is searched now; ``new`` alone if the others do it already."""
        if self._shared is None:
            self._local.search(self._job)
            return
        workers = [one.number for one in self._farm.ready(Role.SEARCH)]
        if new is None:
            self._shared.search(self._job)
        for worker in workers:
            if new in (None, worker):
                self._farm.tell(worker, self._shared.told(worker))
        # Beside its own workers the machine would do the same work at half the speed.
        if new is None or len(workers) == 1:
            self._local.search(None if workers else self._job)

    async def _pass_on(self, events: "trio.MemorySendChannel[Found | Progress]") -> None:
        async for event in self._receive:
            shared = self._shared
            # By the own process, that is: with a find of the farm's it has ended already.
            if isinstance(event, Found) and shared is not None and shared.is_searched(event.number):
                self._end_search()
            await events.send(event)

    async def _tell_progress(self, events: "trio.MemorySendChannel[Found | Progress]") -> None:
        """What all workers did in the time that went by: their own times overlap."""
        began = self._steady()
        while True:
            await trio.sleep(TELL_S)
            now = self._steady()
            attempts, tokens = self._attempts, self._tokens
            self._attempts = self._tokens = 0
            works = self._job is not None and self._farm.ready(Role.SEARCH)
            if attempts or works:
                await events.send(Progress(attempts, tokens, max(now - began, 1)))
            began = now
