"""`docs/rules.md` names every rule, where it is checked and what tests it; held to that here."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import esper.primitives
from esper.primitives.errors.rule_violation import RuleViolation

ROOT = Path(__file__).resolve().parents[3]
ROW = re.compile(r"^\| [^|]+ \| `(?P<error>\w+)` \| (?P<code>[^|]+) \| (?P<tests>[^|]+) \|$")
PLACE = re.compile(r"`([\w/]+\.py):(\w+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """One rule of the page."""

    error: str
    code: frozenset[tuple[str, str]]
    tests: frozenset[tuple[str, str]]


def page() -> list[Row]:
    lines = (ROOT / "docs" / "rules.md").read_text().splitlines()
    matches = filter(None, map(ROW.match, lines))
    return [
        Row(m["error"], frozenset(PLACE.findall(m["code"])), frozenset(PLACE.findall(m["tests"])))
        for m in matches
    ]


ROWS = page()


def rules() -> set[str]:
    """Names of all rules: the violations that no other violation specialises."""
    for module in pkgutil.walk_packages(esper.primitives.__path__, "esper.primitives."):
        importlib.import_module(module.name)

    def leaves(kind: type[RuleViolation]) -> set[str]:
        below = [c for c in kind.__subclasses__() if c.__module__.startswith("esper.")]
        return {kind.__name__} if not below else set().union(*map(leaves, below))

    return leaves(RuleViolation)


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text())
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def raised(function: ast.FunctionDef) -> set[str]:
    calls = [n.exc for n in ast.walk(function) if isinstance(n, ast.Raise)]
    names = [ast.unparse(call.func) for call in calls if isinstance(call, ast.Call)]
    return {name.rpartition(".")[2] for name in names}


@cache
def places_by_rule() -> dict[str, set[tuple[str, str]]]:
    """Where the code raises each rule."""
    found: dict[str, set[tuple[str, str]]] = {}
    for path in sorted((ROOT / "esper").rglob("*.py")):
        file = path.relative_to(ROOT / "esper").as_posix()
        for name, function in functions(path).items():
            for error in raised(function):
                found.setdefault(error, set()).add((file, name))
    return found


def source_of_test(file: str, name: str) -> str:
    """The test with its decorators, and the module's constants that these name."""
    text = (ROOT / "tests" / file).read_text()
    tree = ast.parse(text)
    [test] = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    decorators = {n.id for d in test.decorator_list for n in ast.walk(d) if isinstance(n, ast.Name)}
    constants = [
        ast.unparse(n)
        for n in tree.body
        if isinstance(n, ast.Assign | ast.AnnAssign)
        and decorators & {t.id for t in ast.walk(n) if isinstance(t, ast.Name)}
    ]
    return "\n".join([ast.unparse(test), *constants])


def test_every_rule_has_one_row() -> None:
    names = [row.error for row in ROWS]
    assert sorted(names) == sorted(rules())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.error)
def test_the_row_says_where_it_is_checked(row: Row) -> None:
    assert row.code == places_by_rule()[row.error]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.error)
def test_the_row_names_tests_of_the_rule(row: Row) -> None:
    assert row.tests
    for file, name in row.tests:
        assert re.search(rf"\b{row.error}\b", source_of_test(file, name))
