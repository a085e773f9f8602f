"""`docs/gateway.md` has the tables as they are built."""

from __future__ import annotations

from pathlib import Path

import pytest

from esper.gateway.refusals import KINDS, Retry
from esper.gateway.requests import fields
from esper.gateway.requests.fields import Row

PAGE = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
ADVICE = {
    Retry.SAME: "",
    Retry.LATER: "retry-after, retry-after-ms",
    Retry.NEVER: "x-should-retry: false",
}


def table(rows: tuple[Row, ...]) -> str:
    lines = [f"| {', '.join(f'`{name}`' for name in row.fields)} | {row.says} |" for row in rows]
    return "\n".join(("| field | what passes |", "|---|---|", *lines))


def codes() -> str:
    lines = [
        f"| {kind.status} | `{code}` | {kind.type} | {ADVICE[kind.retry]} |"
        for code, kind in KINDS.items()
    ]
    return "\n".join(("| status | code | type | headers |", "|---|---|---|---|", *lines))


@pytest.mark.parametrize(
    "name",
    [
        "SHARED",
        "CHAT",
        "COMPLETIONS",
        "RESPONSES",
        "OLLAMA",
        "OLLAMA_CHAT",
        "OLLAMA_GENERATE",
        "OPTIONS",
    ],
)
def test_the_tables_of_fields(name: str) -> None:
    assert table(getattr(fields, name)) in PAGE


def test_the_table_of_refusals() -> None:
    assert codes() in PAGE
