"""Receipts of what is proven, as the chain has it.

```
proven: made ── 12 blocks later: again, with an anchor ── the anchor's block undone: again
   +─ its block undone: taken away
```
One that fails rests for a while, and others go on; one that never can be made leaves its promise.

What they are made of is pruned after a while, so they are made as soon as a block has the answer.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from esper.gateway.ports import StorePort
from esper.gateway.proving_rows import Row, Status, Step
from esper.gateway.service.incidents import fault_of
from esper.gateway.store.errors import StoreDamagedError, StoreError
from esper.gateway.store.old_books import AT_ONCE, BookAges
from esper.node.clock import Clock
from esper.node.gateway.proving.driver_ports import ChainMoment, ReceiptMaker, ReceiptNotMadeError
from esper.node.gateway.proving.proving_troubles import Backoff
from esper.node.gateway.receipts.receipt_plan import Made, ReceiptPlan
from esper.node.gateway.standing import Standing
from esper.saying import warn
from esper.storage.errors import StorageError

LOG: Final = logging.getLogger("esper.gateway")
SWEEP_S: Final = 600.0
"""Between two looks for receipts that are too old."""
AFTER_SWEEP_S: Final = 60.0
"""Before another look after one that failed."""
EXPECTED: Final = (StoreError, StorageError)
"""Errors whose sentences quote nothing of a request."""
_KEEPER_FAILED: Final = "gateway_keeper_failed"
_SWEEP_FAILED: Final = "gateway_sweep_failed"
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
        standing: Standing,
        ages: BookAges,
        lacks: Callable[[], None] = lambda: None,
    ) -> None:
        """``told`` is called with a word of ``proven, final, reorganised, unproven`` and a row.

        ``forget``: depth from which on no block is undone; ``standing`` is told of what fails;
        ``ages``: how long the books are kept; ``lacks`` is called when ``lacking`` has more to say.
        """
        self._store = store
        self._maker = maker
        self._chain = chain
        self._clock = clock
        self._told = told
        self._forget = forget
        self._plan = ReceiptPlan(forget)
        self._news = trio.Event()
        self._lacks = lacks
        self._standing = standing
        self._ages = ages
        self._backoff = Backoff()

    def lacking(self, call: str) -> str:
        """Why a proven call stays a promise: too_large, damaged; empty if nothing is known."""
        return self._plan.lacking.get(call, "")

    def take(self, step: Step) -> None:
        """A step was kept: look after its rows. On the event loop; returns at once."""
        if self._plan.take(step):
            self._news.set()

    async def start(self, rows: tuple[Row, ...]) -> None:
        """Before ``run``: a crash may have come between a step and its receipt.

        What is lacking is known from here on, as it was said before. Raises StoreError.
        """
        self._plan.start(rows, await self._store.ask(lambda store: store.receipts.lacking()))

    async def run(self) -> None:
        """Work until cancelled."""
        sweeps_at = trio.current_time()
        while True:
            self._news = trio.Event()
            wakes_at = self._plan.wake(trio.current_time())
            while (row := self._plan.next()) is not None:
                try:
                    await self._see_to(row)
                except Exception as error:
                    self._plan.failed(row, trio.current_time())
                    wakes_at = trio.current_time()
                    await self._fail(error)
                else:
                    self._plan.seen_to(row)
                    self._backoff.over()
            if trio.current_time() >= sweeps_at:
                swept = await self._try_to_sweep()
                sweeps_at = trio.current_time() + (SWEEP_S if swept else AFTER_SWEEP_S)
            if not self._plan.has_failed:
                self._standing.warn(_KEEPER_FAILED, "")
            with trio.move_on_at(min(wakes_at, sweeps_at)):
                await self._news.wait()

    async def _try_to_sweep(self) -> bool:
        try:
            await self._sweep()
        except Exception as error:
            self._standing.warn(_SWEEP_FAILED, f"nothing old is dropped: {_reason(error)}")
            return False
        self._standing.warn(_SWEEP_FAILED, "")
        return True

    async def _fail(self, error: Exception) -> None:
        """Tell it. What hinders all of them is waited out here, what hinders one is not."""
        self._standing.warn(_KEEPER_FAILED, f"receipts of proven calls wait: {_reason(error)}")
        if isinstance(error, StoreError) and not isinstance(error, StoreDamagedError):
            await trio.sleep(self._backoff.failed())

    async def _see_to(self, row: Row) -> None:
        made = await self._made(row.call)
        if row.result is not None and row.status in (Status.PROVEN, Status.FINAL):
            if self._plan.wants(row, made):
                await self._make(row, row.result.txid)
        elif made.block_id or self.lacking(row.call):
            now_ms = self._clock()
            await self._store.ask(lambda store: store.receipts.store_proof(row.call, None, now_ms))
            self._plan.unmade(row)
        if self._plan.is_news(row):
            if row.status in _TOLD:
                await self._told(row.status.value, row)
            self._plan.told(row)

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
            self._warn(row, str(error))
            if error.lacking:
                await self._leave(row, error.lacking)
            return None
        if row.result is None or made.block_id != row.result.block_id:
            # The chain has moved on; the line will say where to.
            return None
        now_ms = self._clock()
        await self._store.ask(lambda store: store.receipts.store_proof(row.call, made.data, now_ms))
        self._plan.stored(row, Made(made.block_id, made.anchor))
        return None

    async def _leave(self, row: Row, why: str) -> None:
        """No receipt of it will be made; one that was, and was to get its anchor, stays."""
        made = self._plan.made.get(row.call, Made())
        if row.result is not None and made.block_id == row.result.block_id:
            self._plan.stored(row, made)
            return
        await self._store.ask(lambda store: store.receipts.note_lacking(row.call, why))
        self._plan.lacks(row, why)
        self._lacks()

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
        ages = self._ages
        while await self._store.ask(lambda store: store.old_books.drop(now_ms, ages)) >= AT_ONCE:
            pass


def _reason(error: Exception) -> str:
    if isinstance(error, EXPECTED):
        return str(error)
    return f"{fault_of(error)}; this is a fault of the program"
