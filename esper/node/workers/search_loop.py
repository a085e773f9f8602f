"""The loop of a searching process: jobs come in, progress and tickets go out.

A new job takes effect between two calls of the engine; their size follows the time they take, so
that it is a matter of a fraction of a second with any model.
"""

import queue
from collections.abc import Callable
from typing import Any, Final

from esper.node.workers.search import SearchJob, TicketSearch
from esper.node.workers.worker_messages import Found, Progress, Search, UseThreads

SHORT_MS: Final = 30
LONG_MS: Final = 120
"""A call of the engine should take between these two."""
MOST_ATTEMPTS: Final = 256
TELL_EVERY_MS: Final = 250


class SearchLoop:
    """Searches for whatever it was told last."""

    def __init__(
        self,
        search: TicketSearch,
        requests: "queue.SimpleQueue[Any]",
        tell: Callable[[Progress | Found], object],
        use_threads: Callable[[int], None],
        *,
        now_ms: Callable[[], int],
        steady_ms: Callable[[], int],
    ) -> None:
        """``now_ms`` is for the headers and may step; ``steady_ms`` is for how long it takes."""
        self._search = search
        self._requests = requests
        self._tell = tell
        self._use_threads = use_threads
        self._now_ms = now_ms
        self._steady_ms = steady_ms
        self._job: SearchJob | None = None
        self._next_nonce = 0
        self._batch = 1
        self._attempts = self._tokens = self._ms = 0

    def run(self) -> None:
        """Go on for ever."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Take in what was said, waiting for it if there is no job; then one call of the engine."""
        self._take_in()
        if self._job is None:
            return
        began = self._steady_ms()
        nonces = range(self._next_nonce, self._next_nonce + self._batch)
        searched = self._search.step(self._job, self._now_ms(), nonces)
        self._next_nonce += self._batch
        took = self._steady_ms() - began
        self._adapt(took)
        self._attempts += searched.attempts
        self._tokens += searched.tokens
        self._ms += took
        if searched.ticket is not None or self._ms >= TELL_EVERY_MS:
            self._tell_progress()
        if searched.ticket is not None:
            found = Found(self._job.number, searched.ticket)
            self._job = None
            self._tell(found)

    def _take_in(self) -> None:
        while self._job is None or not self._requests.empty():
            match self._requests.get():
                case Search(job, first_nonce):
                    self._job, self._next_nonce = job, first_nonce
                    if job is None:
                        self._tell_progress()
                case UseThreads(threads):
                    self._use_threads(threads)

    def _adapt(self, took_ms: int) -> None:
        if took_ms < SHORT_MS:
            self._batch = min(2 * self._batch, MOST_ATTEMPTS)
        elif took_ms > LONG_MS:
            self._batch = max(self._batch // 2, 1)

    def _tell_progress(self) -> None:
        if self._ms:
            self._tell(Progress(self._attempts, self._tokens, self._ms))
        self._attempts = self._tokens = self._ms = 0
