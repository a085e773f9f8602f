"""The search in a process of its own."""

from dataclasses import replace

import trio

from esper.node.workers.search import SearchJob
from esper.node.workers.worker_messages import Found, Progress, Search, UseThreads
from esper.node.workers.worker_process import WorkerProcess, WorkerSettings, loss_told
from esper.node.workers.worker_slot import WorkerSlot


class ProcessSearcher:
    """A SearcherPort. Only what was said last about job and threads counts."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self.slot = WorkerSlot()
        """What is told of the process."""
        self._job: Search | None = None
        self._threads: UseThreads | None = None
        self._news = trio.Event()

    def search(self, job: SearchJob | None) -> None:
        """Search for this from now on; None: stop."""
        self._job = Search(job)
        self._news.set()

    def use_threads(self, threads: int) -> None:
        """Search with so many threads from now on, also after a new start."""
        self._settings = replace(self._settings, threads=threads)
        self._threads = UseThreads(threads)
        self._news.set()

    async def run(
        self,
        events: "trio.MemorySendChannel[Found | Progress]",
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Work until cancelled. Raises WorkerError."""
        self.slot.ask()
        try:
            with loss_told(self.slot):
                worker = await WorkerProcess.start("search", self._settings)
            self.slot.begin(pid=worker.pid)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._say, worker)
                    task_status.started()
                    while True:
                        with loss_told(self.slot):
                            event = await worker.receive()
                        self._heard(event)
                        await events.send(event)
            finally:
                await worker.end()
        finally:
            self.slot.end()

    def _heard(self, event: Found | Progress) -> None:
        if isinstance(event, Progress):
            self.slot.tried(event.attempts, event.tokens)
        else:
            # It waits for its next job.
            self.slot.rest()

    async def _say(self, worker: WorkerProcess) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            threads, self._threads = self._threads, None
            job, self._job = self._job, None
            for message in (threads, job):
                if message is not None:
                    await worker.send(message)
            if job is not None:
                self._told(job)

    def _told(self, search: Search) -> None:
        if search.job is None:
            self.slot.rest()
        else:
            self.slot.work(search.job.words)
