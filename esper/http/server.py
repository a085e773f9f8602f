"""A server of routes."""

from collections.abc import Sequence
from typing import Any

from esper.http.application import application
from esper.http.connection_pool import ConnectionPool
from esper.http.counts import HttpCounts
from esper.http.listening import Listening
from esper.http.routes import Route
from esper.http.settings import HttpSettings


async def serve(
    routes: Sequence[Route[Any]],
    settings: HttpSettings,
    listening: Listening,
    counts: HttpCounts | None = None,
) -> None:
    """Serve until cancelled, then close what is listened on; ``counts`` tell how it goes.

    Ends within ``shutdown_s`` and half a second, whatever clients do.
    """
    try:
        pool = ConnectionPool(application(routes, settings), settings, counts)
        await pool.serve(listening.listeners)
    finally:
        listening.close()
