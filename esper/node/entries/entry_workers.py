"""The workers of one entry: started, started again when they die, and ended."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from esper.node.entries.prospects import Readiness
from esper.node.entries.speed import SpeedMeter
from esper.node.workers.loadable import Loadable
from esper.node.workers.work_ports import Workers
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import WorkerError
from esper.saying import complain, say

LOG: Final = logging.getLogger("esper.mining")
AFTER_FAILURE_S: Final = 5.0
EVENTS_AHEAD: Final = 64

Heard = Callable[["EntryWorkers", Found | Progress], None]
"""Told, on the event loop, what the search of an entry says."""


class EntryWorkers:
    """Workers that belong to one entry, and what they were measured to do."""

    def __init__(
        self, entry: Loadable, workers: Workers, changed: Callable[[], None], number: int = 1
    ) -> None:
        """``changed`` is told when readiness changes, or somebody has done with them."""
        self.entry = entry
        """What they load."""
        self.workers = workers
        """Who they are."""
        self.number = number
        """Which of those that are kept now; no greater than there are at one time."""
        self.speed = SpeedMeter()
        """How fast they are."""
        self.until: int | None = None
        """The last height that may have the entry, None if no end is known."""
        self.readiness = Readiness.RESTING
        """How far they are."""
        self.ends_when_idle = False
        """Whether they are kept for those alone who use them."""
        self._changed = changed
        self._scope: trio.CancelScope | None = None
        self._uses = 0

    @property
    def busy(self) -> bool:
        """Whether somebody waits for a proof or an answer of them."""
        return self._uses > 0

    @contextmanager
    def in_use(self) -> Iterator[Workers]:
        """They are not ended within."""
        self._uses += 1
        try:
            yield self.workers
        finally:
            self._uses -= 1
            if self.ends_when_idle and not self._uses:
                self._changed()

    def rest(self) -> None:
        """End search and prover of tickets."""
        if self._scope is not None:
            self._scope.cancel()

    async def close(self) -> None:
        """End all provers."""
        for prover in (self.workers.work_prover, self.workers.call_prover):
            await prover.close()

    async def run(self, heard: Heard, outlook: Callable[[], str]) -> None:
        """Search whatever the searcher is told, until ``rest`` or cancelled.

        ``outlook`` says what comes next. Raises WorkerError, in groups, if they cannot begin.
        """
        self.readiness = Readiness.LOADING
        with trio.CancelScope() as self._scope:
            try:
                send, receive = trio.open_memory_channel[Found | Progress](EVENTS_AHEAD)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.workers.work_prover.start)
                    nursery.start_soon(self._hear, receive, heard)
                    await self._keep_searcher(send, outlook)
            finally:
                self._scope = None
                self.readiness = Readiness.RESTING
                await self.workers.work_prover.close()
        self._changed()

    async def _hear(
        self, events: "trio.MemoryReceiveChannel[Found | Progress]", heard: Heard
    ) -> None:
        async for event in events:
            heard(self, event)

    async def _keep_searcher(
        self, events: "trio.MemorySendChannel[Found | Progress]", outlook: Callable[[], str]
    ) -> None:
        """Start the searcher again when it dies; give up if it cannot even begin."""
        started = False
        self._say("search_starting", "loading the model for the search")
        while True:
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.workers.searcher.run, events)
                    self._say("search_started", "the search is ready: {outlook}", outlook())
                    started = True
                    self.readiness = Readiness.READY
                    self._changed()
            except* WorkerError as group:
                if not started:
                    raise
                self.readiness = Readiness.LOADING
                complain(
                    LOG,
                    "search_stopped",
                    "search stopped: {reason}; starting it again",
                    reason=str(first_of(group)),
                )
                self._changed()
                await trio.sleep(AFTER_FAILURE_S)

    def _say(self, event: str, sentence: str, outlook: str = "") -> None:
        model = self.entry.model
        known = {"tier": model.tier, "model": model.model_id.hex(), "outlook": outlook}
        say(LOG, event, sentence, level=logging.INFO, **known)


def first_of(group: BaseExceptionGroup[WorkerError]) -> WorkerError:
    """An error of a group of groups, whose own text says nothing."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
