"""Visits on the event loop: each runs in a thread beside the chain, which goes on meanwhile.

Whoever brought the end of such a branch waits for its visit; everybody else does not.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.changes.arrival import Arrival, with_visit
from esper.node.chain.changes.visits import Visit
from esper.primitives.ids import BlockId


class VisitFailedError(Exception):
    """A visit that did not come to its end, or an end that is not valid."""

    def __init__(self, block_id: BlockId, reason: Exception, arrival: Arrival) -> None:
        super().__init__(str(reason))
        self.block_id = block_id
        """64 bytes: the end of the branch."""
        self.reason = reason
        """What the machine refused, or the rule that the block broke."""
        self.arrival = arrival
        """What became of the blocks that were given, as far as it is known."""


class VisitsBeside:
    """Makes the visits that arrivals wait for, one at a time."""

    def __init__(
        self,
        manager: ChainManager,
        lock: trio.Lock,
        change: Callable[[Callable[[], Arrival]], Awaitable[Arrival]],
    ) -> None:
        """``lock`` keeps the chain as it is; ``change`` changes it under the lock."""
        self._manager = manager
        self._lock = lock
        self._change = change
        self._one_at_a_time = trio.Lock()

    async def make(self, arrival: Arrival) -> Arrival:
        """The arrival after all visits for which it waits. Raises VisitFailedError.

        Cancelled, a visit ends at its next block, and what it has found by then is kept.
        """
        for block_id in arrival.waiting:
            async with self._one_at_a_time:
                async with self._lock:
                    visit = await trio.to_thread.run_sync(self._manager.begin_visit, block_id)
                if visit is None:
                    continue
                try:
                    await trio.to_thread.run_sync(visit.run, trio.from_thread.check_cancelled)
                except Exception as error:
                    arrival = await self._end(visit, arrival)
                    raise VisitFailedError(block_id, error, arrival) from error
                except BaseException:
                    await self._end(visit, arrival)
                    raise
                arrival = await self._end(visit, arrival)
            if visit.verdict is not None:
                raise VisitFailedError(block_id, visit.verdict, arrival)
        return arrival

    async def _end(self, visit: Visit, before: Arrival) -> Arrival:
        """The arrival with what the visit found, which is kept though the task is cancelled."""
        with trio.CancelScope(shield=True):
            found = await self._change(partial(self._manager.end_visit, visit))
        return with_visit(before, found)
