"""The driver: what the node asks for it asks of the cluster, and what workers say it passes on.

It decides nothing. A thread waits for each worker from its start to its end; how many there are
follows from what the node asks for.
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from esper.node.workers.farm.driver.begin_records import State, decode_begun
from esper.node.workers.farm.driver.cluster import Cluster, ClusterWorker, WorkerLostError
from esper.node.workers.farm.driver.sent_files import SentFiles
from esper.node.workers.farm.link_messages import LinkKind, LinkMessage
from esper.node.workers.farm.worker_spec import WorkerSpec, decode_spec


class FarmDriver:
    """Workers of one cluster, by the numbers that the node gave them."""

    def __init__(self, cluster: Cluster, tell: Callable[[LinkMessage], None]) -> None:
        """``tell`` is called in any thread."""
        self._cluster = cluster
        self._tell = tell
        self._files = SentFiles(cluster)
        self._lock = threading.Lock()
        self._workers: dict[int, ClusterWorker] = {}
        self._told: dict[int, LinkMessage | None] = {}
        """Workers that are being told something, and what they are to be told next."""

    def hear(self, message: LinkMessage) -> None:
        """Do what the node says. Raises ValueError for what it never says."""
        match message.kind:
            case LinkKind.ASK:
                self._ask(message.worker, decode_spec(message.data))
            case LinkKind.DO:
                self._do(message)
            case LinkKind.TELL:
                self._tell_worker(message)
            case LinkKind.END:
                self._pop(message.worker)
            case other:
                raise ValueError(f"{other.name} is not for the driver")

    def _ask(self, number: int, spec: WorkerSpec) -> None:
        worker = self._cluster.worker(spec)
        with self._lock:
            self._workers[number] = worker
        thread = threading.Thread(target=self._follow, args=(number, worker, spec), daemon=True)
        thread.start()

    def _tell_worker(self, message: LinkMessage) -> None:
        """One word after the other: a worker may take in calls of one moment in any order."""
        with self._lock:
            worker = self._workers.get(message.worker)
            if worker is None:
                return
            if message.worker in self._told:
                # Only the last counts.
                self._told[message.worker] = message
                return
            self._told[message.worker] = None

        def done(future: "Future[bytes]") -> None:
            with self._lock:
                newer = self._told.pop(message.worker, None)
            try:
                future.result()
            except (WorkerLostError, CancelledError) as error:
                self._lost(message.worker, str(error))
            else:
                if newer is not None:
                    self._tell_worker(newer)

        worker.ask("tell", message.data).add_done_callback(done)

    def _do(self, message: LinkMessage) -> None:
        worker = self._workers.get(message.worker)
        if worker is None:
            # GONE is on its way.
            return

        def done(future: "Future[bytes]") -> None:
            try:
                data = future.result()
            except (WorkerLostError, CancelledError) as error:
                self._lost(message.worker, str(error))
            else:
                self._tell(LinkMessage(LinkKind.DONE, message.worker, message.call, data))

        worker.ask("do", message.data).add_done_callback(done)

    def _follow(self, number: int, worker: ClusterWorker, spec: WorkerSpec) -> None:
        """Wait until it has a place, give it its files, and pass on that it lives."""
        try:
            begun = decode_begun(worker.ask("begin").result())
            if begun.state is State.LACKING:
                self._files.send(worker, spec)
                begun = decode_begun(worker.ask("begin").result())
            if begun.state is not State.READY:
                told = begun.data.decode(errors="replace") or "files of its model did not come"
                self._lost(number, told)
                return
            self._tell(LinkMessage(LinkKind.PLACED, number, data=begun.data))
            while number in self._workers:
                news = worker.ask("listen").result()
                self._tell(LinkMessage(LinkKind.NEWS, number, data=news))
        except (WorkerLostError, CancelledError, ValueError, OSError) as error:
            self._lost(number, str(error))

    def _lost(self, number: int, reason: str) -> None:
        if self._pop(number):
            self._tell(LinkMessage(LinkKind.GONE, number, data=reason.encode(errors="replace")))

    def _pop(self, number: int) -> bool:
        with self._lock:
            worker = self._workers.pop(number, None)
        if worker is not None:
            worker.end()
        return worker is not None
