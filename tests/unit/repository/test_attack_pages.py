"""The pages `docs/attack-reading*.md` name tests that exist, and the DAO's one for each attack."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((ROOT / "docs").glob("attack-reading*.md"))
DAO_PAGE = ROOT / "docs" / "attack-reading-dao.md"
NAMED = re.compile(r"`(\w+):(test_\w+)`")
"""Words of a file's name, and a test in it."""

NOT_PREVENTED = "bribes"
ATTACKS = (
    "proposal spam",
    "coins unstaked, moved",
    "delegated twice",
    "thin electorate",
    "the quorum falls",
    "swing in the last block",
    NOT_PREVENTED,
    "a vote for another network",
    "a proof of readiness of another sender",
    "nodes that executed a branch",
    "a long light branch",
    "a reorganisation over every step",
    "jitter chosen",
    "faked readiness",
    "miners' boycott",
    "a model too large to be a block",
    "no tier left",
    "a tier gone in a trial",
    "hang in `minimum_salt`",
    "tiny omega",
    "layers that do nothing",
    "mispriced tier",
    "heavy model held at Tmax",
    "a vote makes calls unprovable",
    "ratchet",
    "bounds that the weights exceed",
    "a model that is blind to its salt",
    "bank poisoned",
    "chunks withheld, or false",
    "a new tier for its proposer alone",
    "junk in the places of proofs",
)
"""How the row of each attack on the DAO begins that its plan names."""


@cache
def names_by_file() -> dict[str, list[set[str]]]:
    """Names of the functions in each file of tests, by the file's stem, which two may share."""
    found: dict[str, list[set[str]]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        names = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        found.setdefault(path.stem, []).append(names)
    return found


def is_there(words: str, test: str) -> bool:
    """Whether a file whose name has these words has the test."""
    stems = [stem for stem in names_by_file() if words in stem]
    return any(test in names for stem in stems for names in names_by_file()[stem])


def named(text: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in NAMED.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    missing = [one for one in named(page.read_text()) if not is_there(*one)]
    assert not missing


def test_each_attack_on_the_dao_has_a_test() -> None:
    lines = [line for line in DAO_PAGE.read_text().splitlines() if line.startswith("| ")]
    without = []
    for attack in ATTACKS:
        rows = [line for line in lines if line.startswith(f"| {attack}")]
        if len(rows) != 1 or bool(named(rows[0])) == (attack == NOT_PREVENTED):
            without.append(attack)
    assert not without


def test_a_name_that_is_nowhere_is_noticed() -> None:
    here = "test_a_name_that_is_nowhere_is_noticed"
    assert is_there("attack_pages", here)
    assert not is_there("attack_pages", here + "_at_all")
    assert not is_there("attack_pages", "test_salt_that_never_ends")
