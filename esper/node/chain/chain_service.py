"""The chain on the event loop: one change at a time, in a thread; readers never see half of one.

Followers are told of every change while the chain still stands still, so that mempool and indexes
agree with it whenever anybody looks.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol, TypeVar

import trio

from esper.consensus.chain import BlockBytes
from esper.node.chain.chain_manager import Arrival, ChainManager
from esper.node.clock import Clock

T = TypeVar("T")


class ChainFollower(Protocol):
    """Who must agree with the chain."""

    def chain_changed(self, manager: ChainManager, arrival: Arrival) -> None:
        """Called on the event loop, at the new tip, before anybody else sees it."""


class ChainService:
    """Access to a chain manager for many tasks."""

    def __init__(self, manager: ChainManager, clock: Clock) -> None:
        self._manager = manager
        self._clock = clock
        self._lock = trio.Lock()
        self._followers: list[ChainFollower] = []
        self._changed = trio.Event()
        self._tip = manager.context.tip_id

    def follow(self, follower: ChainFollower) -> None:
        """Tell a follower of every change from now on."""
        self._followers.append(follower)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ChainManager]:
        """The manager, standing still. Keep it short: nothing else happens meanwhile."""
        async with self._lock:
            yield self._manager

    async def in_thread(self, work: Callable[[ChainManager], T]) -> T:
        """Run something slow that only reads, in a thread, while the chain stands still."""
        async with self._lock:
            return await trio.to_thread.run_sync(work, self._manager)

    async def submit(self, block: BlockBytes) -> Arrival:
        """Check a block, keep it, and move to the best tip; see ``ChainManager.submit``.

        Not cancelled half way: a step of the chain is finished once it has begun.
        """
        async with self._lock:
            before = self._manager.context.tip_id
            work = partial(self._manager.submit, block, now_ms=self._clock())
            try:
                arrival = await trio.to_thread.run_sync(work)
            except BaseException:
                # What was refused may still have moved the tip: a branch that fails half way.
                self._tell(self._manager.moved_from(before))
                raise
            self._tell(arrival)
            return arrival

    def _tell(self, arrival: Arrival) -> None:
        if not arrival.undone and not arrival.applied:
            return
        self._tip = self._manager.context.tip_id
        for follower in self._followers:
            follower.chain_changed(self._manager, arrival)
        self._changed.set()
        self._changed = trio.Event()

    @property
    def next_change(self) -> trio.Event:
        """Set when the tip changes next."""
        return self._changed

    @property
    def tip(self) -> bytes:
        """64 bytes: the tip after the last whole step, also while the next one is under way."""
        return self._tip
