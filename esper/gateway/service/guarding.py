"""What stands around every answer of the service: headers, refusals, counts, incidents."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from esper.gateway.counts import GatewayCounts
from esper.gateway.keys import Account
from esper.gateway.refusals import Refused
from esper.gateway.service.incidents import note_incident
from esper.gateway.service.refusing import HEADERS, new_id, refusal_response
from esper.gateway.service.running import server_error
from esper.gateway.service.waiting.minute_limits import MinuteLimits
from esper.http.connection import ClientGoneError
from esper.http.heads import BadRequestError
from esper.http.routes import RefusedError

Answering = Callable[[Request, Any], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Guard:
    """Makes answers of routes out of what may raise Refused or fail."""

    counts: GatewayCounts
    limits: MinuteLimits

    def around(self, name: str, answering: Answering, *, ollama: bool = False) -> Answering:
        """``name``: of the endpoint, for the counts."""

        async def answer(request: Request, account: Account | None) -> Response:
            failed: Refused | None = None
            try:
                response = await answering(request, account)
            except Refused as refused:
                failed = refused
            except (ClientGoneError, BadRequestError, RefusedError):
                raise
            except Exception as error:
                # The server's own log would tell the message, and whatever it quotes.
                failed = server_error(note_incident(error))
            if failed is not None:
                response = refusal_response(failed, ollama=ollama, request_id=new_id())
            self.counts.requests[name, "ok" if failed is None else failed.code] += 1
            for header, value in HEADERS.items():
                response.headers[header] = value
            response.headers.setdefault("x-request-id", new_id())
            if account is not None:
                for header, value in self.limits.headers(account.id).items():
                    response.headers[header] = value
            return response

        return answer
