"""The proving line in the gateway's database."""

from esper.gateway.ports import StorePort
from esper.gateway.proving_rows import Step
from esper.gateway.store.line import KeptLine
from esper.node.clock import Clock


class KeptLines:
    """A ``LinePort``. All raise StoreError."""

    def __init__(self, store: StorePort, clock: Clock, settled_since: int) -> None:
        """``settled_since``: height below which no block is undone any more."""
        self._store = store
        self._clock = clock
        self._settled_since = settled_since

    async def load(self) -> KeptLine:
        """What is kept."""
        return await self._store.ask(lambda store: store.line.load(self._settled_since))

    async def commit(self, step: Step) -> None:
        """All of a step that is to be kept."""
        now_ms = self._clock()
        await self._store.ask(lambda store: store.line.commit(step, now_ms))

    async def begin(self, blocks: list[tuple[int, bytes]]) -> None:
        """The chain's last blocks, upwards, at the first start of all."""
        await self._store.ask(lambda store: store.line.follow_from(blocks))
