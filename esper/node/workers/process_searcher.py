"""The search in a process of its own."""

from dataclasses import replace

import trio

from esper.node.workers.search import SearchJob
from esper.node.workers.worker_messages import Found, Progress, Search, UseThreads
from esper.node.workers.worker_process import WorkerProcess, WorkerSettings


class ProcessSearcher:
    """A SearcherPort. Only what was said last about job and threads counts."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
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
        worker = await WorkerProcess.start("search", self._settings)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._say, worker)
                task_status.started()
                while True:
                    await events.send(await worker.receive())
        finally:
            await worker.end()

    async def _say(self, worker: WorkerProcess) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            threads, self._threads = self._threads, None
            job, self._job = self._job, None
            for message in (threads, job):
                if message is not None:
                    await worker.send(message)
