"""All routes of the gateway on an HTTP server."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from esper.gateway.console.login import own_page_alone
from esper.gateway.keys import Account, Scope
from esper.gateway.one_line import one_line
from esper.gateway.openapi import openapi_object
from esper.gateway.refusals import Refused
from esper.gateway.requests.asked import Endpoint
from esper.gateway.requests.reading import MAX_BODY_BYTES
from esper.gateway.service.authority import KeyAuthority, no_authority
from esper.gateway.service.gateway_service import GatewayService
from esper.gateway.service.guarding import Answering
from esper.gateway.service.refusing import GatewayRefusedError, refusal_shape
from esper.http.routes import JSON, Route, RouteLimits
from esper.http.slots import Slots

AT_ONCE: Final = 4_096
"""Answers and streams: more than a server has connections, since the queue is what limits them."""
SIGN_INS: Final = 32
SIGN_INS_PER_ADDRESS: Final = 4
SHORT_BODY: Final = 4_096
NOT_HERE: Final = "there is nothing at this path; hidden states are not proven, so no embeddings"

_GET: Final = frozenset({"GET"})
_POST: Final = frozenset({"POST"})
_ANY: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GENERATING: Final = {
    "/v1/chat/completions": Endpoint.CHAT,
    "/v1/completions": Endpoint.COMPLETIONS,
    "/v1/responses": Endpoint.RESPONSES,
    "/api/chat": Endpoint.OLLAMA_CHAT,
    "/api/generate": Endpoint.OLLAMA_GENERATE,
}


def gateway_routes(service: GatewayService) -> list[Route[Any]]:
    """The routes; the last two answer whatever else is asked under ``/v1`` and ``/api``."""
    return [
        *_generating(service),
        *_models(service),
        *_receipts(service),
        *_console(service),
        _open(service, "/v1/openapi.json", "openapi", _description(service)),
        _nothing(service, "/v1/{rest:path}"),
        _nothing(service, "/api/{rest:path}"),
    ]


def _generating(service: GatewayService) -> list[Route[Any]]:
    return [
        _keyed(
            service,
            path,
            endpoint.value,
            Scope.INFER,
            partial(service.generating.answer, endpoint),
            body=MAX_BODY_BYTES,
        )
        for path, endpoint in _GENERATING.items()
    ]


def _models(service: GatewayService) -> list[Route[Any]]:
    ollama = service.ollama
    return [
        _keyed(service, "/v1/models", "models", Scope.INFER, service.list_models),
        _keyed(service, "/v1/models/{id}", "models", Scope.INFER, service.one_model),
        _open(service, "/api/version", "ollama.version", ollama.version),
        _keyed(service, "/api/tags", "ollama.tags", Scope.INFER, ollama.tags),
        _keyed(service, "/api/ps", "ollama.ps", Scope.INFER, ollama.running),
        _keyed(service, "/api/show", "ollama.show", Scope.INFER, ollama.show, body=SHORT_BODY),
    ]


def _receipts(service: GatewayService) -> list[Route[Any]]:
    desk, usage = service.receipts, service.usage
    if desk is None or usage is None:
        return []
    path, scope = "/v1/receipts/{id}", Scope.RECEIPTS
    return [
        _keyed(service, path, "receipts", scope, desk.get),
        _keyed(service, f"{path}/prove", "prove", Scope.PROVE, desk.prove, body=SHORT_BODY),
        _keyed(service, f"{path}/events", "receipts.events", scope, desk.events),
        _keyed(service, "/v1/usage", "usage", Scope.USAGE, usage.get),
    ]


def _console(service: GatewayService) -> list[Route[Any]]:
    console = service.console
    if console is None:
        return []
    login = Route(
        path="/console/login",
        methods=_POST,
        authority=own_page_alone,
        answer=service.guard.around("console.login", console.login),
        limits=RouteLimits(Slots(SIGN_INS, SIGN_INS_PER_ADDRESS), body_bytes=SHORT_BODY),
        media_type=JSON,
        refusal=refusal_shape(ollama=False, chance=service.chance),
    )
    session = _keyed(service, "/console/session", "console.session", Scope.INFER, console.session)
    return [login, session]


def _keyed(
    service: GatewayService,
    path: str,
    name: str,
    scope: Scope,
    answer: Callable[[Request, Account], Awaitable[Response]],
    *,
    body: int = 0,
) -> Route[Any]:
    """A route for keys with a scope. With a body it is a POST of JSON."""
    ollama = path.startswith("/api/")
    return Route(
        path=path,
        methods=_POST if body else _GET,
        authority=KeyAuthority(service.books, service.settings, scope),
        answer=service.guard.around(name, answer, ollama=ollama),
        limits=RouteLimits(Slots(AT_ONCE), Slots(AT_ONCE), body_bytes=body),
        media_type=JSON if body else None,
        refusal=refusal_shape(ollama=ollama, chance=service.chance),
    )


def _open(service: GatewayService, path: str, name: str, answer: Answering) -> Route[Any]:
    ollama = path.startswith("/api/")
    return Route(
        path=path,
        methods=_GET,
        authority=no_authority,
        answer=service.guard.around(name, answer, ollama=ollama),
        limits=RouteLimits(Slots(AT_ONCE)),
        refusal=refusal_shape(ollama=ollama, chance=service.chance),
    )


def _nothing(service: GatewayService, path: str) -> Route[Any]:
    async def refuse(request: HTTPConnection) -> None:
        await no_authority(request)
        raise GatewayRefusedError(Refused("unknown_url", NOT_HERE))

    async def unreached(request: Request, granted: None) -> Response:
        raise AssertionError("its authority refuses")

    return Route(
        path=path,
        methods=_ANY,
        authority=refuse,
        answer=unreached,
        limits=RouteLimits(Slots(AT_ONCE)),
        # A path that is served refuses the wrong method itself.
        is_fallback=True,
        refusal=refusal_shape(ollama=path.startswith("/api/"), chance=service.chance),
    )


def _description(service: GatewayService) -> Answering:
    found = one_line(openapi_object(has_receipts=service.receipts is not None))

    async def describe(request: Request, account: None) -> Response:
        return Response(found, media_type=JSON)

    return describe
