"""The class that a cluster makes workers of.

It loads nothing of this program before it knows its threads: the extension's pool is as large as
the environment says when it is first used.
"""

import os
from typing import Any


class FarmActor:
    """A ``FarmWorker`` whose threads are set; all that it takes and gives is bytes."""

    def __init__(self, spec: bytes, threads: int) -> None:
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        from esper.node.workers.farm.driver.farm_worker import FarmWorker

        self._worker: Any = FarmWorker(spec)

    def begin(self) -> bytes:
        """Load what is here: a Begun."""
        return bytes(self._worker.begin())

    def take(self, head: bytes, chunk: bytes) -> bytes:
        """Part of a file that is not here; nothing."""
        self._worker.take(head, chunk)
        return b""

    def do(self, data: bytes) -> bytes:
        """Prove a claim: a WorkReply."""
        return bytes(self._worker.do(data))

    def tell(self, data: bytes) -> bytes:
        """What to search for from now on; nothing."""
        self._worker.tell(data)
        return b""

    def listen(self) -> bytes:
        """Wait a second at most: what the search did meanwhile, or nothing of a prover."""
        return bytes(self._worker.listen())
