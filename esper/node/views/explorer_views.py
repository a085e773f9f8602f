"""Whether a node shows pages to browsers, and to whom."""

from collections.abc import Sequence
from typing import Any, Final

from esper.explorer.routes import explorer_routes
from esper.http.addresses import is_loopback
from esper.http.routes import Route
from esper.node.clock import Clock
from esper.node.settings import Settings
from esper.primitives.params import NetworkParameters
from esper.rpc.port import NodePort

EVENTS: Final = "/events"
"""The path of the stream that pages listen to."""


def explorer_of(
    node: NodePort,
    settings: Settings,
    params: NetworkParameters,
    clock: Clock,
    others: Sequence[Route[Any]] = (),
) -> list[Route[Any]]:
    """The routes, none if there are to be no pages. They come after all ``others``."""
    chosen = settings.explorer
    if chosen == "off" or (chosen == "auto" and not params.is_local):
        return []
    if chosen == "auto" and (not is_loopback(settings.rpc_host) or settings.rpc_hosts):
        # Others may reach it, perhaps by a proxy, and nobody said that the pages are for them.
        return []
    has_events = any(route.path == EVENTS for route in others)
    return explorer_routes(node, remote=chosen == "on", clock=clock, has_events=has_events)
