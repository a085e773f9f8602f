"""A route: a path, who may ask there, how much, and what answers."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from esper.http.slots import Slots

JSON: Final = "application/json"

G = TypeVar("G")


class RefusedError(Exception):
    """A request that is not answered; the connection ends with the refusal."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        """Of the answer, from 400."""
        self.message = message
        """A sentence that names what is wrong and what to do; nothing of the request stands in
        it."""
        self.headers: Mapping[str, str] = headers or {}
        """Further headers of the refusal."""


def plain_refusal(refused: RefusedError) -> Response:
    """The refusal where no route has a form of its own: ``{"error": sentence}``."""
    return JSONResponse({"error": refused.message}, refused.status)


@dataclass(frozen=True, slots=True)
class RouteLimits:
    """What a request to a route may cost."""

    slots: Slots
    """Of requests whose answer is being made or sent, streams apart."""
    streams: Slots = field(default_factory=lambda: Slots(0))
    """Of streamed answers, which may last."""
    body_bytes: int = 0
    """Of a request; 0 takes no body."""
    body_timeout_s: float = 10.0
    """For the whole body."""


@dataclass(frozen=True, slots=True)
class Route(Generic[G]):
    """Requests to ``path``. ``G`` is what its authority grants, such as a level of access."""

    path: str
    """Such as ``/v1/models/{id}``."""
    methods: frozenset[str]
    """GET includes HEAD."""
    authority: Callable[[HTTPConnection], Awaitable[G]]
    """Judges a request by its head, before a byte of its body is read. Raises RefusedError."""
    answer: Callable[[Request, G], Awaitable[Response]]
    """Answers a request whose body is at hand. May raise RefusedError."""
    limits: RouteLimits
    body_bytes: Callable[[G], int] | None = None
    """Of a request by what was granted to it; None: the limits' own for everyone."""
    media_type: str | None = None
    """What a request's Content-Type must be. A page of another site cannot send JSON unasked, so
    every route that changes something should want it."""
    is_essential: bool = False
    """It is answered on the last connections too, which others do not get."""
    is_page: bool = False
    """A link of another site may lead to it."""
    is_fallback: bool = False
    """It answers every method of paths that no other route has."""
    refusal: Callable[[RefusedError], Response] = plain_refusal
    """The form of its refusals."""

    def allows(self, method: str) -> bool:
        """Whether the method is one of the route's."""
        known = method in self.methods or (method == "HEAD" and "GET" in self.methods)
        return known or self.is_fallback


class RouteTable:
    """Finds routes by path and method. The first that matches both is the one."""

    def __init__(self, routes: "list[Route[Any]]") -> None:
        self._routes = [(*_matcher(route.path), route) for route in routes]

    def find(self, path: str, method: str) -> "tuple[Route[Any], dict[str, Any]] | None":
        """The route and the path's parameters, None for a path that is not served.

        Where no route of a path takes the method it is the path's first one, which refuses it.
        """
        first: tuple[Route[Any], dict[str, Any]] | None = None
        for matches, read, route in self._routes:
            found = matches(path)
            if found is None:
                continue
            if first is not None and route.is_fallback:
                continue
            here = route, read(found.groupdict())
            if route.allows(method):
                return here
            first = first or here
        return first

    def methods(self, path: str) -> frozenset[str]:
        """All that some route of a path takes, those left out that answer for want of another."""
        found = [route for matches, _, route in self._routes if matches(path)]
        own = [route.methods for route in found if not route.is_fallback]
        return frozenset().union(*(own or [route.methods for route in found]))


def _matcher(path: str) -> tuple[Callable[[str], Any], Callable[[dict[str, Any]], dict[str, Any]]]:
    found, _, convertors = compile_path(path)
    # The rest of a path may have line feeds in it.
    pattern = re.compile(found.pattern, re.DOTALL)

    def read(values: dict[str, Any]) -> dict[str, Any]:
        return {name: convertors[name].convert(value) for name, value in values.items()}

    # The pattern's own end would take a line feed after the path.
    return pattern.fullmatch, read


async def everyone(request: HTTPConnection) -> None:
    """The authority of a route that answers whoever asks."""
