"""Who may look at the pages."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from esper.http.addresses import is_loopback
from esper.http.proxies import is_passed_on
from esper.http.routes import RefusedError


@dataclass(frozen=True, slots=True)
class Visit:
    """A look that was granted."""

    is_local: bool
    """Whether it comes from this machine: others are not shown with whom the node talks."""


class Visitors:
    """The authority of the pages."""

    def __init__(self, *, remote: bool) -> None:
        """``remote``: whoever reaches the server may look, not this machine alone."""
        self._remote = remote

    async def __call__(self, request: HTTPConnection) -> Visit:
        """Raises RefusedError."""
        host = request.client.host if request.client is not None else ""
        is_local = is_loopback(host) and not is_passed_on(request)
        if not (is_local or self._remote):
            raise RefusedError(
                403,
                "these pages are for the node's own machine: its operator opens them to others "
                "with the setting explorer = on",
            )
        return Visit(is_local)
