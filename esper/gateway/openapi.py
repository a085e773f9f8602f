"""The gateway's description in OpenAPI 3.1, as ``/v1/openapi.json`` serves it."""

from typing import Any, Final

from esper.gateway.openapi_bodies import body_schema
from esper.gateway.refusals import KINDS
from esper.gateway.requests.asked import Endpoint

VERSION: Final = "1"
"""Of the description."""

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_LINES: Final = "application/x-ndjson"
_ANSWERS: Final = (
    ("/v1/chat/completions", Endpoint.CHAT, "An answer to a conversation"),
    ("/v1/completions", Endpoint.COMPLETIONS, "What follows a text"),
    ("/v1/responses", Endpoint.RESPONSES, "A response to text or messages"),
    ("/api/chat", Endpoint.OLLAMA_CHAT, "Ollama's chat"),
    ("/api/generate", Endpoint.OLLAMA_GENERATE, "Ollama's generate"),
)
_OF_A_CALL: Final = ("receipt", "receipt_events", "prove")
"""Operations that take the id which an answer has under ``esper``."""
_STREAM: Final[dict[str, Any]] = {}
"""3.1 has no words for what comes in pieces."""
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_ID: Final[dict[str, Any]] = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_MODEL_ID: Final[dict[str, Any]] = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}


def openapi_object(*, has_receipts: bool = True) -> dict[str, Any]:
    """The whole description. ``has_receipts``: the server has a chain, and books of its keys."""
    links = {name: _link(name, "/esper/id") for name in _OF_A_CALL} if has_receipts else {}
    paths: dict[str, Any] = {
        path: {"post": _answering(path, endpoint, told, links)} for path, endpoint, told in _ANSWERS
    }
    first = {"model": _link("model", "/data/0/id")}
    paths |= {
        "/v1/models": {"get": _linked(_get("models", "Models that answer"), first)},
        "/v1/models/{id}": {"get": _get("model", "One model", _MODEL_ID)},
        "/api/version": {"get": _get("ollama_version", "The program's version", is_open=True)},
        "/api/tags": {"get": _get("ollama_tags", "Models, as Ollama lists them")},
        "/api/ps": {"get": _get("ollama_ps", "Models that are loaded")},
        "/api/show": {"post": _show()},
        "/v1/openapi.json": {"get": _get("openapi", "This description", is_open=True)},
    }
    if has_receipts:
        paths |= _receipts()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Esperchain gateway",
            "version": VERSION,
            "description": "OpenAI's and Ollama's APIs with signed, provable, greedy answers.",
        },
        # Where the gateway is open, this machine's own programs send no key.
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _error(), "OllamaError": _ollama_error()},
        },
    }


def _receipts() -> dict[str, Any]:
    return {
        "/v1/usage": {
            "get": _get(
                "usage",
                "What the key used, by day",
                _query("days", {"type": "integer", "minimum": 1, "maximum": 366}),
            )
        },
        "/v1/receipts/{id}": {
            "get": _get(
                "receipt",
                "A receipt: the promise until there is a proof",
                _ID,
                _query("work", {"enum": ["none"]}),
            )
        },
        "/v1/receipts/{id}/prove": {"post": _prove()},
        "/v1/receipts/{id}/events": {
            "get": _get("receipt_events", "What becomes of a call", _ID, media=_EVENTS)
        },
    }


def _answering(path: str, endpoint: Endpoint, told: str, links: dict[str, Any]) -> dict[str, Any]:
    stream = _LINES if endpoint.is_ollama else _EVENTS
    found = {
        "operationId": endpoint.value.replace(".", "_"),
        "summary": told,
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": body_schema(endpoint)}},
        },
        "responses": {
            "200": _found({_JSON: {"schema": _OBJECT}, stream: _STREAM}),
            **_refusals(path),
        },
    }
    return _linked(found, links)


def _get(
    name: str, told: str, *parameters: dict[str, Any], media: str = _JSON, is_open: bool = False
) -> dict[str, Any]:
    content = {"schema": _OBJECT} if media == _JSON else _STREAM
    path = "/api/" if name.startswith("ollama_") else "/v1/"
    found: dict[str, Any] = {
        "operationId": name,
        "summary": told,
        "parameters": list(parameters),
        "responses": {"200": _found({media: content}), **_refusals(path)},
    }
    if is_open:
        found["security"] = []
    return found


def _link(operation: str, pointer: str) -> dict[str, Any]:
    """To an operation whose ``id`` stands at ``pointer`` of a whole answer's body."""
    return {"operationId": operation, "parameters": {"id": f"$response.body#{pointer}"}}


def _linked(operation: dict[str, Any], links: dict[str, Any]) -> dict[str, Any]:
    """``operation`` with ``links`` to what its answer leads to."""
    if links:
        operation["responses"]["200"]["links"] = links
    return operation


def _prove() -> dict[str, Any]:
    price = {"type": "integer", "minimum": 0, "maximum": (1 << 53) - 1}
    body = {"type": "object", "additionalProperties": False, "properties": {"max_price": price}}
    return {
        "operationId": "prove",
        "summary": "Have a promise proven, which publishes prompt and answer for ever",
        "parameters": [_ID],
        "requestBody": {"content": {_JSON: {"schema": body}}},
        "responses": {"202": _found({_JSON: {"schema": _OBJECT}}), **_refusals("/v1/")},
    }


def _show() -> dict[str, Any]:
    body = {
        "type": "object",
        "required": ["model"],
        "additionalProperties": False,
        "properties": {
            "model": {"type": "string", "minLength": 1, "maxLength": 128},
            "verbose": {"type": "boolean"},
        },
    }
    return {
        "operationId": "ollama_show",
        "summary": "One model, as Ollama shows it",
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": {"200": _found({_JSON: {"schema": _OBJECT}}), **_refusals("/api/")},
    }


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _found(content: dict[str, Any]) -> dict[str, Any]:
    return {"description": "As asked", "content": content}


def _refusals(path: str) -> dict[str, Any]:
    """Every status with its codes: which of them a route can have is not told apart."""
    name = "OllamaError" if path.startswith("/api/") else "Error"
    codes: dict[int, list[str]] = {}
    for code, kind in KINDS.items():
        codes.setdefault(kind.status, []).append(code)
    content = {_JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {
        str(status): {"description": ", ".join(found), "content": content}
        for status, found in sorted(codes.items())
    }


def _error() -> dict[str, Any]:
    text_or_none = {"type": ["string", "null"]}
    fields = {
        "message": {"type": "string"},
        "type": {"type": "string"},
        "param": text_or_none,
        "code": {"enum": sorted(KINDS)},
        "incident": {"type": "string"},
    }
    error = {
        "type": "object",
        "required": ["message", "type", "param", "code"],
        "additionalProperties": False,
        "properties": fields,
    }
    return {"type": "object", "required": ["error"], "properties": {"error": error}}


def _ollama_error() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["error"],
        "additionalProperties": False,
        "properties": {"error": {"type": "string"}},
    }
