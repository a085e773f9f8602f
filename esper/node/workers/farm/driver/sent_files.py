"""Files of an entry on their way to machines that lack them: each chunk once to a machine."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from esper.node.workers.farm.driver.begin_records import ChunkHead, head_bytes
from esper.node.workers.farm.driver.cluster import Cluster, ClusterWorker
from esper.node.workers.farm.driver.worker_files import sources
from esper.node.workers.farm.worker_spec import WorkerSpec

CHUNK_BYTES: Final = 1 << 24


class SentFiles:
    """Chunks that are shared while anybody takes them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._shared: dict[tuple[Path, int], object] = {}
        self._takers = 0

    def send(self, worker: ClusterWorker, spec: WorkerSpec) -> None:
        """Give a worker all files of its entry. Raises WorkerLostError and OSError."""
        with self._lock:
            self._takers += 1
        try:
            for place, path in enumerate(sources(spec.model, spec.bank)):
                for offset in offsets(path.stat().st_size):
                    chunk = self._chunk(path, offset)
                    worker.ask("take", head_bytes(ChunkHead(place, offset)), chunk).result()
        finally:
            with self._lock:
                self._takers -= 1
                if not self._takers:
                    self._shared.clear()

    def _chunk(self, path: Path, offset: int) -> object:
        with self._lock:
            shared = self._shared.get((path, offset))
            if shared is None:
                with path.open("rb") as file:
                    file.seek(offset)
                    shared = self._cluster.share(file.read(CHUNK_BYTES))
                self._shared[path, offset] = shared
        return shared


def offsets(size: int) -> Iterator[int]:
    """Where chunks of a file of this size begin; an empty file has one."""
    yield from range(0, max(size, 1), CHUNK_BYTES)
