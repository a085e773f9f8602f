"""The proving line in the gateway's database."""

import sqlite3
from contextlib import suppress

from esper.gateway.ports import StorePort
from esper.gateway.proving_rows import Step
from esper.gateway.store.errors import StoreError
from esper.gateway.store.line import KeptLine, NotBooked
from esper.node.clock import Clock


class KeptLines:
    """A ``LinePort``. All raise StoreError."""

    def __init__(self, store: StorePort, clock: Clock, settled_since: int) -> None:
        """``settled_since``: height below which no block is undone any more."""
        self._store = store
        self._clock = clock
        self._settled_since = settled_since

    async def load(self) -> KeptLine:
        """What is kept. What cannot be read is put aside, at the next time if not now."""
        kept = await self._store.ask(lambda store: store.line.load(self._settled_since))
        if kept.damaged:
            height = kept.followed[-1][0] if kept.followed else self._settled_since
            # The line goes on without them whether or not a full disk takes this.
            with suppress(StoreError, sqlite3.IntegrityError):
                await self._store.ask(lambda store: store.line.put_aside(kept.damaged, height))
        return kept

    async def commit(self, step: Step) -> list[NotBooked]:
        """All of a step that is to be kept; what the books refused of it."""
        now_ms = self._clock()
        return await self._store.ask(lambda store: store.line.commit(step, now_ms))

    async def begin(self, blocks: list[tuple[int, bytes]]) -> None:
        """The chain's last blocks, upwards, at the first start of all."""
        await self._store.ask(lambda store: store.line.follow_from(blocks))
