"""Plans beside proofs that were made: the same comparison as in bench/RESULTS.md."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.plan_check import FITTED, PICTURE, Compared, machine_lines, plan_tables, read_measured

FOUND = read_measured()
NAMES = [f"{one.made['model']}-{one.made['rows']}-{one.made['parts']}" for one in FOUND]
RESULTS = Path(__file__).parents[3] / "bench" / "RESULTS.md"


@pytest.mark.parametrize("one", FOUND, ids=NAMES)
def test_seconds_memory_and_bytes_are_foretold_within_a_quarter(one: Compared) -> None:
    for what in ("first", "further", "memory", "bytes"):
        ratio = one.ratio(what)
        assert ratio is None or 0.75 <= ratio <= 1.25, what


@pytest.mark.parametrize("one", FOUND, ids=NAMES)
def test_verification_is_a_little_worse(one: Compared) -> None:
    ratio = one.ratio("verify")
    assert ratio is not None
    assert 0.7 <= ratio <= 1.25


def test_five_models_were_measured_three_of_which_nothing_was_fitted_to() -> None:
    models = {one.made["model"] for one in FOUND}
    assert models - FITTED == {"110m", "135m", "360m"}
    assert models & FITTED == FITTED
    assert sum(one.made["warm_user_s"] is not None for one in FOUND) == 9


def test_the_section_of_the_results_is_the_one_that_is_made(tmp_path: Path) -> None:
    picture = tmp_path / PICTURE
    lines = plan_tables(picture)
    assert "\n".join(lines) in RESULTS.read_text(encoding="utf-8"), "run `make bench`"
    assert picture.read_text() == (RESULTS.parent / PICTURE).read_text()
    ElementTree.parse(picture)


def test_a_machine_twice_as_fast_is_said_to_be() -> None:
    (line,) = machine_lines(FOUND)
    faster = [Compared(one.made | {"user_s": one.made["user_s"] / 2}, one.plan) for one in FOUND]
    (twice,) = machine_lines(faster)

    def speed(text: str) -> float:
        return float(text.split(",")[0].split(":")[1])

    assert speed(line) == pytest.approx(1, abs=0.1)
    assert speed(twice) == pytest.approx(2 * speed(line), abs=0.02)
