"""Limits that a plan is held against are those of the proof's pages, and each is found."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from esper.model.config import Shape
from esper.planning.cells import Cells, Rows, Segment
from esper.planning.limits import LIMITS, LIMITS_OF_PARTS, MIN_ROWS, Sized, exceeded

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(r"^\| `([^`]+)` \| (\d+) \| (\d+)(?:\^(\d+))? \|", re.MULTILINE)
SMALL = Shape(512, 64, 172, 4, 8, 4, 8, 512)
ROWS = Rows(16, 1, 8)


def of_page(page: str) -> dict[str, tuple[int, int]]:
    """Least and greatest value by name."""
    found = ROW.findall((DOCS / page).read_text(encoding="utf-8"))
    return {name: (int(least), int(most) ** int(power or 1)) for name, least, most, power in found}


@pytest.mark.parametrize(("page", "limits"), [("proof.md", LIMITS), ("parts.md", LIMITS_OF_PARTS)])
def test_they_are_the_pages(page: str, limits: dict[str, int]) -> None:
    found = of_page(page)
    assert {name: found[name][1] for name in limits} == limits
    assert of_page("proof.md")["rows"][0] == MIN_ROWS


def test_nothing_is_found_where_all_is_small() -> None:
    assert exceeded(SMALL, [sized(), sized()], ROWS, 1000) == ()


def sized(
    *, layers: int = 2, model: int = 1000, witness: int = 1000, proof_bytes: int = 1000
) -> Sized:
    return Sized(Segment(0, layers, False, False), Cells(witness, witness, model), proof_bytes)


@pytest.mark.parametrize(
    ("limit", "shape"),
    [
        ("vocab", replace(SMALL, vocab=(1 << 18) + 1)),
        ("dim", replace(SMALL, dim=(1 << 14) + 1)),
        ("hidden", replace(SMALL, hidden=(1 << 16) + 1)),
        ("heads", replace(SMALL, heads=(1 << 8) + 1)),
        ("kv_heads", replace(SMALL, kv_heads=(1 << 8) + 1)),
        ("head_dim", replace(SMALL, head_dim=(1 << 9) + 1)),
        ("max_seq", replace(SMALL, max_seq=(1 << 16) + 1)),
    ],
)
def test_of_a_shape(limit: str, shape: Shape) -> None:
    (found,) = exceeded(shape, [sized()], ROWS, 1000)
    assert (found.limit, found.value, found.most) == (limit, LIMITS[limit] + 1, LIMITS[limit])
    assert found.part is None


@pytest.mark.parametrize(
    ("limit", "one", "value"),
    [
        ("layers", sized(layers=257), 257),
        ("layers times heads", sized(layers=513), 513 * 8),
        ("cells", sized(model=(1 << 30) + 1), (1 << 30) + 1),
        ("num_vars", sized(witness=(1 << 30) + 1), 31),
        ("bytes of a proof", sized(proof_bytes=(1 << 22) + 1), (1 << 22) + 1),
    ],
)
def test_of_a_segment_it_is_said_which(limit: str, one: Sized, value: int) -> None:
    found = {each.limit: each for each in exceeded(SMALL, [sized(), one], ROWS, 1000)}
    assert (found[limit].value, found[limit].part) == (value, 1)
    assert "of segment 2" in str(found[limit])
    assert found[limit].times > 1


def test_of_several_the_worst_is_said() -> None:
    large, larger = sized(model=(1 << 30) + 1), sized(model=1 << 31)
    for order in ([large, larger], [larger, large]):
        (found,) = exceeded(SMALL, order, ROWS, 1000)
        assert found.value == 1 << 31
        assert found.times == 2


@pytest.mark.parametrize(
    ("limit", "shape", "count", "rows", "all_bytes"),
    [
        ("parts", replace(SMALL, layers=65), 65, ROWS, 1000),
        ("layers of all parts", replace(SMALL, layers=1025), 2, ROWS, 1000),
        ("values of all residuals", replace(SMALL, dim=1 << 14), 2, Rows(1025, 1, 1), 1000),
        ("bytes of a proof in parts", SMALL, 2, ROWS, (1 << 26) + 1),
    ],
)
def test_of_all_segments_together(
    limit: str, shape: Shape, count: int, rows: Rows, all_bytes: int
) -> None:
    (found,) = exceeded(shape, [sized()] * count, rows, all_bytes)
    assert found.limit == limit
    assert found.value > found.most == LIMITS_OF_PARTS[limit]
    # Whole models have none of these.
    assert limit not in {one.limit for one in exceeded(shape, [sized()], rows, all_bytes)}


def test_as_many_values_as_are_allowed_are_taken() -> None:
    shape = replace(SMALL, dim=1 << 14)
    assert exceeded(shape, [sized()] * 2, Rows(1024, 1, 1), 1 << 26) == ()


def test_rows_of_all_sequences_count() -> None:
    (found,) = exceeded(SMALL, [sized()], Rows(1 << 14, 2, 1), 1000)
    assert (found.limit, found.value) == ("rows", 1 << 15)
