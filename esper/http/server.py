"""A server of routes."""

from collections.abc import Sequence
from typing import Any

from esper.http.application import application
from esper.http.connection_pool import ConnectionPool
from esper.http.listening import Listening
from esper.http.routes import Route
from esper.http.settings import HttpSettings


async def serve(routes: Sequence[Route[Any]], settings: HttpSettings, listening: Listening) -> None:
    """Serve until cancelled, then close what is listened on.

    Ends within ``shutdown_s`` and half a second, whatever clients do.
    """
    try:
        await ConnectionPool(application(routes, settings), settings).serve(listening.listeners)
    finally:
        listening.close()
