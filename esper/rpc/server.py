"""A server with the RPC on it, and the cookie that says where it is."""

from collections.abc import Sequence
from typing import Any

import trio

from esper.http import server
from esper.http.counts import HttpCounts
from esper.http.listening import listen
from esper.http.routes import Route
from esper.rpc.auth import Cookie, remove_cookie, write_cookie
from esper.rpc.port import NodePort
from esper.rpc.routes import rpc_routes
from esper.rpc.settings import RpcSettings


async def serve(
    port: NodePort,
    settings: RpcSettings,
    *,
    others: Sequence[Route[Any]] = (),
    counts: HttpCounts | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. Starts with the port that is listened on, after the cookie is there.

    ``others`` are further routes on the same server, ``counts`` tell how it goes. Ends within
    ``shutdown_s`` and half a second, whatever clients do, and takes the cookie away. Raises
    BindError, and CookieError if the cookie cannot be written.
    """
    routes = [*rpc_routes(port, settings), *others]
    listening = await listen(settings.host, settings.port)
    token = settings.secret.hex()
    try:
        write_cookie(settings.datadir, Cookie(listening.url, token))
        try:
            task_status.started(listening.port)
            await server.serve(routes, settings, listening, counts)
        finally:
            remove_cookie(settings.datadir, token)
    finally:
        listening.close()
