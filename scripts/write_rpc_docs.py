"""Write docs/rpc.md from the table of methods.

python scripts/write_rpc_docs.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from esper.rpc.errors import ERRORS
from esper.rpc.method import COMMON_ERRORS, Method
from esper.rpc.methods import METHODS
from esper.rpc.openrpc import described, openrpc_document
from esper.rpc.strict_json import MAX_BRACKETS, MAX_DEPTH, MAX_DIGITS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rpc.md"
SHORTENED = 32
"""Characters of hex before the dots."""

HEAD = f"""# The node's JSON-RPC interface

Made by `scripts/write_rpc_docs.py` from `esper/rpc/methods.py`; `rpc.discover` answers the same as
OpenRPC.

A node listens on `http://127.0.0.1:9334/` and takes JSON-RPC 2.0 by POST with `Content-Type:
application/json`: single requests, batches of up to 50, notifications. Parameters are an object, or
an array in the order listed here. Amounts are decimal strings in the smallest unit; hashes,
keys and transactions are lower-case hex. `GET /health` answers without asking the
node; [node.md](node.md) names `/health/ready` and `/metrics`.

Of JSON, less is read than its grammar allows: a number is written with at most {MAX_DIGITS}
characters, brackets stand within each other at most {MAX_DEPTH} levels deep, a body has at most
{MAX_BRACKETS} objects and arrays, and no object has a key twice.

Methods that spend or steer, marked **token**, want the token of the file `rpc.cookie` in the data
directory, which is new at every start:

```sh
COOKIE=$ESPER_DATADIR/rpc.cookie
URL=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' $COOKIE)
TOKEN=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["token"])' $COOKIE)
curl -sf $URL -H 'Content-Type: application/json' \\
  -d '{{"jsonrpc": "2.0", "method": "get_status", "id": 1}}'
curl -sf $URL -H 'Content-Type: application/json' -H "Authorization: Bearer $TOKEN" \\
  -d '{{"jsonrpc": "2.0", "method": "resume_mining", "id": 2}}'
```

## Errors

| code | name | meaning |
|---|---|---|
"""

STATUSES = """
Before a body is read, HTTP says no: 400 no request of HTTP, 401 a token that is not taken, or none
from another machine, 403 a web page that is not configured, 404 and 405 another address or verb
(whose case matters), 414 and 431 a first line and a head above 16 KiB, 415 another Content-Type,
421 a Host that is neither this machine's nor listened on, 501 a coding of bodies that is not known,
503 too many requests or connections at once (try again), 505 another version of HTTP. Then 400 a
body that broke off or is malformed, 408 one that takes more than 10 s, 413 one above 256 KiB,
or with a token above 3 MiB. After a refusal the connection ends; otherwise
it may lie idle for 30 s, as `Keep-Alive` says.

## Methods

Any of them may answer {common};
further errors stand with each.
"""


def shortened(value: Any) -> Any:
    """A value for reading: long hex ends in dots."""
    match value:
        case dict():
            return {name: shortened(part) for name, part in value.items()}
        case list():
            return [shortened(part) for part in value]
        case str() if len(value) > 2 * SHORTENED:
            return value[:SHORTENED] + "..."
        case _:
            return value


def type_name(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(type_name(part) for part in schema["anyOf"])
    words = [schema.get("type", "any")]
    if schema.get("type") == "array":
        words.append(f"of {type_name(schema['items'])}")
    for key, word in (
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minItems", "items at least"),
        ("maxItems", "items at most"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
    ):
        if key in schema:
            words.append(f"{word} {schema[key]}")
    if "pattern" in schema:
        pattern = schema["pattern"].replace("(?!\\n)", "").replace("|", "\\|")
        words.append(f"`{pattern}`")
    return ", ".join(words).replace("array, of", "array of")


def names(codes: tuple[int, ...]) -> str:
    """Errors by their names."""
    return ", ".join(ERRORS[code][0] for code in codes)


def section(method: Method[Any, Any], document: dict[str, Any], number: int) -> str:
    """One method."""
    lines = [f"### {method.name}", ""]
    lines.append(described(method).replace("Needs a token.", "**token**"))
    if document["params"]:
        lines += ["", "| parameter | needed | what |", "|---|---|---|"]
        for part in document["params"]:
            needed = "yes" if part["required"] else "no"
            lines.append(f"| {part['name']} | {needed} | {type_name(part['schema'])} |")
    answers = f"Answers {type_name(document['result']['schema'])}"
    if method.raises:
        answers += f", or {names(method.raises)}"
    lines += ["", answers + ".", "", "```json"]
    example = method.example
    request: dict[str, Any] = {"jsonrpc": "2.0", "method": method.name}
    if example.params:
        request["params"] = shortened(example.params)
    request["id"] = number
    result = shortened(msgspec.to_builtins(example.reply))
    lines.append(json.dumps(request))
    lines.append(json.dumps({"jsonrpc": "2.0", "result": result, "id": number}, indent=1))
    return "\n".join([*lines, "```", ""])


def page() -> str:
    """The whole page."""
    documents = {method["name"]: method for method in openrpc_document(METHODS)["methods"]}
    errors = [f"| {code} | {name} | {meaning} |\n" for code, (name, meaning) in ERRORS.items()]
    sections = [
        section(method, documents[name], number)
        for number, (name, method) in enumerate(METHODS.items(), 1)
    ]
    statuses = STATUSES.format(common=names(COMMON_ERRORS))
    return HEAD + "".join(errors) + statuses + "\n" + "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
