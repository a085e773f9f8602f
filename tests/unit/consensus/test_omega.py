"""omega of published shapes, by golden vectors and by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.dao.omega import computed_omega, omega_bounds
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.primitives.networks import MAINNET, PUZZLE

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "omega.json").read_text())
GENESIS = MAINNET.model
ONE = 1 << 16


def entry(**shape: int) -> ModelEntry:
    return replace(GENESIS, shape=ModelShape(**shape), special_ids=(0, 1, 2))


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_golden_vectors(case: dict[str, object]) -> None:
    assert computed_omega(PUZZLE, entry(**case["shape"]), PUZZLE, GENESIS) == case["omega"]  # type: ignore[arg-type]


def test_by_hand() -> None:
    # SmolLM2-135M: 64 rows and 16 heads a sequence, against genesis' 247,360 and 65,536.
    row = 30 * (576 * (2 * 576 + 2 * 192) + 3 * 576 * 1536 + 576 * 65)
    large = 64 * row + 16 * 49152 * 576
    small = 64 * 247_360 + 16 * 65_536
    smol = next(case for case in VECTORS if case["name"] == "SmolLM2-135M")
    assert smol["omega"] == large * ONE // small
    assert smol["omega"] / ONE == pytest.approx(433.6, abs=0.05)


def test_genesis_is_the_measure() -> None:
    assert computed_omega(PUZZLE, GENESIS, PUZZLE, GENESIS) == ONE
    # A ticket of half the sequences is half the work.
    assert computed_omega(replace(PUZZLE, sequences=1), GENESIS, PUZZLE, GENESIS) == ONE // 2


@given(st.integers(1, 1 << 64))
def test_bounds_are_a_quarter_away_at_most(computed: int) -> None:
    least, greatest = omega_bounds(computed)
    assert 4 * least >= 3 * computed > 4 * (least - 1)
    assert 4 * greatest <= 5 * computed < 4 * (greatest + 1)
