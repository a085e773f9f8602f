"""The JSON-RPC server: one POST address, one health check, on loopback."""

import secrets
from typing import Final

import trio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from esper.rpc import errors as e
from esper.rpc.auth import Authority, Cookie, remove_cookie, token_hash, write_cookie
from esper.rpc.connections import ConnectionPool
from esper.rpc.dispatch import Access, Dispatcher
from esper.rpc.limits import RequestLimits, Slots, refusal
from esper.rpc.port import NodePort
from esper.rpc.settings import RpcSettings, is_loopback

ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that mean all of this machine's, and what a client here calls instead."""


class RpcBindError(Exception):
    """The address cannot be listened on; the message says which and what to do."""


class Endpoint:
    """Answers requests whose head and size are in order."""

    def __init__(self, dispatcher: Dispatcher, authority: Authority, settings: RpcSettings) -> None:
        self._dispatcher = dispatcher
        self._authority = authority
        self._settings = settings
        self._slots = Slots(settings.max_requests)

    async def rpc(self, request: Request) -> Response:
        """POST /"""
        access = self._access(request)
        if access is None:
            await trio.sleep(self._settings.wrong_token_delay_s)
            return refusal(
                401,
                e.UNAUTHORIZED,
                "this token is not taken: a node makes a new rpc.cookie at every start",
                {"www-authenticate": "Bearer"},
            )
        with self._slots.taken() as free:
            if not free:
                return refusal(
                    503,
                    e.LIMITED,
                    f"{self._settings.max_requests} requests are being answered: try again",
                    {"retry-after": "1"},
                )
            answer = await self._dispatcher.answer(await request.body(), access)
        if answer is None:
            return Response(status_code=204)
        return Response(
            answer, media_type="application/json", headers={"cache-control": "no-store"}
        )

    async def health(self, request: Request) -> Response:
        """GET /health: that the server answers, nothing about the chain."""
        return JSONResponse({"ok": True})

    def _access(self, request: Request) -> Access | None:
        """What a request may do; None for a token that is none."""
        headers = request.headers.getlist("authorization")
        if headers:
            known = len(headers) == 1 and self._authority.accepts(headers[0].encode("latin-1"))
            return Access.STEER if known else None
        near = request.client is not None and is_loopback(request.client.host)
        return Access.READ if near else Access.NOTHING


def application(port: NodePort, settings: RpcSettings) -> Starlette:
    """The ASGI application; it must run under trio."""
    dispatcher = Dispatcher(
        port,
        settings,
        new_incident=lambda: secrets.token_hex(4),
    )
    authority = Authority({token_hash(settings.secret.hex()), *settings.token_hashes})
    endpoint = Endpoint(dispatcher, authority, settings)
    app = Starlette(
        routes=[
            Route("/", endpoint.rpc, methods=["POST"]),
            Route("/health", endpoint.health, methods=["GET"]),
        ],
        middleware=[Middleware(RequestLimits, settings=settings)],
    )
    # A redirect would repeat the client's Host header.
    app.router.redirect_slashes = False
    return app


async def serve(
    port: NodePort,
    settings: RpcSettings,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. Starts with the port that is listened on, after the cookie is there.

    Ends within ``shutdown_s`` and half a second, whatever clients do, and takes the cookie away.
    Raises RpcBindError, and CookieError if the cookie cannot be written.
    """
    listeners = await _listen(settings)
    bound: int = listeners[0].socket.getsockname()[1]
    host = ANYWHERE.get(settings.host, settings.host)
    url = f"http://[{host}]:{bound}/" if ":" in host else f"http://{host}:{bound}/"
    token = settings.secret.hex()
    try:
        pool = ConnectionPool(application(port, settings), settings)
        write_cookie(settings.datadir, Cookie(url, token))
        try:
            task_status.started(bound)
            await pool.serve(listeners)
        finally:
            remove_cookie(settings.datadir, token)
    finally:
        for listener in listeners:
            listener.socket.close()


async def _listen(settings: RpcSettings) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(settings.port, host=settings.host)
    except OSError as error:
        reason = error.strerror or error
        raise RpcBindError(
            f"the RPC server cannot listen on {settings.host} port {settings.port}: {reason}. "
            "Another node may run there: stop it, or choose another port (0 takes any)"
        ) from error
