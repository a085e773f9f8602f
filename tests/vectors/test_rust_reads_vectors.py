"""No golden vector is read by Python alone: each file is named in the Rust sources too."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VECTORS = sorted(file.name for file in (ROOT / "tests" / "vectors").glob("*.json"))
NAMED = re.compile(r'"(?:[^"\n]*/)?(\w+\.json)"')
"""A string literal that is, or as a path ends with, the name of a JSON file."""


def names_read(source: str) -> set[str]:
    """JSON files that Rust source names in its code; comment lines count for nothing."""
    lines = (line for line in source.splitlines() if not line.lstrip().startswith("//"))
    return {name for line in lines for name in NAMED.findall(line)}


@pytest.fixture(scope="module")
def read_in_rust() -> set[str]:
    """Crates hold tests in `tests`, and beside the code in `src`."""
    workspace = ROOT / "native" / "stark_verifier"
    sources = [*workspace.glob("*/tests/**/*.rs"), *workspace.glob("*/src/**/*.rs")]
    return {name for file in sources for name in names_read(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_file_is_read_in_rust(name: str, read_in_rust: set[str]) -> None:
    assert name in read_in_rust, f"write a Rust test of {name}, see native/stark_verifier"


def test_there_are_vectors() -> None:
    assert "hashing.json" in VECTORS


def test_a_name_in_a_comment_reads_nothing() -> None:
    read = 'let a = vectors("one.json"); // beside it\nlet b = include_str!("../x/two.json");'
    assert names_read(read) == {"one.json", "two.json"}
    assert names_read('/// See "three.json".\n    // vectors("four.json")') == set()
