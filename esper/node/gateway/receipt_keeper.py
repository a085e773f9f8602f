"""Receipts of what is proven: built once, with an anchor when final, taken away where undone.

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
from esper.node.gateway.driver_ports import ReceiptMaker, ReceiptNotMadeError
from esper.saying import complain, warn

LOG: Final = logging.getLogger("esper.gateway")
SWEEP_S: Final = 600.0
"""Between two looks for receipts that are too old."""
AFTER_FAILURE_S: Final = 5.0
_PROVEN: Final = frozenset({Status.PROVEN, Status.FINAL})

Told = Callable[[str, Row], Awaitable[None]]
"""Told of a call's row when its receipt says what the row does."""


class ReceiptKeeper:
    """Keeps the receipts of all rows of the line as the chain has them."""

    def __init__(self, store: StorePort, maker: ReceiptMaker, clock: Clock, told: Told) -> None:
        """``told`` is called with a word of ``proven, final, reorganised, unproven`` and a row."""
        self._store = store
        self._maker = maker
        self._clock = clock
        self._told = told
        self._waiting: dict[str, Row] = {}
        self._news = trio.Event()
        self._seen: dict[str, Status] = {}

    def take(self, step: Step) -> None:
        """A step was kept: look after its rows. On the event loop; returns at once."""
        for row in step.keep.values():
            if not row.cancel:
                self._waiting.pop(row.call, None)
                self._waiting[row.call] = row
        if step.keep:
            self._news.set()

    async def start(self, rows: tuple[Row, ...]) -> None:
        """What a crash left between a step and its receipt. Raises StoreError."""
        for row in rows:
            self._seen[row.call] = row.status
            if not row.cancel and row.status is not Status.QUEUED:
                call = row.call
                kept = await self._store.ask(lambda store, call=call: store.receipts.find(call))  # type: ignore[misc]
                has_proof = kept is not None and kept.proof is not None
                if has_proof != (row.status in _PROVEN):
                    self._waiting[call] = row
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled."""
        swept = -SWEEP_S
        while True:
            self._news = trio.Event()
            try:
                while self._waiting:
                    call = next(iter(self._waiting))
                    row = self._waiting[call]
                    await self._see_to(row)
                    # Unless a newer row came meanwhile.
                    if self._waiting.get(call) is row:
                        del self._waiting[call]
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
        before, self._seen[row.call] = self._seen.get(row.call), row.status
        if row.status in _PROVEN:
            await self._make(row)
        elif before in _PROVEN or before is None:
            now_ms = self._clock()
            await self._store.ask(lambda store: store.receipts.store_proof(row.call, None, now_ms))
        if before is not row.status and row.status in (
            *_PROVEN,
            Status.REORGANISED,
            Status.UNPROVEN,
        ):
            await self._told(row.status.value, row)

    async def _make(self, row: Row) -> None:
        kept = await self._store.ask(lambda store: store.receipts.find(row.call))
        if kept is None or kept.promise is None or row.place is None:
            return
        anchored = row.status is Status.FINAL
        if kept.proof is not None and not anchored and await self._still_holds(row, kept.proof):
            return
        try:
            made = await self._maker.make(row.place.txid, kept.promise, anchored=anchored)
        except ReceiptNotMadeError as error:
            # The chain moved on, or the answer is not the promised one: the promise stays.
            warn(
                LOG,
                "gateway_receipt_not_made",
                "call {call} has no receipt of its proof: {reason}",
                call=row.call,
                reason=str(error),
            )
            return
        now_ms = self._clock()
        await self._store.ask(lambda store: store.receipts.store_proof(row.call, made, now_ms))

    async def _still_holds(self, row: Row, proof: bytes) -> bool:
        place = row.result
        return place is not None and self._maker.block_of(proof) == place.block_id

    async def _sweep(self) -> None:
        now_ms = self._clock()
        await self._store.ask(lambda store: store.receipts.drop_old(now_ms))
