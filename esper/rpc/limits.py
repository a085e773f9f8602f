"""What stands before the methods: who may ask from where, how much, how slowly, how many at once.

A web page can make a browser send requests to this machine. Three checks stop it: requests must be
``application/json``, which browsers announce with a preflight that is refused; an Origin must be
one of the configuration; and the Host must be a name of this machine, which it is not when a page
has turned its own name towards it (DNS rebinding).
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import trio
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from esper.rpc import errors as e
from esper.rpc.settings import LOOPBACK_NAMES, RpcSettings

ACCESS_LOG: Final = logging.getLogger("esper.rpc.access")

DRAINED_BYTES: Final = 1024 * 1024
"""Read of a body after its limit and thrown away: a client that is still sending would not see
why it was refused."""


def refusal(
    status: int, code: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A refusal that programs and people can read; the connection ends with it."""
    return JSONResponse(
        {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": None},
        status_code=status,
        headers={"connection": "close", **(headers or {})},
    )


class Slots:
    """How many requests are answered at once."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Whether there was one; it is given back at the end."""
        if self._free == 0:
            yield False
            return
        self._free -= 1
        try:
            yield True
        finally:
            self._free += 1


class RequestLimits:
    """ASGI middleware. What reaches the application has its whole body at hand."""

    def __init__(self, app: ASGIApp, settings: RpcSettings) -> None:
        self._app = app
        self._settings = settings
        self._hosts = LOOPBACK_NAMES | settings.allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        send = self._with_access_log(scope, self._with_cors(headers, send))
        refused = self._refused(scope["method"], headers)
        if refused is None and scope["method"] == "POST":
            body = await self._body(receive)
            if isinstance(body, Response):
                refused = body
            else:
                receive = _replay(body)
        await (refused or self._app)(scope, receive, send)

    def _refused(self, method: str, headers: Headers) -> Response | None:
        if host_name(headers.get("host", "")) not in self._hosts:
            return refusal(
                421,
                e.INVALID_REQUEST,
                "this Host is not served: use 127.0.0.1 or localhost, or allow it in the node's "
                "configuration",
            )
        origins = headers.getlist("origin")
        if any(origin not in self._settings.allowed_origins for origin in origins):
            return refusal(
                403,
                e.INVALID_REQUEST,
                "this Origin may not call: allow it in the node's configuration",
            )
        if method == "OPTIONS" and origins:
            return _preflight()
        if method == "POST" and not _is_json(headers):
            return refusal(415, e.INVALID_REQUEST, "Content-Type must be application/json")
        return None

    async def _body(self, receive: Receive) -> bytes | Response:
        """The body, counted as it comes: its announced length is worth nothing."""
        body = bytearray()
        limit = self._settings.max_body_bytes
        seen = 0
        with trio.move_on_after(self._settings.body_timeout_s) as patience:
            while seen <= limit + DRAINED_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    # Half of a body may be a whole request, but not the one that was meant.
                    return refusal(400, e.INVALID_REQUEST, "the body broke off")
                part = message.get("body", b"")
                seen += len(part)
                if seen <= limit:
                    body += part
                if not message.get("more_body", False):
                    break
        if seen > limit:
            return refusal(413, e.LIMITED, f"the body is larger than {limit} bytes")
        if patience.cancelled_caught:
            return refusal(
                408, e.LIMITED, f"the body took more than {self._settings.body_timeout_s:g} s"
            )
        return bytes(body)

    def _with_cors(self, headers: Headers, send: Send) -> Send:
        origin = headers.get("origin")
        if origin is None or origin not in self._settings.allowed_origins:
            return send

        async def allowing(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                found["access-control-allow-origin"] = origin
                found.add_vary_header("Origin")
            await send(message)

        return allowing

    def _with_access_log(self, scope: Scope, send: Send) -> Send:
        if not self._settings.access_log:
            return send
        begun = time.monotonic()

        async def logging_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                ACCESS_LOG.info(
                    "%s %r %d %.1f ms",
                    scope["method"],
                    scope["path"],
                    message["status"],
                    1000 * (time.monotonic() - begun),
                )
            await send(message)

        return logging_send


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets, lower case; empty if it has none."""
    header = header.strip().lower()
    if header.startswith("["):
        name, closed, rest = header[1:].partition("]")
        return name if closed and (rest == "" or _is_port(rest)) else ""
    name, colon, digits = header.partition(":")
    return name if not colon or _is_port(colon + digits) else ""


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit()


def _is_json(headers: Headers) -> bool:
    types = headers.getlist("content-type")
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json"


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "authorization, content-type",
            "access-control-max-age": "600",
        },
    )


def _replay(body: bytes) -> Receive:
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
