"""A cluster without Ray: workers are threads of this process, asked as actors are."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from esper.node.workers.farm.driver.cluster import WorkerLostError
from esper.node.workers.farm.driver.farm_worker import FarmWorker
from esper.node.workers.farm.worker_spec import WorkerSpec, spec_bytes


class ThreadWorker:
    """A worker that dies when it is ended, or when a test kills it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._pool = ThreadPoolExecutor(4)
        self._made: Future[Any] = self._pool.submit(make)
        self._waiting: list[Future[bytes]] = []
        self.dead = ""
        self.asked: list[str] = []

    def ask(self, method: str, *given: object) -> "Future[bytes]":
        self.asked.append(method)
        told: Future[bytes] = Future()
        self._waiting.append(told)
        if self.dead:
            told.set_exception(WorkerLostError(self.dead))
            return told

        def run() -> None:
            try:
                found = getattr(self._made.result(), method)(*given) or b""
            except Exception as error:
                found = error
            if told.done():
                return
            if isinstance(found, Exception):
                told.set_exception(WorkerLostError(str(found)))
            else:
                told.set_result(found)

        self._pool.submit(run)
        return told

    def end(self) -> None:
        self.kill("ended")

    def kill(self, reason: str) -> None:
        self.dead = self.dead or reason
        for told in self._waiting:
            if not told.done():
                told.set_exception(WorkerLostError(reason))
        self._pool.shutdown(wait=False)


class ThreadCluster:
    """Places every worker at once."""

    def __init__(self, make: Callable[[bytes], Any] = FarmWorker) -> None:
        self._make = make
        self.workers: list[ThreadWorker] = []
        self.shared: list[bytes] = []

    def worker(self, spec: WorkerSpec) -> ThreadWorker:
        made = ThreadWorker(lambda: self._make(spec_bytes(spec)))
        self.workers.append(made)
        return made

    def share(self, data: bytes) -> object:
        self.shared.append(data)
        return data
