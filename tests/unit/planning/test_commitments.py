"""Sizes of commitments beside the schedules that the protocol's vectors hold."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from esper.planning.commitments import MAX_VARS, MIN_VARS, Committed, committed

VECTORS = Path(__file__).parents[2] / "vectors" / "commitment.json"
SCHEDULES: list[list[str]] = json.loads(VECTORS.read_text())["schedules"]
STEP = re.compile(r"2\^(\d+)/(\d+): queries (\d+)")
TWO_OPENINGS = 1
"""Place of the schedules for proofs of one part, which open two polynomials."""


@pytest.mark.parametrize("variables", range(MIN_VARS, MAX_VARS + 1))
def test_codewords_and_queries_are_the_protocols(variables: int) -> None:
    found = [(one.row_bits, one.queries) for one in committed(1 << variables).codewords()]
    steps = STEP.findall(SCHEDULES[variables - MIN_VARS][TWO_OPENINGS])
    assert found == [(int(bits) - int(fold), int(queries)) for bits, fold, queries in steps]


def test_more_parts_have_more_queries() -> None:
    queries = [
        sum(one.queries for one in committed(1 << 20, parts).codewords()) for parts in (1, 2, 4, 64)
    ]
    assert queries == sorted(set(queries))


def test_columns_without_cells_are_left_out() -> None:
    assert committed((1 << 19) + 1) == Committed(20, 17, 132)
    assert committed(1 << 20) == Committed(20, 32, 132)
    assert committed(1).variables == MIN_VARS


def test_all_sizes_grow_with_the_cells() -> None:
    sizes = [committed(1 << variables) for variables in range(MIN_VARS, MAX_VARS + 1)]
    for less, more in pairwise(sizes):
        assert less.cells < more.cells
        assert less.opening_bytes < more.opening_bytes
        words = [next(iter(one.codewords())) for one in (less, more)]
        for name in ("bytes", "tree_bytes", "butterflies"):
            assert getattr(words[0], name) <= getattr(words[1], name)
