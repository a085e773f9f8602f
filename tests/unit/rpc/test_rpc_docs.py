"""The interface as a document for programs and as a page for people, both from the table."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from esper.rpc import errors
from esper.rpc.examples import EXAMPLES
from esper.rpc.methods import METHODS
from esper.rpc.openrpc import ERRORS, openrpc_document

ROOT = Path(__file__).resolve().parents[3]


def writer() -> Any:
    spec = importlib.util.spec_from_file_location(
        "write_rpc_docs", ROOT / "scripts" / "write_rpc_docs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_makes() -> None:
    written = (ROOT / "docs" / "rpc.md").read_text(encoding="utf-8")
    assert written == writer().page(), "run python scripts/write_rpc_docs.py"
    assert [line for line in written.splitlines() if line.startswith("### ")] == [
        f"### {name}" for name in METHODS
    ]


def references(value: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "#/components/(\w+/\w+)"', json.dumps(value)))


def test_the_document_holds_all_that_it_refers_to() -> None:
    document = openrpc_document()
    assert [method["name"] for method in document["methods"]] == list(METHODS)
    components = document["components"]
    held = {f"{kind}/{name}" for kind, parts in components.items() for name in parts}
    assert references(document) <= held
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


def test_every_error_has_a_meaning() -> None:
    numbers = {name: value for name, value in vars(errors).items() if isinstance(value, int)}
    assert {name: code for name, (code, _) in ERRORS.items()} == numbers


def test_every_parameter_is_described() -> None:
    for method in openrpc_document()["methods"]:
        table = METHODS[method["name"]]
        assert tuple(part["name"] for part in method["params"]) == table.fields
        needed = {part["name"] for part in method["params"] if part["required"]}
        assert needed <= EXAMPLES[method["name"]].params.keys()
        steers = {"$ref": "#/components/errors/UNAUTHORIZED"} in method["errors"]
        assert steers == table.needs_token
