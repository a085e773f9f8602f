"""`docs/protocol/` has a row for each file of golden vectors, `docs/http.md` has true paths."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors"
ROW = re.compile(r"^\| `([\w./]+)` \|", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def test_every_file_of_vectors_has_a_row() -> None:
    text = (ROOT / "docs" / "protocol" / "vectors.md").read_text()
    named = set(ROW.findall(text))
    there = {file.name for file in VECTORS.glob("*.json")} | {
        "stories_260k.txt",
        "proofs/",
        "proofs/parts/",
    }
    assert named == there


def test_parts_of_the_protocol_name_vectors_that_exist() -> None:
    text = (ROOT / "docs" / "protocol" / "index.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in CODE.findall(row.rsplit("|", 2)[1])}
    assert named
    for name in named:
        file = VECTORS / name
        assert file.is_dir() or file.with_suffix(".json").is_file(), name


def test_paths_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "http.md").read_text()
    rows = [row for row in text.splitlines() if re.match(r"\| `/", row)]
    assert len(rows) > 10
    for row in rows:
        cells = row.split(" | ")
        [file] = [one for one in CODE.findall(cells[-1]) if one.endswith(".py")]
        source = (ROOT / file).read_text()
        for path in CODE.findall(cells[0]):
            assert f'"{path}"' in source, f"{path} in {file}"
