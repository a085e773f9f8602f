"""Refusals as answers of HTTP, whoever refused: the service, or the server before it."""

import secrets
from collections.abc import Callable, Mapping
from typing import Final

from starlette.responses import Response

from esper.gateway.refusals import Refused, jittered, ollama_error, openai_error, refusal_headers
from esper.http.routes import JSON, RefusedError

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "vary": "authorization, cookie, origin",
    "x-content-type-options": "nosniff",
}
"""Of every answer: it is its key's alone."""

_CODES: Final = {
    400: "invalid_value",
    401: "invalid_api_key",
    403: "origin",
    404: "unknown_url",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "request_too_large",
    415: "unsupported_media_type",
    421: "wrong_host",
    431: "head_too_large",
    503: "not_ready",
}
"""What the server refuses, by its status."""
_BUSY_MS: Final = 1_000
"""At least."""


class GatewayRefusedError(RefusedError):
    """What the service refuses before a body is read."""

    def __init__(self, refused: Refused) -> None:
        headers = {name.decode(): value.decode() for name, value in refusal_headers(refused)}
        super().__init__(refused.status, refused.message, headers)
        self.refused = refused
        """The refusal."""


def new_id() -> str:
    """32 lower-case hexadecimal digits of chance: of a call, a receipt, or a request alone."""
    return secrets.token_hex(16)


def refusal_response(refused: Refused, *, ollama: bool, request_id: str) -> Response:
    """A refusal in the form of either kind of client."""
    body = ollama_error(refused) if ollama else openai_error(refused)
    told = {name.decode(): value.decode() for name, value in refusal_headers(refused)}
    headers = {**HEADERS, **told, "x-request-id": request_id}
    return Response(body, refused.status, headers, JSON)


def refusal_shape(
    *, ollama: bool, chance: Callable[[], float]
) -> Callable[[RefusedError], Response]:
    """How routes of a kind show what was refused before they were asked.

    ``chance``: see ``Clock.chance``.
    """

    def shape(error: RefusedError) -> Response:
        return refusal_response(refused_of(error, chance()), ollama=ollama, request_id=new_id())

    return shape


def refused_of(error: RefusedError, chance: float) -> Refused:
    """The gateway's code for what the server refuses.

    ``chance`` from 0 to 1: those for whom there is no place come back apart.
    """
    if isinstance(error, GatewayRefusedError):
        return error.refused
    code = _CODES.get(error.status, "invalid_value")
    retry_ms = jittered(_BUSY_MS, chance) if code == "not_ready" else None
    return Refused(code, error.message, retry_ms=retry_ms)
