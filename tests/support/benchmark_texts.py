"""Texts of benchmarks, as files of lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from esper.model.benchmarks.forms import BenchmarkText
from esper.model.benchmarks.text import parse_text

COMMON: Final[dict[str, Any]] = {
    "benchmark": 1,
    "name": "letters",
    "source": "made for a test",
    "licence": "CC0-1.0",
    "prompt": "{question}",
}
CHOICE: Final = COMMON | {"form": "choice"}
EXACT: Final = COMMON | {"form": "exact", "limit": 6} | {"ends": [".", "\n"]}
JUDGED: Final = COMMON | {
    "form": "judged",
    "limit": 6,
    "joints": ["question ", " first ", " second ", " better "],
    "labels": ["x", "y"],
}
HEADS: Final = {"choice": CHOICE, "exact": EXACT, "judged": JUDGED}
ITEMS: Final[dict[str, dict[str, Any]]] = {
    "choice": {"question": "the quick", "choices": ["b", "f", "o"], "answer": 0},
    "exact": {"question": "jumps over", "answer": "dog"},
    "judged": {"question": "the lazy", "reference": "dog"},
}


def lines_of(head: object, *items: object) -> bytes:
    """A file: JSON values, one to a line."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in (head, *items))


def text_of(head: dict[str, Any], items: Sequence[dict[str, Any]]) -> BenchmarkText:
    """A text that was read."""
    return parse_text(lines_of(head, *items))
