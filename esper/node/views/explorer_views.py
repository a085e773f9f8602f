"""Whether a node shows pages to browsers, and to whom."""

from collections.abc import Sequence
from typing import Any, Final

from esper.explorer.routes import explorer_routes
from esper.explorer.writing import page_writer
from esper.http.addresses import is_loopback
from esper.http.routes import Route
from esper.node.clock import Clock
from esper.node.settings import Settings
from esper.primitives.params import NetworkParameters
from esper.rpc.port import NodePort

EVENTS: Final = "/events"
"""The path of the stream that pages listen to."""
SESSION: Final = "/console/session"
"""A path of gateways that sign people in at the console."""


def explorer_of(
    node: NodePort,
    settings: Settings,
    params: NetworkParameters,
    clock: Clock,
    others: Sequence[Route[Any]] = (),
) -> list[Route[Any]]:
    """The routes, none if there are to be no pages. They come after all ``others``."""
    if not has_pages(settings, params):
        return []
    paths = {route.path for route in others}
    return explorer_routes(
        node,
        remote=settings.explorer == "on",
        clock=clock,
        has_events=EVENTS in paths,
        has_console=SESSION in paths,
    )


def prepare_pages(settings: Settings, params: NetworkParameters) -> None:
    """Compile what pages are made of, if there are to be any; before the event loop begins.

    It takes some tenths of a second. Raises OSError where templates cannot be read.
    """
    if has_pages(settings, params):
        page_writer()


def has_pages(settings: Settings, params: NetworkParameters) -> bool:
    """Whether browsers are shown any."""
    chosen = settings.explorer
    if chosen == "off" or (chosen == "auto" and not params.is_local):
        return False
    # Others may reach it, perhaps by a proxy, and nobody said that the pages are for them.
    others_come = not is_loopback(settings.rpc_host) or bool(settings.rpc_hosts)
    return not (chosen == "auto" and others_come)
