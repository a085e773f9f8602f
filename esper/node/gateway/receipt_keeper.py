"""Receipts of what is proven, as the chain has it.

```
proven: made ── 12 blocks later: again, with an anchor ── the anchor's block undone: again
   +─ its block undone: taken away
```
What they are made of is pruned after a while, so they are made as soon as a block has the answer.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from esper.gateway.ports import StorePort
from esper.gateway.proving_rows import Row, Status, Step
from esper.gateway.store.errors import StoreError
from esper.node.clock import Clock
from esper.node.gateway.driver_ports import ChainMoment, ReceiptMaker, ReceiptNotMadeError
from esper.node.gateway.receipt_plan import Made, ReceiptPlan
from esper.saying import complain, warn

LOG: Final = logging.getLogger("esper.gateway")
SWEEP_S: Final = 600.0
"""Between two looks for receipts that are too old."""
AFTER_FAILURE_S: Final = 5.0
_TOLD: Final = frozenset({Status.PROVEN, Status.FINAL, Status.REORGANISED, Status.UNPROVEN})

Told = Callable[[str, Row], Awaitable[None]]
"""Told of a call's row when its receipt says what the row does."""


class ReceiptKeeper:
    """Keeps the receipts of all rows of the line as the chain has them."""

    def __init__(
        self,
        store: StorePort,
        maker: ReceiptMaker,
        chain: Callable[[], ChainMoment],
        clock: Clock,
        told: Told,
        *,
        forget: int,
    ) -> None:
        """``told`` is called with a word of ``proven, final, reorganised, unproven`` and a row.

        ``forget``: depth from which on no block is undone.
        """
        self._store = store
        self._maker = maker
        self._chain = chain
        self._clock = clock
        self._told = told
        self._forget = forget
        self._plan = ReceiptPlan(forget)
        self._news = trio.Event()

    def take(self, step: Step) -> None:
        """A step was kept: look after its rows. On the event loop; returns at once."""
        if self._plan.take(step):
            self._news.set()

    def start(self, rows: tuple[Row, ...]) -> None:
        """Before ``run``: a crash may have come between a step and its receipt."""
        self._plan.start(rows)

    async def run(self) -> None:
        """Work until cancelled."""
        swept = -SWEEP_S
        while True:
            self._news = trio.Event()
            try:
                while (row := self._plan.next()) is not None:
                    await self._see_to(row)
                    self._plan.seen_to(row)
                if trio.current_time() - swept >= SWEEP_S:
                    await self._sweep()
                    swept = trio.current_time()
            except StoreError as error:
                complain(LOG, "gateway_store_failed", "{reason}", reason=str(error))
                await trio.sleep(AFTER_FAILURE_S)
                continue
            with trio.move_on_after(SWEEP_S):
                await self._news.wait()

    async def _see_to(self, row: Row) -> None:
        made = await self._made(row.call)
        if row.result is not None and row.status in (Status.PROVEN, Status.FINAL):
            if self._plan.wants(row, made):
                await self._make(row, row.result.txid)
        elif made.block_id:
            now_ms = self._clock()
            await self._store.ask(lambda store: store.receipts.store_proof(row.call, None, now_ms))
            self._plan.made[row.call] = Made()
        if self._plan.is_news(row) and row.status in _TOLD:
            await self._told(row.status.value, row)

    async def _made(self, call: str) -> Made:
        """What is kept of a call, read once."""
        known = self._plan.made.get(call)
        if known is None:
            kept = await self._store.ask(lambda store: store.receipts.find(call))
            known = Made()
            if kept is not None and kept.proof is not None:
                found = self._maker.read(kept.proof)
                if found is not None:
                    known = Made(found.block_id, found.anchor)
                if found is not None and found.anchor is not None:
                    height, block_id = found.anchor
                    if self._chain().block_id(height) != block_id:
                        known = Made(found.block_id)
            self._plan.made[call] = known
        return known

    async def _make(self, row: Row, txid: bytes) -> None:
        if row.disagreed is not None:
            return self._warn(row, "the block's answer is not the one that was signed")
        kept = await self._store.ask(lambda store: store.receipts.find(row.call))
        if kept is None or kept.promise is None:
            return None
        try:
            made = await self._maker.make(txid, kept.promise)
        except ReceiptNotMadeError as error:
            return self._warn(row, str(error))
        if row.result is None or made.block_id != row.result.block_id:
            # The chain has moved on; the line will say where to.
            return None
        now_ms = self._clock()
        await self._store.ask(lambda store: store.receipts.store_proof(row.call, made.data, now_ms))
        self._plan.stored(row, Made(made.block_id, made.anchor))
        return None

    def _warn(self, row: Row, reason: str) -> None:
        warn(
            LOG,
            "gateway_receipt_not_made",
            "call {call} has no receipt of its proof: {reason}",
            call=row.call,
            reason=reason,
        )

    async def _sweep(self) -> None:
        now_ms, below = self._clock(), self._chain().height - self._forget
        await self._store.ask(lambda store: store.receipts.drop_old(now_ms))
        await self._store.ask(lambda store: store.line.forget_settled(below))
