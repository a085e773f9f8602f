"""Who may look at the pages."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from esper.http.addresses import is_loopback
from esper.http.routes import RefusedError

_PASSED_ON: Final = ("forwarded", "via", "x-real-ip")
"""Headers of a proxy, beside all that begin with ``x-forwarded``: behind one everybody seems to be
on this machine."""


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
        passed_on = any(
            name in _PASSED_ON or name.startswith("x-forwarded") for name in request.headers
        )
        host = request.client.host if request.client is not None else ""
        is_local = is_loopback(host) and not passed_on
        if not (is_local or self._remote):
            raise RefusedError(
                403,
                "these pages are for the node's own machine: its operator opens them to others "
                "with the setting explorer = on",
            )
        return Visit(is_local)
