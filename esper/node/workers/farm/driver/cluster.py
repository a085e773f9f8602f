"""What the driver needs of a cluster: workers somewhere, that are asked by calls of bytes."""

from concurrent.futures import Future
from typing import Protocol

from esper.node.workers.farm.worker_spec import WorkerSpec


class ClusterError(Exception):
    """No cluster can be reached; the message says why and what to do."""


class WorkerLostError(Exception):
    """A worker died, or failed in a way that it must not; the message says how."""


class ClusterWorker(Protocol):
    """One worker: a ``FarmActor`` somewhere, running or waiting for a place."""

    def ask(self, method: str, *given: object) -> "Future[bytes]":
        """Call a method of the worker with bytes, or with what ``share`` gave.

        The future fails with WorkerLostError if the worker does.
        """

    def end(self) -> None:
        """End it, whatever it does; it need not have a place yet."""


class Cluster(Protocol):
    """Who places workers, by the resources that they take."""

    def worker(self, spec: WorkerSpec) -> ClusterWorker:
        """Ask for one; it is placed when its resources are free."""

    def share(self, data: bytes) -> object:
        """Bytes that go to each machine once, however many of its workers take them."""
