"""Receipts of the key's own calls: read, followed, and had proven after all."""

import json
from dataclasses import dataclass

import trio
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from esper.gateway.keys import Account, Scope
from esper.gateway.one_line import one_line
from esper.gateway.ports import CallState, ProvingPort, SignerPort, StorePort
from esper.gateway.proving_rows import Row
from esper.gateway.refusals import Refused
from esper.gateway.replies.events import event
from esper.gateway.requests.rules import an_integer
from esper.gateway.service.clock import Clock
from esper.gateway.service.desks.lasting import LastingStream, check_place
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.store.receipts import Kept, Late
from esper.http.routes import JSON
from esper.http.slots import Slots
from esper.http.streams import Write
from esper.rpc.strict_json import StrictJsonError, read_json

INSTANT = CallState("instant")
ALIVE = b": waiting\n\n"
SETTLED = ("final", "unproven", "instant")
"""After these no events come."""


@dataclass(frozen=True, slots=True)
class ReceiptDesk:
    """Hands out receipts. Methods raise Refused."""

    store: StorePort
    signer: SignerPort
    proving: ProvingPort
    settings: ServiceSettings
    clock: Clock
    lasting: Slots
    """Of streams that wait for a proof."""

    async def get(self, http: HttpRequest, account: Account) -> Response:
        """The proof if there is one, else the promise."""
        kept = await self._kept(http, account)
        found = kept.proof or kept.promise
        assert found is not None
        wish = http.query_params.get("work")
        if wish == "none":
            # Megabytes, of which a few hundred kilobytes go.
            found = await trio.to_thread.run_sync(without_work, found)
        elif wish is not None:
            raise Refused("invalid_value", "work must be none, or not there", "work")
        return Response(found, media_type=JSON)

    async def prove(self, http: HttpRequest, account: Account) -> Response:
        """Have a promise proven, which publishes it."""
        if Scope.PROVE not in account.scopes:
            raise Refused("scope", "this key may not publish answers: use one made with prove")
        call = http.path_params["id"]
        kept = await self._kept(http, account)
        ceiling = account.max_price
        wished = read_price(await http.body())
        if wished is not None:
            ceiling = min(ceiling, wished)
        backlog = self.proving.backlog_blocks()
        if backlog > self.settings.most_backlog:
            raise Refused(
                "proof_backlog", f"{backlog} blocks of calls wait: try later", retry_ms=20_000
            )
        assert kept.promise is not None
        promised = self.signer.promised(kept.promise)
        now = self.clock.now_ms()
        row = Row(
            call=call,
            model_id=promised.model_id,
            prompt_tokens=promised.prompt_tokens,
            answer=promised.answer,
            max_price=ceiling,
            queued_at_ms=now,
        )
        amount = row.cost(ceiling)
        # Once asked for it happens, whoever waits: then the line must hear of the row.
        with trio.CancelScope(shield=True):
            late = await self.store.ask(
                lambda store: store.receipts.prove_later(row, account.id, amount, now)
            )
        if late is Late.OVER_BUDGET:
            raise Refused(
                "insufficient_quota",
                f"the key's budget of this period does not hold {amount} micro-credits",
            )
        if late is Late.DROPPED:
            raise Refused("receipt_dropped", "the receipt was kept for its time and is gone")
        if late is Late.QUEUED:
            self.proving.enqueued(row)
        return Response(one_line(_told(call, await self._state(call))), 202, media_type=JSON)

    async def events(self, http: HttpRequest, account: Account) -> Response:
        """Where the call is, now and at every change, until nothing changes any more."""
        check_place(self.lasting, account.id, self.clock.chance())
        await self._kept(http, account)
        call = http.path_params["id"]
        first = await self._state(call)

        async def produce(write: Write) -> None:
            known = first
            await write(event(_told(call, known)))
            while known.status not in SETTLED:
                found: CallState | None = known
                # Sent outside: what is cut off in the middle of a send ends the connection.
                with trio.move_on_after(self.settings.told_every_s):
                    found = await self.proving.state_after(call, known)
                if found is None:
                    return
                await write(ALIVE if found == known else event(_told(call, found)))
                known = found

        return LastingStream(
            produce,
            self.lasting,
            account.id,
            self.clock.chance,
            media_type="text/event-stream; charset=utf-8",
        )

    async def _state(self, call: str) -> CallState:
        found = self.proving.state(call)
        if found is not None:
            return found
        row = await self.store.ask(lambda store: store.line.find(call))
        if row is None:
            return INSTANT
        charges, kept = await self.store.ask(
            lambda store: (store.budget.charges(call), store.receipts.find(call))
        )
        reason = row.reason or ("" if kept is None else kept.lacking)
        return CallState(row.status.value, reason, charges.get("proof", 0))

    async def _kept(self, http: HttpRequest, account: Account) -> Kept:
        call = http.path_params["id"]
        kept = await self.store.ask(lambda store: store.receipts.find(call))
        # Another key's is told from one that never was by nothing.
        if kept is None or kept.key != account.id:
            raise Refused("receipt_not_found", "this key has no such receipt")
        if kept.promise is None and kept.proof is None:
            raise Refused("receipt_dropped", "the receipt was kept for its time and is gone")
        return kept


def without_work(receipt: bytes) -> bytes:
    """A receipt without the part that is large and that its header has the hashes of.

    Receipts have one form of bytes, which this keeps.
    """
    found = json.loads(receipt)
    found.pop("work", None)
    return one_line(found)


def _told(call: str, state: CallState) -> dict[str, object]:
    found: dict[str, object] = {"id": call, "status": state.status, "proof_cost": state.cost}
    if state.reason:
        found["reason"] = state.reason
    return found


def read_price(body: bytes) -> int | None:
    """The most that a wish to prove pays, None if its body names nothing. Raises Refused."""
    if not body:
        return None
    try:
        found = read_json(body)
    except StrictJsonError as error:
        raise Refused("invalid_json", str(error)) from None
    if not isinstance(found, dict) or not set(found) <= {"max_price"}:
        raise Refused("invalid_value", "the body must be an object with max_price, or empty")
    wished = found.get("max_price")
    return None if wished is None else an_integer("max_price", wished, 0)
