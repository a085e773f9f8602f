"""What a proving worker does until its end: answer requests, let go of memory in between."""

import queue
from collections.abc import Callable
from typing import Any, Final

IDLE_S: Final = 20.0
"""A prover keeps the memory of its proofs, because finding it again takes a third of the time of
the next one. After so long without a request, twice devnet's spacing, others need it more."""


class ProveLoop:
    """Requests in, answers out."""

    def __init__(
        self,
        requests: "queue.SimpleQueue[Any]",
        answer: Callable[[Any], object],
        tell: Callable[[object], None],
        release: Callable[[], object],
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        """``release`` is called once whenever no request comes for ``idle_s`` seconds."""
        self._requests = requests
        self._answer = answer
        self._tell = tell
        self._release = release
        self._idle_s = idle_s

    def run(self) -> None:
        """Serve for ever."""
        while True:
            self.serve_one()

    def serve_one(self) -> None:
        """Wait for the next request and answer it."""
        try:
            request = self._requests.get(timeout=self._idle_s)
        except queue.Empty:
            self._release()
            request = self._requests.get()
        self._tell(self._answer(request))
