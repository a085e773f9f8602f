"""The RPC's routes on an HTTP server: one POST address, one health check."""

import secrets
from typing import Any, Final

import msgspec
import trio
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from esper.http.addresses import is_loopback
from esper.http.routes import JSON, RefusedError, Route, RouteLimits, everyone
from esper.http.slots import Slots
from esper.rpc import errors as e
from esper.rpc.auth import Authority, token_hash
from esper.rpc.dispatch import Access, Dispatcher
from esper.rpc.port import NodePort
from esper.rpc.settings import RpcSettings

_CODES: Final = {401: e.UNAUTHORIZED, 408: e.LIMITED, 413: e.LIMITED, 503: e.LIMITED}
"""What HTTP refuses, in numbers of JSON-RPC; all else is a request of a wrong form."""


def rpc_routes(port: NodePort, settings: RpcSettings) -> list[Route[Any]]:
    """Routes that answer on behalf of a node, on every connection there is a place for."""
    dispatcher = Dispatcher(
        port,
        settings,
        new_incident=lambda: secrets.token_hex(4),
    )
    calls = Route(
        path="/",
        methods=frozenset({"POST"}),
        authority=Gate(settings),
        answer=Endpoint(dispatcher),
        limits=RouteLimits(
            Slots(settings.max_requests),
            body_bytes=settings.max_body_bytes,
            body_timeout_s=settings.body_timeout_s,
        ),
        body_bytes=lambda access: (
            settings.max_body_bytes if access < Access.STEER else settings.max_token_body_bytes
        ),
        media_type=JSON,
        is_essential=True,
        refusal=rpc_refusal,
    )
    health = Route(
        path="/health",
        methods=frozenset({"GET"}),
        authority=everyone,
        answer=_health,
        # A connection has one at a time; whoever does not read keeps nobody else's.
        limits=RouteLimits(Slots(settings.max_connections)),
        is_essential=True,
    )
    return [calls, health]


class Gate:
    """Judges who calls: by a token, or by where the call comes from."""

    def __init__(self, settings: RpcSettings) -> None:
        self._tokens = Authority({token_hash(settings.secret.hex()), *settings.token_hashes})
        self._wrong_token_delay_s = settings.wrong_token_delay_s

    async def __call__(self, request: HTTPConnection) -> Access:
        """What a request may do. Raises RefusedError for a wrong token, and none from afar."""
        headers = request.headers.getlist("authorization")
        if headers:
            if len(headers) == 1 and self._tokens.accepts(headers[0].encode("latin-1")):
                return Access.STEER
            await trio.sleep(self._wrong_token_delay_s)
            raise _unauthorized(
                "this token is not taken: a node makes a new rpc.cookie at every start"
            )
        if request.client is not None and is_loopback(request.client.host):
            return Access.READ
        # Before a body is read: nothing that a stranger sends is worth the node's time.
        raise _unauthorized(
            "from another machine a token is needed: send it as 'Authorization: Bearer TOKEN'"
        )


class Endpoint:
    """Answers calls whose head and size are in order."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def __call__(self, request: Request, access: Access) -> Response:
        """POST /"""
        answer = await self._dispatcher.answer(await request.body(), access)
        if answer is None:
            return Response(status_code=204)
        return Response(answer, media_type=JSON, headers={"cache-control": "no-store"})


def rpc_refusal(refused: RefusedError) -> Response:
    """What HTTP refuses, so that a client of JSON-RPC can read it."""
    code = _CODES.get(refused.status, e.INVALID_REQUEST)
    body = {
        "jsonrpc": "2.0",
        "error": {"code": code, "message": refused.message},
        "id": None,
    }
    return Response(msgspec.json.encode(body), refused.status, media_type=JSON)


async def _health(request: Request, granted: None) -> Response:
    """GET /health: that the server answers, nothing about the chain."""
    return JSONResponse({"ok": True})


def _unauthorized(message: str) -> RefusedError:
    return RefusedError(401, message, {"www-authenticate": "Bearer"})
