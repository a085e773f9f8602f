"""The search of a worker of the farm: the same loop as in a process of the node's, in a thread."""

import queue
import threading
from collections.abc import Callable
from typing import Any

from esper.node.workers.farm.found_record import FoundRecord, found_bytes
from esper.node.workers.farm.work_records import SearchNews, decode_told, news_bytes
from esper.node.workers.search import TicketSearch
from esper.node.workers.search_loop import SearchLoop
from esper.node.workers.worker_messages import Found, Progress


class SearchWorker:
    """Searches for what it was told last."""

    def __init__(
        self,
        search: TicketSearch,
        now_ms: Callable[[], int],
        steady_ms: Callable[[], int],
    ) -> None:
        """``now_ms`` is for the headers, ``steady_ms`` for how long things take."""
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loop = SearchLoop(
            search,
            self._requests,
            self._heard,
            lambda threads: None,
            now_ms=now_ms,
            steady_ms=steady_ms,
        )
        self._changed = threading.Condition()
        self._attempts = self._tokens = 0
        self._found: list[Found] = []
        self._error: Exception | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def tell(self, data: bytes) -> None:
        """What to search for from now on: between two calls of the engine it is taken in."""
        self._requests.put(decode_told(data))

    def listen(self, seconds: float) -> bytes:
        """SearchNews of what was found and tried; waits so long at most for a find.

        Raises what the search failed with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._found or self._error, seconds)
            if self._error is not None:
                raise self._error
            attempts, tokens = self._attempts, self._tokens
            self._attempts = self._tokens = 0
            found = self._found.pop(0) if self._found else None
        if found is None:
            return news_bytes(SearchNews(attempts, tokens))
        pre, answers = found.ticket.pre, found.ticket.outputs.answers
        record = found_bytes(FoundRecord(found.number, pre.time_ms, pre.nonce, answers))
        return news_bytes(SearchNews(attempts, tokens, found.number, record))

    def _heard(self, message: Progress | Found) -> None:
        with self._changed:
            if isinstance(message, Progress):
                self._attempts += message.attempts
                self._tokens += message.tokens
            else:
                self._found.append(message)
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            self._loop.run()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()
