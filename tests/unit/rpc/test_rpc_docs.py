"""The interface as a document for programs and as a page for people, both from the table."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from esper.rpc import errors
from esper.rpc.method import COMMON_ERRORS
from esper.rpc.methods import METHODS
from esper.rpc.openrpc import openrpc_document
from esper.rpc.strict_json import MAX_BRACKETS, MAX_DEPTH, MAX_DIGITS

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
    document = openrpc_document(METHODS)
    assert [method["name"] for method in document["methods"]] == list(METHODS)
    components = document["components"]
    held = {f"{kind}/{name}" for kind, parts in components.items() for name in parts}
    assert references(document) <= held
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


def test_every_error_has_a_meaning() -> None:
    numbers = {name: value for name, value in vars(errors).items() if isinstance(value, int)}
    assert {name: code for code, (name, _) in errors.ERRORS.items()} == numbers


def test_every_parameter_is_described() -> None:
    for method in openrpc_document(METHODS)["methods"]:
        table = METHODS[method["name"]]
        assert tuple(part["name"] for part in method["params"]) == table.fields
        needed = {part["name"] for part in method["params"] if part["required"]}
        assert needed <= table.example.params.keys()


def test_document_and_page_say_what_a_row_says() -> None:
    page = (ROOT / "docs" / "rpc.md").read_text(encoding="utf-8")
    sections = dict(zip(METHODS, page.split("\n### ")[1:], strict=True))
    for method in openrpc_document(METHODS)["methods"]:
        name, row = method["name"], METHODS[method["name"]]
        text = sections[name].partition("```")[0]
        refused = {part["$ref"].rpartition("/")[2] for part in method["errors"]}
        assert refused == {errors.ERRORS[code][0] for code in row.errors}
        shown = {part for part, _ in errors.ERRORS.values() if part in text}
        assert shown == {errors.ERRORS[code][0] for code in row.raises}, name
        assert ("**token**" in text) == row.needs_token
        assert ("Needs a token." in method["description"]) == row.needs_token
        for told in (text, method["description"]):
            assert ("as long as blocks take" in told) == row.awaits_blocks


def test_errors_of_every_method_stand_before_the_first() -> None:
    page = (ROOT / "docs" / "rpc.md").read_text(encoding="utf-8")
    before = page.partition("## Methods\n")[2].partition("### ")[0]
    shown = {code for code, (name, _) in errors.ERRORS.items() if name in before}
    assert shown == set(COMMON_ERRORS)


def test_page_and_document_name_the_limits_of_json() -> None:
    page = (ROOT / "docs" / "rpc.md").read_text(encoding="utf-8")
    for told in (page, openrpc_document(METHODS)["info"]["description"]):
        sentence = re.search(
            r"at most (\d+)\s+characters, .* at most (\d+) levels deep, .* at most\s+(\d+) objects",
            told,
        )
        assert sentence is not None
        assert tuple(map(int, sentence.groups())) == (MAX_DIGITS, MAX_DEPTH, MAX_BRACKETS)
