"""What a model takes on a device, and what is said where it does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from esper.model.config import Shape
from esper.model.g16_parameters import Parameters, read_parameters
from esper.model.torch_engine.errors import DeviceMemoryError
from esper.model.torch_engine.memory import LEAST_ROWS, estimate, rows_that_fit

GENESIS = Path(__file__).resolve().parents[4] / "genesis" / "model"
EIGHT_BILLION = Shape(
    vocab=128_256, dim=4096, hidden=14_336, layers=32, heads=32, kv_heads=8, head_dim=128,
    max_seq=8192,
)  # fmt: skip
GIB = 1 << 30


@pytest.fixture(scope="module")
def large() -> Parameters:
    small = read_parameters(GENESIS)
    return replace(small, shape=EIGHT_BILLION, layers=small.layers[:1] * 32)


def test_eight_billion_weights_take_what_they_weigh(large: Parameters) -> None:
    found = estimate(large, 512, 49, 16)
    assert 9 * GIB < found.weights < 11 * GIB
    assert found.total < 20 * GIB
    assert estimate(large, 64, 49, 16).total < found.total


def test_the_largest_batch_that_fits_is_taken(large: Parameters) -> None:
    needs = {rows: estimate(large, rows, 49, 16).total for rows in (512, 256, 32)}
    for rows, needed in needs.items():
        assert rows_that_fit(large, 49, 16, most=512, free=needed, device="cuda") == rows
    assert rows_that_fit(large, 49, 16, most=512, free=needs[512] - 1, device="cuda") == 256


def test_what_does_not_fit_is_refused_with_the_estimate(large: Parameters) -> None:
    free = estimate(large, LEAST_ROWS, 49, 16).total - 1
    with pytest.raises(DeviceMemoryError) as caught:
        rows_that_fit(large, 49, 16, most=512, free=free, device="cuda:1")
    assert str(caught.value).startswith("device cuda:1: the model takes about ")
    assert "GiB with its least batch of 32 rows" in str(caught.value)
    assert "--engine native" in str(caught.value)
