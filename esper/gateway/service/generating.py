"""POST /v1/chat/completions and its four siblings: from a body to a reply."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import trio
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from esper.gateway.keys import Account
from esper.gateway.refusals import Refused
from esper.gateway.replies.forms import media_type
from esper.gateway.requests.asked import Endpoint, Request
from esper.gateway.requests.reading import read_request
from esper.gateway.service.admission import Admission
from esper.gateway.service.books.calls import Books, Call
from esper.gateway.service.refusing import new_id
from esper.gateway.service.replying import Replier
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.service.waiting.joining import CallsAtWork
from esper.gateway.store.repeats import Answer, Fresh, Joins, Mismatch

RECEIPT: Final = "x-esper-receipt"
NAME: Final = "idempotency-key"
RETRIES: Final = "x-stainless-retry-count"

_NAME: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Generating:
    """Answers requests of one server."""

    books: Books
    admission: Admission
    replier: Replier
    at_work: CallsAtWork
    settings: ServiceSettings
    has_receipts: bool

    async def answer(self, endpoint: Endpoint, http: HttpRequest, account: Account) -> Response:
        """The reply, or a stream of it. Raises Refused and ClientGoneError."""
        self.admission.take_request(account)
        body = await http.body()
        request = read_request(endpoint, body, greedy_anyway=account.greedy_anyway)
        # With the endpoint: the same body has another form of answer there.
        digest = hashlib.sha3_256(endpoint.value.encode() + b"\0" + body).digest()
        name, retries = _name(http), _retries(http)
        call = new_id()
        self.at_work.begin(call)
        try:
            seen = await self.books.begin(call, account.id, name, digest, retries)
        except BaseException:
            await self._forget(call)
            raise
        if isinstance(seen, Fresh):
            return await self._fresh(call, request, account, http)
        self.at_work.end(call)
        match seen:
            case Mismatch():
                raise Refused(
                    "idempotency_mismatch",
                    "this Idempotency-Key was used for another request: use a new one",
                )
            case Answer(first, stored):
                return self._repeated(request, first, stored)
            case Joins(first):
                return self._repeated(request, first, await self._joined(first))

    async def _fresh(
        self, call: str, request: Request, account: Account, http: HttpRequest
    ) -> Response:
        try:
            found = await self.admission.admit(call, request, account)
        except BaseException:
            await self._forget(call)
            raise
        return self._headed(await self._reply(found, http), call)

    async def _reply(self, call: Call, http: HttpRequest) -> Response:
        if call.request.stream:
            return self.replier.streamed(call)
        return await self.replier.whole(call, http.receive)

    async def _forget(self, call: str) -> None:
        """It was not let in."""
        try:
            with trio.CancelScope(shield=True):
                await self.books.forget(call)
        finally:
            self.at_work.end(call)

    async def _joined(self, first: str) -> bytes:
        """The answer to the first of equal requests. Raises Refused if it is long in coming."""
        with trio.move_on_after(self.settings.wait_s):
            await self.at_work.wait(first)
        stored = await self.books.stored(first)
        if stored is None:
            raise Refused(
                "idempotency_in_progress", "the first of these equal requests has no answer yet"
            )
        return stored

    def _repeated(self, request: Request, call: str, stored: bytes) -> Response:
        return self._headed(Response(stored, media_type=media_type(request).decode()), call)

    def _headed(self, response: Response, call: str) -> Response:
        response.headers["x-request-id"] = call
        if self.has_receipts:
            response.headers[RECEIPT] = f"/v1/receipts/{call}"
        return response


def _name(http: HttpRequest) -> str | None:
    names = http.headers.getlist(NAME)
    if not names:
        return None
    if len(names) > 1 or not _NAME.fullmatch(names[0]):
        raise Refused(
            "invalid_value", "Idempotency-Key must be one of 1 to 255 printable characters"
        )
    return names[0]


def _retries(http: HttpRequest) -> int:
    """How often an SDK has tried before; what is no small number is none."""
    found = http.headers.get(RETRIES, "")
    return int(found) if found.isascii() and found.isdigit() and len(found) <= 6 else 0
