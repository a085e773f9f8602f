"""Brings one package to a verdict: fetches what is missing, then has it checked."""

from __future__ import annotations

from collections.abc import Callable

import trio

from esper.model.package.errors import PackageError, UnknownModelError
from esper.model.package.store import ModelStore
from esper.node.models.checking import Checking
from esper.node.models.failures import Failures
from esper.node.models.note_memory import NoteMemory
from esper.node.models.package_offers import PackageOffers
from esper.node.models.package_tasks import REST_S, YIELD_S, Task, unless_it_stalls
from esper.node.models.told import tell_fetching, tell_stalled
from esper.node.models.verdicts import Verdicts
from esper.p2p.packages.downloads import TooManyDownloadsError
from esper.p2p.packages.offers import TooManyOffersError
from esper.p2p.service.packages.packages import PackageHopelessError


class Bringing:
    """What is done with packages now, a task for each. Belongs to the event loop."""

    def __init__(
        self,
        store: ModelStore,
        memory: NoteMemory,
        offers: PackageOffers,
        checking: Checking,
        verdicts: Verdicts,
        failures: Failures,
    ) -> None:
        self._store = store
        self._memory = memory
        self._offers = offers
        self._checking = checking
        self._verdicts = verdicts
        self._failures = failures
        self._tasks: dict[bytes, Task] = {}

    def task(self, root: bytes) -> Task | None:
        """What is done with a package now."""
        return self._tasks.get(root)

    def start(
        self, root: bytes, nursery: trio.Nursery, over: Callable[[], None], *, fetch: bool
    ) -> None:
        """Begin, unless it is under way. ``over`` is called at its end."""
        if root not in self._tasks:
            self._tasks[root] = Task()
            nursery.start_soon(self._bring, root, fetch, over)

    def leave_but(self, needed: set[bytes]) -> None:
        """Give up what is needed no more."""
        for root, task in tuple(self._tasks.items()):
            if root not in needed:
                task.scope.cancel()

    async def end(self, root: bytes) -> None:
        """Give it up, and wait until nothing is done with it."""
        task = self._tasks.get(root)
        if task is not None:
            task.scope.cancel()
            await task.over.wait()

    async def _bring(self, root: bytes, fetch: bool, over: Callable[[], None]) -> None:
        task = self._tasks[root]
        try:
            with task.scope:
                if fetch and not await self._fetched(root, task):
                    return
                while (note := self._memory.unjudged(root, self._failures)) is not None:
                    # None waits for the checks of another one.
                    await self._checking.check(note, task)
                if task.trouble:
                    await trio.sleep(REST_S)
        finally:
            found = self._store.find(root)
            if found is None or not found.is_whole:
                self._offers.withdraw(root)
            del self._tasks[root]
            task.over.set()
            over()

    async def _fetched(self, root: bytes, task: Task) -> bool:
        network = self._offers.network
        assert network is not None
        note = self._memory.of(root)[0]
        tell_fetching(note)
        while True:
            try:
                if not await unless_it_stalls(network, root):
                    task.trouble = "nothing came of it: others are fetched first"
                    tell_stalled(note)
                    if self._store.find(root) is None:
                        self._offers.withdraw(root)
                    await trio.sleep(YIELD_S)
                    continue
                await trio.to_thread.run_sync(self._completed, root)
            except PackageHopelessError as error:
                self._verdicts.refuse(self._memory.of(root), str(error))
                return False
            except (TooManyDownloadsError, TooManyOffersError, PackageError, OSError) as error:
                task.trouble = str(error)
                await trio.sleep(REST_S)
            else:
                task.trouble = ""
                return True

    def _completed(self, root: bytes) -> None:
        """Have it on the disk for good, in a thread. Raises PackageError and OSError."""
        found = self._store.find(root)
        if found is None:
            raise UnknownModelError(root.hex(), "it went while it was fetched")
        found.complete()
