"""The interface as an OpenRPC document, made from the table of methods."""

from typing import Any, Final

import msgspec

import esper
from esper.rpc.errors import ERRORS
from esper.rpc.method import Method, MethodTable
from esper.rpc.strict_json import MAX_BRACKETS, MAX_DEPTH, MAX_DIGITS

OPENRPC: Final = "1.3.2"
"""Version of the document's own form."""

DESCRIPTION: Final = (
    "Amounts are decimal strings in the smallest unit. Of JSON, less is read than its grammar "
    f"allows: a number is written with at most {MAX_DIGITS} characters, brackets stand within each "
    f"other at most {MAX_DEPTH} levels deep, a body has at most {MAX_BRACKETS} objects and arrays, "
    "and no object has a key twice."
)
"""What holds for all methods."""

_TEMPLATE: Final = "#/components/schemas/{name}"
_ERROR: Final = "#/components/errors/{name}"


def openrpc_document(table: MethodTable) -> dict[str, Any]:
    """The whole document, of JSON values alone."""
    methods = table.values()
    types = [part for method in methods for part in (method.request, method.reply)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    results = dict(zip(table, schemas[1::2], strict=True))
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "Esperchain node",
            "version": esper.__version__,
            "description": DESCRIPTION,
        },
        "methods": [
            _method(method, components[method.request.__name__], results[method.name])
            for method in methods
        ],
        "components": {
            "schemas": components,
            "errors": {
                name: {"code": code, "message": message} for code, (name, message) in ERRORS.items()
            },
        },
    }


def described(method: Method[Any, Any]) -> str:
    """What a method does, needs and takes, in sentences."""
    sentences = [method.about]
    if method.needs_token:
        sentences.append("Needs a token.")
    if method.awaits_blocks:
        sentences.append("May take as long as blocks take.")
    return " ".join(sentences)


def _method(
    method: Method[Any, Any], params: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    given = method.example.params
    return {
        "name": method.name,
        "summary": method.about,
        "description": described(method),
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
        "errors": [{"$ref": _ERROR.format(name=ERRORS[code][0])} for code in method.errors],
        "examples": [
            {
                "name": "example",
                "params": [{"name": name, "value": given[name]} for name in given],
                "result": {"name": "result", "value": msgspec.to_builtins(method.example.reply)},
            }
        ],
    }
