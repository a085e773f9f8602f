"""Bodies of requests as schemas of OpenAPI: from the tables that read them."""

from typing import Any, Final

from esper.gateway.requests import fields
from esper.gateway.requests.asked import Endpoint
from esper.gateway.requests.fields import Row

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_STOP: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 64}
_STOPS: Final[Schema] = {"anyOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": 4}]}
_CEILING: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": (1 << 53) - 1}
_FLAG: Final[Schema] = {"type": "boolean"}
_NOTHINGS: Final[list[Any]] = ["", [], {}, False]
_EMPTY: Final[Schema] = {"enum": _NOTHINGS}
_ANYTHING: Final[Schema] = {}
_MESSAGE: Final[Schema] = {
    "type": "object",
    "required": ["role", "content"],
    "additionalProperties": False,
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant"]},
        "content": _TEXT,
    },
}
_MESSAGES: Final[Schema] = {"type": "array", "items": _MESSAGE, "minItems": 1, "maxItems": 256}
_OPTIONS: Final[Schema] = {
    "type": "object",
    "properties": {"temperature": {"enum": [0]}, "num_predict": _CEILING, "stop": _STOPS},
}
_WISHES: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prove": {"enum": ["auto", "always", "never"]},
        "wait": {"enum": ["instant", "proven"]},
        "max_price": {"type": "integer", "minimum": 0, "maximum": (1 << 53) - 1},
    },
}
_STREAM_OPTIONS: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"include_usage": _FLAG, "include_obfuscation": _FLAG},
}
_STREAMED: Final[Schema] = {
    "if": {"required": ["stream_options"], "properties": {"stream_options": {"type": "object"}}},
    "then": {"required": ["stream"], "properties": {"stream": {"const": True}}},
}
"""``stream_options`` are for streams."""

_BY_NAME: Final[dict[str, Schema]] = {
    "model": {"type": "string", "minLength": 1, "maxLength": 128, "examples": ["esper-t0"]},
    "messages": _MESSAGES,
    "input": {"anyOf": [_TEXT, _MESSAGES]},
    "instructions": _TEXT,
    "system": _TEXT,
    "raw": _FLAG,
    "stream": _FLAG,
    "stream_options": _STREAM_OPTIONS,
    "parallel_tool_calls": _FLAG,
    "max_tokens": _CEILING,
    "max_completion_tokens": _CEILING,
    "max_output_tokens": _CEILING,
    "stop": _STOPS,
    "temperature": {"enum": [0]},
    "top_p": {"enum": [1]},
    "best_of": {"enum": [1]},
    "n": {"enum": [1]},
    "presence_penalty": {"enum": [0]},
    "frequency_penalty": {"enum": [0]},
    "tool_choice": {"enum": ["auto", "none", *_NOTHINGS]},
    "function_call": {"enum": ["auto", "none", *_NOTHINGS]},
    "service_tier": {"enum": ["auto", "default", *_NOTHINGS]},
    "response_format": {"enum": [{"type": "text"}]},
    "text": {"enum": [{"format": {"type": "text"}}, {"verbosity": "medium"}]},
    "modalities": {"enum": [["text"], *_NOTHINGS]},
    "truncation": {"enum": ["disabled", *_NOTHINGS]},
    "verbosity": {"enum": ["medium", *_NOTHINGS]},
    "reasoning": {"enum": [{"effort": "none"}]},
    "reasoning_effort": {"enum": ["none", *_NOTHINGS]},
    "include": {
        "type": "array",
        "items": {"enum": ["message.output_text.logprobs", "reasoning.encrypted_content"]},
    },
    "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
    "options": _OPTIONS,
    "esper": _WISHES,
    "echo": _EMPTY,
    "background": _EMPTY,
    "think": _EMPTY,
    "store": _EMPTY,
}
"""Of fields that mean the same wherever they are."""
_OWN: Final[dict[tuple[Endpoint, str], Schema]] = {
    (Endpoint.COMPLETIONS, "prompt"): {
        "anyOf": [
            _TEXT,
            {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1},
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
        ]
    },
    (Endpoint.OLLAMA_GENERATE, "prompt"): _TEXT,
    (Endpoint.COMPLETIONS, "logprobs"): {
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 5}, {"enum": [False]}]
    },
    (Endpoint.CHAT, "logprobs"): _FLAG,
    (Endpoint.OLLAMA_CHAT, "logprobs"): _FLAG,
    (Endpoint.OLLAMA_GENERATE, "logprobs"): _FLAG,
}
_ROWS: Final[dict[Endpoint, tuple[Row, ...]]] = {
    Endpoint.CHAT: (*fields.SHARED, *fields.CHAT),
    Endpoint.COMPLETIONS: (*fields.SHARED, *fields.COMPLETIONS),
    Endpoint.RESPONSES: (*fields.SHARED, *fields.RESPONSES),
    Endpoint.OLLAMA_CHAT: (*fields.OLLAMA, *fields.OLLAMA_CHAT),
    Endpoint.OLLAMA_GENERATE: (*fields.OLLAMA, *fields.OLLAMA_GENERATE),
}
_REQUIRED: Final[dict[Endpoint, list[str]]] = {
    Endpoint.CHAT: ["model", "messages"],
    Endpoint.COMPLETIONS: ["model", "prompt"],
    Endpoint.RESPONSES: ["model", "input"],
    Endpoint.OLLAMA_CHAT: ["model", "messages"],
    Endpoint.OLLAMA_GENERATE: ["model", "prompt"],
}
_DEPENDENT: Final[dict[Endpoint, dict[str, list[str]]]] = {
    Endpoint.CHAT: {"stream_options": ["stream"], "top_logprobs": ["logprobs"]},
    Endpoint.COMPLETIONS: {"stream_options": ["stream"]},
    Endpoint.RESPONSES: {"stream_options": ["stream"], "top_logprobs": ["include"]},
    Endpoint.OLLAMA_CHAT: {"top_logprobs": ["logprobs"]},
    Endpoint.OLLAMA_GENERATE: {"top_logprobs": ["logprobs"]},
}


def body_schema(endpoint: Endpoint) -> Schema:
    """What a body may be. A field that need not be there may be null."""
    properties = {}
    for row in _ROWS[endpoint]:
        for name in row.fields:
            fallback = _EMPTY if row.says == "empty" else _ANYTHING
            schema = _OWN.get((endpoint, name), _BY_NAME.get(name, fallback))
            if name not in _REQUIRED[endpoint]:
                schema = _or_null(schema)
            properties[name] = {**schema, "description": row.says}
    more = {} if endpoint.is_ollama else _STREAMED
    return {
        "type": "object",
        "required": _REQUIRED[endpoint],
        "additionalProperties": False,
        "dependentRequired": _DEPENDENT[endpoint],
        "properties": properties,
        **more,
    }


def _or_null(schema: Schema) -> Schema:
    """The same, or null; so for the fields of an object of which none is required."""
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "type" not in schema:
        return schema
    found = {**schema, "type": [schema["type"], "null"]}
    if "properties" in schema:
        fields = schema["properties"]
        found["properties"] = {name: _or_null(field) for name, field in fields.items()}
    return found
