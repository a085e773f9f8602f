"""Ray behind the driver's port. No other module of the program knows Ray."""

import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final

# Before Ray is loaded: it tells nobody that it runs, and notices within seconds that its head is
# gone instead of after a minute.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "5")

import ray
import ray.exceptions

from esper.node.workers.farm.driver.actor import FarmActor
from esper.node.workers.farm.driver.cluster import ClusterError, WorkerLostError
from esper.node.workers.farm.worker_spec import WorkerSpec, spec_bytes

CALLS_AT_ONCE: Final = 4
"""Work, listening, and a word in between."""


class RayWorker:
    """An actor."""

    def __init__(self, handle: Any, telling: Executor) -> None:
        """``telling`` runs what follows an answer."""
        self._handle = handle
        self._telling = telling

    def ask(self, method: str, *given: object) -> "Future[bytes]":
        """Call a method; fails with WorkerLostError."""
        told: Future[bytes] = Future()

        def tell(future: "Future[Any]") -> None:
            error = future.exception()
            if error is None:
                told.set_result(bytes(future.result()))
            else:
                told.set_exception(WorkerLostError(_reason(error)))

        def done(future: "Future[Any]") -> None:
            # Not in this thread, which is Ray's own: whoever calls Ray from it, as to end the
            # worker, waits for ever, and with it all others.
            self._telling.submit(tell, future)

        getattr(self._handle, method).remote(*given).future().add_done_callback(done)
        return told

    def end(self) -> None:
        """Kill it, or take it back."""
        ray.kill(self._handle, no_restart=True)


class RayCluster:
    """The cluster that this process is a driver of."""

    def __init__(self) -> None:
        self._actor = ray.remote(FarmActor)
        self._telling = ThreadPoolExecutor(1)

    @classmethod
    def connect(cls, address: str) -> "RayCluster":
        """Join the cluster at ``auto``, or HOST:PORT of its head. Raises ClusterError."""
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            line = str(error).strip().splitlines() or [type(error).__name__]
            raise ClusterError(
                f"no cluster of Ray at {address}: {line[0]}; start one with `ray start --head`, "
                "and a node of it on this machine"
            ) from error
        return cls()

    def worker(self, spec: WorkerSpec) -> RayWorker:
        """An actor that Ray places where its resources are free, now or later."""
        chosen = self._actor.options(
            num_cpus=spec.cpus,
            num_gpus=spec.gpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=CALLS_AT_ONCE,
            scheduling_strategy="SPREAD",
        )
        return RayWorker(chosen.remote(spec_bytes(spec), spec.cpus), self._telling)

    def share(self, data: bytes) -> object:
        """Bytes in the object store, which each machine fetches once."""
        return ray.put(data)


def _reason(error: BaseException) -> str:
    """The last line of what Ray says, which names the cause; its traces are pages long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, ray.exceptions.RayActorError):
        return lines[0] if lines else "its process died"
    return lines[-1] if lines else type(error).__name__
