"""The ASGI application made of routes: what stands before an answer, in the order it is judged.

host      421   a name of this machine
origin    403   no page of another site
path      404   one of the routes
method    405   one of the path's
preflight       answered for configured origins
type      415   the route's Content-Type
place     503   the last connections are for essential routes
authority 401   by the head alone, before a byte of the body is read
body      413, 408, 400
slot      503   then the route answers; one that lasts, streams and sockets, takes another slot
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import trio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from esper.http.access_log import AccessLog
from esper.http.addresses import is_loopback, subscriber
from esper.http.again import Chance, again_s, of_the_machine
from esper.http.connection import CONNECTION, ConnectionFacts
from esper.http.origins import TOLD_HEADERS, Origins, page_headers
from esper.http.routes import RefusedError, Route, RouteTable, plain_refusal
from esper.http.settings import HttpSettings
from esper.http.slots import Slots
from esper.http.streams import LastingAnswer


def application(
    routes: Sequence[Route[Any]], settings: HttpSettings, chance: Chance = of_the_machine
) -> ASGIApp:
    """The application of these routes; it must run under trio.

    ``chance`` spreads those for whom there is no place now.
    """
    app = RoutedApplication(routes, settings, chance)
    return AccessLog(app) if settings.access_log else app


class BusyError(RefusedError):
    """There is no place now: it is worth another try."""

    def __init__(self, why: str) -> None:
        super().__init__(503, f"{why}: try again")


class RoutedApplication:
    """ASGI application. What reaches a route has its whole body at hand."""

    def __init__(
        self, routes: Sequence[Route[Any]], settings: HttpSettings, chance: Chance
    ) -> None:
        self._chance = chance
        self._table = RouteTable(list(routes))
        self._origins = Origins(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        headers = Headers(scope=scope)
        send = self._with_cors(headers, send)
        found = self._table.find(scope["path"], scope["method"])
        route = found[0] if found else None
        try:
            self._check_sender(scope, headers, route)
            if found is None or route is None:
                raise RefusedError(404, "there is nothing at this path")
            await self._serve(route, {**scope, "path_params": found[1]}, receive, send)
        except RefusedError as refused:
            if (facts := _facts(scope)) is not None:
                facts.counts.refuse_with(refused.status)
            shape = plain_refusal if route is None else route.refusal
            answer = shape(refused)
            for name, value in refused.headers.items():
                # The route's own form may have said it more exactly.
                answer.headers.setdefault(name, value)
            if isinstance(refused, BusyError):
                answer.headers.setdefault("retry-after", str(again_s(self._chance())))
            answer.headers["connection"] = "close"
            await answer(scope, receive, send)

    def _check_sender(self, scope: Scope, headers: Headers, route: Route[Any] | None) -> None:
        """Host and origin, whatever the path. Raises RefusedError."""
        server = scope.get("server")
        names = headers.getlist("host")
        # Version 1.0 has no Host, and some health checks of proxies speak it; no browser does.
        if not names and scope.get("http_version") != "1.0":
            names = [""]
        if (authority := scope.get("esper.authority")) is not None:
            names.append(authority)
        self._origins.check_hosts(names, server[0] if server else None)
        to_page = route is not None and route.is_page and scope["method"] == "GET"
        self._origins.check_origin(headers, scope["scheme"], to_page=to_page)

    async def _serve(self, route: Route[Any], scope: Scope, receive: Receive, send: Send) -> None:
        """Raises RefusedError."""
        headers = Headers(scope=scope)
        method = scope["method"]
        if method == "OPTIONS" and self._origins.allowed(headers.get("origin")):
            await _preflight(route, headers)(scope, receive, send)
            return
        if not route.allows(method):
            allowed = ", ".join(sorted(self._table.methods(scope["path"])))
            raise RefusedError(405, f"this path takes {allowed}", {"allow": allowed})
        if route.media_type is not None and not _is_of(headers, route.media_type):
            raise RefusedError(415, f"Content-Type must be {route.media_type}")
        facts = _facts(scope)
        if facts is not None and facts.is_kept and not route.is_essential:
            raise BusyError("too many connections are open")
        granted = await route.authority(HTTPConnection(scope))
        limit = route.limits.body_bytes
        if route.body_bytes is not None:
            limit = route.body_bytes(granted)
        if limit:
            receive = _replay(await _read_body(route, limit, receive), receive)
        answer = await _answer(route, Request(scope, receive), granted, send)
        if isinstance(answer, LastingAnswer):
            client = scope.get("client")
            whose = subscriber(client[0]) if client else ""
            with _slot(route.limits.streams, "streams are open", whose):
                await answer(scope, receive, send)

    def _with_cors(self, headers: Headers, send: Send) -> Send:
        origin = self._origins.allowed(headers.get("origin"))
        if origin is None:
            return send

        async def allowing(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                found["access-control-allow-origin"] = origin
                found["access-control-expose-headers"] = TOLD_HEADERS
                found.add_vary_header("Origin")
            await send(message)

        return allowing


async def _answer(route: Route[Any], request: Request, granted: Any, send: Send) -> Response:
    """The answer, sent while the slot is held unless it is streamed. Raises RefusedError."""
    with _slot(route.limits.slots, "requests are being answered", _whose(request)):
        answer = await route.answer(request, granted)
        if not isinstance(answer, LastingAnswer):
            # Here, and not after: what waits for a client to take it is held in memory.
            await answer(request.scope, request.receive, send)
        return answer


def _whose(request: Request) -> str:
    """Who a request's place counts for; nobody where it comes from this machine.

    Its programs, and all who come by a proxy here, are not one client.
    """
    if request.client is None:
        return ""
    place = subscriber(request.client.host)
    return "" if is_loopback(request.client.host) or is_loopback(place) else place


@contextmanager
def _slot(slots: Slots, doing: str, whose: str = "") -> Iterator[None]:
    with slots.taken(whose) as is_free:
        if not is_free:
            if slots.free:
                raise BusyError(f"{slots.per_client} {doing} to your address")
            raise BusyError(f"{slots.limit} {doing}")
        yield


def _facts(scope: Scope) -> ConnectionFacts | None:
    found: ConnectionFacts | None = scope.get("extensions", {}).get(CONNECTION)
    return found


async def _read_body(route: Route[Any], limit: int, receive: Receive) -> bytes:
    """The body, counted as it comes: its announced length is worth nothing.

    It has at most ``limit`` bytes. Raises RefusedError.
    """
    body = bytearray()
    patience_s = route.limits.body_timeout_s
    with trio.move_on_after(patience_s):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                # Half of a body may be a whole request, but not the one that was meant.
                raise RefusedError(400, "the body broke off")
            body += message.get("body", b"")
            if len(body) > limit:
                raise RefusedError(413, f"the body is larger than {limit} bytes")
            if not message.get("more_body", False):
                return bytes(body)
    raise RefusedError(408, f"the body took more than {patience_s:g} s")


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body as one message, then whatever the connection says: that its client went away."""
    told = False

    async def replaying() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replaying


def _is_of(headers: Headers, media_type: str) -> bool:
    types = headers.getlist("content-type")
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == media_type


def _preflight(route: Route[Any], headers: Headers) -> Response:
    asked = headers.getlist("access-control-request-headers")
    return Response(
        status_code=204,
        headers={
            "access-control-allow-methods": ", ".join(sorted(route.methods)),
            "access-control-allow-headers": page_headers(asked),
            "access-control-max-age": "600",
        },
    )
