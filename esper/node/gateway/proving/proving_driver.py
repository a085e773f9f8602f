"""Drives the proving line: follows the chain, signs, commits, and only then sends.

```
chain moved, row came, time ──> follow: undone, added ──> look ──> commit ──> send
                                                           └─ sign ─> commit ──> send
```
Everything that is sent is in the database before, so a start, a reorganisation and a lost mempool
lead to the same bytes again. A commit that fails throws the line away: it is made again from what
is kept. Whatever else fails is told and tried again: no call is worth the node's end.
"""

import logging
from typing import Final

import trio

from esper.gateway.proving import ProvingLine
from esper.gateway.proving_rows import Row, Sign, Status, Step, Version
from esper.gateway.service.incidents import fault_of
from esper.gateway.store.errors import StoreDamagedError, StoreError
from esper.node.gateway.proving.driver_ports import (
    ChainPort,
    LinePort,
    NotSignedError,
    NotTakenError,
    SignCall,
    StepTaken,
)
from esper.node.gateway.proving.proving_troubles import ProvingTroubles
from esper.node.gateway.standing import Standing
from esper.saying import say
from esper.storage.errors import StorageError

LOG: Final = logging.getLogger("esper.gateway")
LOOK_S: Final = 10.0
"""Between two looks if nothing happens: time expires rows, and a mempool may have lost some."""
FIRST_BLOCKS: Final = 2_000
"""Blocks whose ids are kept at the first start: a change of chain may undo them."""


class ProvingDriver:
    """The one task that changes the line."""

    def __init__(
        self,
        chain: ChainPort,
        store: LinePort,
        sign: SignCall,
        standing: Standing,
        taken: StepTaken,
        *,
        forget: int,
    ) -> None:
        """``forget``: depth from which on no block is undone; ``taken`` is told of every step."""
        self._chain = chain
        self._store = store
        self._sign = sign
        self._standing = standing
        self._taken = taken
        self._forget = forget
        self._line = ProvingLine((), 0, 0, forget=forget)
        self._followed: list[tuple[int, bytes]] = []
        self._refused: dict[bytes, str] = {}
        self._arrived: list[Row] | None = None
        self._news = trio.Event()
        self._troubles = ProvingTroubles(standing)

    @property
    def backlog(self) -> int:
        """Calls that wait for a block."""
        waiting = {Status.QUEUED, Status.SIGNED, Status.SUBMITTED, Status.REORGANISED}
        return sum(row.status in waiting for row in self._line.rows.values())

    def row(self, call: str) -> Row | None:
        """Where a call stands, None if the line does not know it."""
        return self._line.rows.get(call) or self._line.settled.get(call)

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """Every row that the line knows."""
        return (*self._line.settled.values(), *self._line.rows.values())

    def enqueue(self, row: Row) -> None:
        """A call whose promise and row were committed."""
        if self._arrived is not None:
            self._arrived.append(row)
        elif self.row(row.call) is None:
            self._line.enqueue(row)
        self.wake()

    def wake(self) -> None:
        """Something may have changed: look."""
        self._news.set()

    async def load(self) -> None:
        """Take up what is kept. Raises StoreError."""
        # Rows that come meanwhile may be too late for what is read.
        self._arrived = self._arrived or []
        kept = await self._store.load()
        self._troubles.damaged(kept.damaged)
        self._followed = list(kept.followed)
        if not self._followed:
            moment = self._chain.now()
            heights = range(max(0, moment.height - FIRST_BLOCKS), moment.height + 1)
            ids = [(height, moment.block_id(height)) for height in heights]
            self._followed = [(height, found) for height, found in ids if found is not None]
            await self._store.begin(self._followed)
        tip = self._followed[-1][0]
        self._line = ProvingLine(kept.rows, kept.next_nonce, tip, kept.stopped, self._forget)
        self._standing.stop(kept.stopped)
        arrived, self._arrived = self._arrived, None
        for row in arrived:
            self.enqueue(row)

    async def run(self) -> None:
        """Work until cancelled; ``load`` comes before."""
        while True:
            self._news = trio.Event()
            try:
                await self.turn()
            except Exception as error:
                # What the line believes may be ahead of what is kept.
                await self._troubles.failed(error)
                await self._load_again()
                continue
            self._troubles.over()
            with trio.move_on_after(LOOK_S):
                await self._news.wait()

    async def turn(self) -> None:
        """Do all that there is to do now. Raises StoreError; then ``load`` comes next."""
        if not await self._follow():
            return
        tried: set[bytes] = set()
        while True:
            step = self._line.look(self._chain.now().conditions())
            await self._keep(step)
            await self._send(step.sends, tried)
            if step.sign is None:
                if not self._line.has_put_off:
                    self._troubles.not_signed("")
                return
            made = await self._signed(step.sign)
            if made is not None:
                signed = self._line.signed(step.sign, *made)
                await self._keep(signed)
                await self._send(signed.sends, tried)
            elif step.sign.cancel:
                # Nothing comes after it.
                return
            # While signing took its time the chain may have moved.
            if not await self._follow():
                return

    async def _signed(self, sign: Sign) -> tuple[bytes, bytes] | None:
        """A signed transaction; None where there is none now, and others go first.

        Raises what hinders all calls: StoreError and StorageError.
        """
        is_lost = False
        try:
            return await self._sign(sign, self._line.rows.get(sign.call))
        except NotSignedError as error:
            is_lost, why = error.is_lost, str(error)
        except StoreDamagedError as error:
            # What is kept of one call may be unreadable where others are in order.
            why = f"call {sign.call} cannot be signed: {error}"
        except (StoreError, StorageError):
            raise
        except Exception as error:
            why = f"call {sign.call} cannot be signed: {fault_of(error)}"
        now_ms = self._chain.now().conditions().now_ms
        await self._keep(self._line.not_signed(sign, now_ms, is_lost=is_lost))
        self._troubles.not_signed(why)
        return None

    async def _load_again(self) -> None:
        while True:
            try:
                return await self.load()
            except Exception as error:
                await self._troubles.failed(error)

    async def _follow(self) -> bool:
        """Keep step with the chain; whether the line goes on."""
        moment = self._chain.now()
        followed = self._followed
        while followed and moment.block_id(followed[-1][0]) != followed[-1][1]:
            await self._keep(self._line.undone(*followed[-1]))
            followed.pop()
        for height in range(self._line.tip + 1, moment.height + 1):
            block = await moment.block(height, self._open_calls())
            await self._keep(self._line.added(block))
            followed.append((height, block.block_id))
        del followed[: -FIRST_BLOCKS - 1]
        return not self._line.stopped

    def _open_calls(self) -> dict[bytes, int]:
        """Heights of calls that wait for their answer, by txid."""
        return {
            row.place.txid: row.place.height
            for row in self._line.rows.values()
            if row.place is not None and row.result is None and row.lapse is None
        }

    async def _keep(self, step: Step) -> None:
        # Before the commit: nothing is served that a stopped line forbids.
        if step.stopped:
            call = next((one.call for one in step.alarms if one.code == step.stopped), "")
            self._standing.stop(step.stopped, call)
        if step.keep or step.releases or step.followed is not None or step.stopped:
            self._troubles.not_booked(await self._store.commit(step))
        for alarm in step.alarms:
            self._standing.alarm(alarm)
        self._taken(step)

    async def _send(self, versions: list[Version], tried: set[bytes]) -> None:
        for version in versions:
            if version.txid in tried:
                continue
            tried.add(version.txid)
            try:
                await self._chain.send(version)
            except NotTakenError as error:
                self._tell_refused(version, str(error))
                continue
            self._refused.pop(version.txid, None)
            await self._keep(self._line.submitted(version.txid))

    def _tell_refused(self, version: Version, reason: str) -> None:
        if self._refused.get(version.txid) != reason:
            self._refused[version.txid] = reason
            say(
                LOG,
                "gateway_call_refused",
                "call {short} of the gateway waits to be sent again: {reason}",
                short=version.txid.hex()[:16],
                txid=version.txid.hex(),
                reason=reason,
            )
        if len(self._refused) > FIRST_BLOCKS:
            self._refused.clear()
