"""The explorer's routes on a node's HTTP server.

The last of them answers every path that nothing else does: they come after all other routes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from esper.explorer.headers import security_headers
from esper.explorer.page import Asking, Elsewhere, MakePage, Page
from esper.explorer.pages import PAGES
from esper.explorer.pages.receipt import block_id
from esper.explorer.port import Asked, ChainReader
from esper.explorer.static_files import ICON, VERIFIER, StaticFile, static_files
from esper.explorer.visitors import Visit, Visitors
from esper.explorer.writing import Writer, page_writer
from esper.http.routes import RefusedError, Route, RouteLimits
from esper.http.slots import Slots
from esper.rpc import methods as m
from esper.rpc.errors import NO_NETWORK, NOT_FOUND, RpcError

GET: Final = frozenset({"GET"})
PAGES_AT_ONCE: Final = 8
PAGES_PER_ADDRESS: Final = 4
FILES_AT_ONCE: Final = 64
FILES_PER_ADDRESS: Final = 16
"""More than the connections that a browser opens to a host, which are six."""
NO_STORE: Final = {"cache-control": "no-store"}
HTML: Final = "text/html"
JSON_ALONE: Final = ("/v1/", "/api/")
"""Beginnings of paths of programs, which no page answers."""


@dataclass(frozen=True, slots=True)
class Explorer:
    """What answers browsers."""

    reader: ChainReader
    """The chain."""
    writer: Writer
    """Makes HTML."""
    files: Mapping[str, StaticFile]
    """What pages load."""
    has_events: bool
    """Whether the server has ``/events``, which pages listen to."""
    has_console: bool
    """Whether the server has a gateway that signs people in: every page leads to its console."""
    clock: Callable[[], int]
    """The wall clock's milliseconds."""

    async def page(self, make: MakePage, request: Request, visit: Visit, *, wasm: bool) -> Response:
        """A page, or that there is none."""
        asking = Asking(
            {name: str(value) for name, value in request.path_params.items()},
            dict(request.query_params),
            self.clock(),
            visit.is_local,
        )
        try:
            made = await make(self.reader, asking)
        except RpcError as error:
            made = _refused(error)
        if isinstance(made, Elsewhere):
            headers = {**security_headers(), **NO_STORE, "location": made.path}
            return Response(None, 303, headers)
        return await self.html(made, wasm=wasm)

    async def html(self, page: Page, *, wasm: bool = False) -> Response:
        """A page as an answer."""
        status = await self.reader.ask(m.GET_STATUS)
        text = self.writer.written(
            page,
            node=status,
            now_ms=self.clock(),
            has_events=self.has_events,
            has_console=self.has_console,
            verifier=self.files.get(VERIFIER),
        )
        headers = {**security_headers(wasm=wasm), **NO_STORE}
        return Response(text, page.status, headers, f"{HTML}; charset=utf-8")

    async def file(self, request: Request, name: str, visit: Visit) -> Response:
        """A file of the table."""
        found = self.files.get(name)
        if found is None:
            return await self.missing(request, visit)
        headers = {
            **security_headers(wasm=found.compiles),
            "cache-control": "no-cache",
            "etag": found.etag,
        }
        if request.headers.get("if-none-match") == found.etag:
            return Response(None, 304, headers)
        return Response(found.data, 200, headers, found.media_type)

    async def missing(self, request: Request, visit: Visit | None) -> Response:
        """Nothing is at this path: a page for people who may look, JSON for others."""
        accepts = request.headers.get("accept", "")
        is_program = request.url.path.startswith(JSON_ALONE) or request.method != "GET"
        if visit is not None and HTML in accepts and not is_program:
            answer = await self.html(_nothing("There is nothing at this path."))
        else:
            body = {"error": "there is nothing at this path"}
            answer = JSONResponse(body, 404, security_headers())
        # A body that came with it is not read.
        answer.headers["connection"] = "close"
        return answer

    async def block_id(self, request: Request) -> Response:
        """The node's word for one height, for the page of receipts."""
        headers = {**security_headers(), **NO_STORE}
        try:
            body = await block_id(self.reader, request.query_params.get("height", ""))
        except RpcError as error:
            return JSONResponse({"error": error.message}, 503, headers)
        if body is None:
            return JSONResponse({"error": "height must be a number of nine digits"}, 400, headers)
        return JSONResponse(body, 200, headers)


def explorer_routes(
    node: Asked,
    *,
    remote: bool,
    clock: Callable[[], int],
    has_events: bool = False,
    has_console: bool = False,
) -> list[Route[Any]]:
    """All routes. ``remote``: others than the node's own machine may look."""
    explorer = Explorer(
        ChainReader(node), page_writer(), static_files(), has_events, has_console, clock
    )
    visitors = Visitors(remote=remote)
    pages = RouteLimits(Slots(PAGES_AT_ONCE, PAGES_PER_ADDRESS))
    files = RouteLimits(Slots(FILES_AT_ONCE, FILES_PER_ADDRESS))

    def page_route(path: str, make: MakePage) -> Route[Visit]:
        async def answer(request: Request, visit: Visit) -> Response:
            return await explorer.page(make, request, visit, wasm=path == "/receipt")

        return Route(path, GET, visitors, answer, pages, is_page=True, refusal=refusal)

    async def named(request: Request, visit: Visit) -> Response:
        return await explorer.file(request, request.path_params["name"], visit)

    async def icon(request: Request, visit: Visit) -> Response:
        return await explorer.file(request, ICON, visit)

    async def named_block(request: Request, visit: Visit) -> Response:
        return await explorer.block_id(request)

    async def may_look(request: HTTPConnection) -> Visit | None:
        try:
            return await visitors(request)
        except RefusedError:
            return None

    async def missing(request: Request, visit: Visit | None) -> Response:
        return await explorer.missing(request, visit)

    return [
        *(page_route(path, make) for path, make in PAGES.items()),
        Route("/static/{name}", GET, visitors, named, files, refusal=refusal),
        Route("/favicon.ico", GET, visitors, icon, files, refusal=refusal),
        Route("/block-id.json", GET, visitors, named_block, pages, refusal=refusal),
        Route(
            "/{path:path}",
            frozenset(),
            may_look,
            missing,
            pages,
            is_page=True,
            is_fallback=True,
            refusal=refusal,
        ),
    ]


def refusal(refused: RefusedError) -> Response:
    """What HTTP refuses, under the headers of pages."""
    return JSONResponse({"error": refused.message}, refused.status, security_headers())


def _refused(error: RpcError) -> Page:
    """A page that says why there is nothing to show."""
    if error.code == NO_NETWORK:
        return Page(
            "missing.html",
            "No network",
            {"heading": "This node has no network", "words": error.message},
        )
    if error.code == NOT_FOUND:
        return _nothing(error.message)
    return Page(
        "missing.html",
        "Not understood",
        {"heading": "This cannot be looked up", "words": error.message},
        400,
    )


def _nothing(words: str) -> Page:
    return Page("missing.html", "Not found", {"heading": "Not found", "words": words}, 404)
