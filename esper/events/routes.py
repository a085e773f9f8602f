"""``/ws`` and ``/events`` on a node's HTTP server."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import HTTPConnection

from esper.events.log import EventLog
from esper.events.socket import EventSockets
from esper.events.stream import EventStreams
from esper.http.routes import Route, RouteLimits
from esper.http.slots import Slots

SUBSCRIBERS: Final = 64
"""Sockets and streams together."""
SUBSCRIBERS_PER_ADDRESS: Final = 8
REQUESTS: Final = 64
"""For them, before they are open."""


def event_routes(
    log: EventLog, authority: Callable[[HTTPConnection], Awaitable[Any]]
) -> list[Route[Any]]:
    """The routes; ``authority`` judges who may listen, and raises RefusedError."""
    get = frozenset({"GET"})
    limits = RouteLimits(Slots(REQUESTS), Slots(SUBSCRIBERS, SUBSCRIBERS_PER_ADDRESS))
    return [
        Route("/ws", get, authority, EventSockets(log), limits),
        Route("/events", get, authority, EventStreams(log), limits),
    ]
