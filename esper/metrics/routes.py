"""``/metrics``, ``/health/live`` and ``/health/ready`` on a node's HTTP server.

Health answers everyone, and says nothing that a stranger may not know; metrics want a token from
beyond the machine, as the RPC does.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from esper.http.routes import Route, RouteLimits, everyone
from esper.http.slots import Slots
from esper.metrics.families import CONTENT_TYPE, exposition
from esper.metrics.sample import NodeGauge

SCRAPES: Final = 4
"""At once."""
CHECKS: Final = 64
"""Health checks at once."""
NO_STORE: Final = {"cache-control": "no-store"}


def metrics_routes(
    node: NodeGauge, authority: Callable[[HTTPConnection], Awaitable[Any]]
) -> list[Route[Any]]:
    """The routes; ``authority`` judges who may read metrics, and raises RefusedError."""

    async def metrics(request: Request, granted: Any) -> Response:
        text = exposition(await node.sample())
        return Response(text, headers=NO_STORE, media_type=CONTENT_TYPE)

    async def live(request: Request, granted: None) -> Response:
        """The loop answers: a disk that hangs makes a node not ready, and no less alive."""
        useful = node.usefulness_per_mille()
        return JSONResponse({"status": "live", "usefulness_per_mille": useful}, headers=NO_STORE)

    async def ready(request: Request, granted: None) -> Response:
        found = await node.health()
        fields = {
            "status": "not ready" if found.reasons else "ready",
            "reasons": list(found.reasons),
            "usefulness_per_mille": found.usefulness_per_mille,
        }
        return JSONResponse(fields, 503 if found.reasons else 200, headers=NO_STORE)

    get = frozenset({"GET"})
    checks = RouteLimits(Slots(CHECKS))
    return [
        Route("/metrics", get, authority, metrics, RouteLimits(Slots(SCRAPES)), is_essential=True),
        Route("/health/live", get, everyone, live, checks, is_essential=True),
        Route("/health/ready", get, everyone, ready, checks, is_essential=True),
    ]
