"""The benchmarks that come with the program: written for it, in the public domain (CC0)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

OWN: Final = ("own-choice", "own-exact", "own-judged")
"""Words that stand for them where a command takes the file of a benchmark."""
FOLDER: Final = Path(__file__).resolve().parent / "own_texts"


def benchmark_file(text: str) -> Path:
    """The file that someone named; a bare word of ours is ours unless there is such a file."""
    named = Path(text)
    return FOLDER / f"{text}.jsonl" if text in OWN and not named.is_file() else named
