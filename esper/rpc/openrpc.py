"""The interface as an OpenRPC document, made from the table of methods."""

from typing import Any, Final

import msgspec

import esper
from esper.rpc import errors as e
from esper.rpc.examples import EXAMPLES
from esper.rpc.methods import METHODS, Method

OPENRPC: Final = "1.3.2"
"""Version of the document's own form."""

ERRORS: Final = {
    "UNAUTHORIZED": (e.UNAUTHORIZED, "the method needs a token"),
    "NOT_FOUND": (e.NOT_FOUND, "no such block, transaction, model or account"),
    "REFUSED": (e.REFUSED, "the transaction breaks a rule: data.rule, data.retry"),
    "MEMPOOL_FULL": (e.MEMPOOL_FULL, "no room at that fee: data.minimum_fee_per_byte"),
    "NOT_MINING": (e.NOT_MINING, "the method needs a mining node, or regtest"),
    "TIMEOUT": (e.TIMEOUT, "the node took too long"),
    "LIMITED": (e.LIMITED, "a limit of the server: batch, body, answer or requests at once"),
    "PARSE_ERROR": (e.PARSE_ERROR, "the body is no JSON, or JSON of two meanings"),
    "INVALID_REQUEST": (e.INVALID_REQUEST, "the form of a request is wrong"),
    "METHOD_NOT_FOUND": (e.METHOD_NOT_FOUND, "no such method"),
    "INVALID_PARAMS": (e.INVALID_PARAMS, "parameters are wrong: data.field"),
    "INTERNAL_ERROR": (e.INTERNAL_ERROR, "the node failed: data.incident, which its log explains"),
}
"""Number and meaning of every error, by its name."""

_TEMPLATE: Final = "#/components/schemas/{name}"
_COMMON: Final = ("INVALID_PARAMS", "TIMEOUT", "LIMITED", "INTERNAL_ERROR")


def openrpc_document() -> dict[str, Any]:
    """The whole document, of JSON values alone."""
    methods = METHODS.values()
    types = [part for method in methods for part in (method.params, method.result)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    results = dict(zip(METHODS, schemas[1::2], strict=True))
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "Esperchain node",
            "version": esper.__version__,
            "description": "Amounts are decimal strings in the smallest unit.",
        },
        "methods": [
            _method(method, components[method.params.__name__], results[method.name])
            for method in methods
        ],
        "components": {
            "schemas": components,
            "errors": {
                name: {"code": code, "message": message} for name, (code, message) in ERRORS.items()
            },
        },
    }


def _method(method: Method, params: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    example = EXAMPLES[method.name]
    given = msgspec.to_builtins(example.params)
    needed = ("UNAUTHORIZED",) if method.needs_token else ()
    return {
        "name": method.name,
        "summary": method.description,
        "paramStructure": "either",
        "params": [
            {
                "name": name,
                "required": name in params.get("required", ()),
                "schema": params["properties"][name],
            }
            for name in method.fields
        ],
        "result": {"name": "result", "schema": result},
        "errors": [{"$ref": f"#/components/errors/{name}"} for name in (*needed, *_COMMON)],
        "examples": [
            {
                "name": "example",
                "params": [{"name": name, "value": given[name]} for name in given],
                "result": {"name": "result", "value": msgspec.to_builtins(example.result)},
            }
        ],
    }
