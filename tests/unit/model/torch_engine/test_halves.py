"""int16 by int8 as int8 products: exact at the edges, and refused where int32 could wrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from esper.model.torch_engine.errors import ProductOverflowError
from esper.model.torch_engine.halves import (
    HEAVIEST_ROW,
    Linear,
    check_rows,
    in_int32,
    on_tensor_cores,
    parts_of,
    split,
)


@pytest.mark.parametrize(("bits", "parts"), [(16, 2), (18, 3), (20, 3), (22, 3), (24, 3)])
def test_parts_of_every_width(bits: int, parts: int) -> None:
    assert parts_of(bits) == parts
    top = (1 << (bits - 1)) - 1
    edges = [-top, -top + 1, -256, -255, -129, -128, -1, 0, 1, 127, 128, 255, 256, top - 1, top]
    values = torch.tensor(edges, dtype=torch.int16 if bits == 16 else torch.int32)
    found = split(values, parts)
    assert all(one.dtype == torch.int8 for one in found)
    total = torch.zeros(len(edges), dtype=torch.int64)
    for place, one in enumerate(found):
        lower = place > 0
        total = total * 256 + one.to(torch.int64) + (128 if lower else 0)
    assert total.tolist() == edges


@given(st.data())
@runs(max_examples=60)
def test_products_are_those_of_whole_integers(data: st.DataObject) -> None:
    outputs, inputs = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 70))
    bits = data.draw(st.sampled_from((16, 18, 24)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    top = (1 << (bits - 1)) - 1
    weight = random.integers(-127, 127, (outputs, inputs), np.int8, endpoint=True)
    multiplier = random.integers(1, 2**20, outputs, np.int32)
    values = random.integers(-top, top, (32, inputs), np.int32, endpoint=True)
    values[0], values[1] = top, -top
    weight[0] = data.draw(st.sampled_from((127, -127)))
    linear = Linear("w", weight, multiplier, bits, "cpu", in_int32)
    given_ = torch.from_numpy(values if bits > 16 else values.astype(np.int16))
    expected = (values.astype(np.int64) @ weight.T.astype(np.int64)) * multiplier
    assert np.array_equal(linear(given_).numpy(), expected)


def test_the_widest_format_stays_within_int32() -> None:
    """65,536 inputs is the most that the native loader admits."""
    weight = np.full((2, 1 << 16), 127, np.int8)
    weight[1] = -127
    values = torch.full((32, 1 << 16), 32767, dtype=torch.int16)
    values[1] = -32767
    linear = Linear("w", weight, np.ones(2, np.int32), 16, "cpu", in_int32)
    whole = 127 * 32767 << 16
    assert linear(values)[:2].tolist() == [[whole, -whole], [-whole, whole]]


def test_rows_that_could_wrap_are_refused() -> None:
    length = HEAVIEST_ROW // 127
    weight = np.full((3, length + 1), 127, np.int8)
    weight[:, -1] = HEAVIEST_ROW - 127 * length
    check_rows("w", weight)
    weight[2, -1] += 1
    with pytest.raises(ProductOverflowError, match=r"tensor 'w': the weights of row 2 add up to"):
        check_rows("w", weight)
    with pytest.raises(ProductOverflowError, match="--engine native"):
        Linear("w", weight, np.ones(3, np.int32), 16, "cpu", in_int32)


def test_tensor_cores_are_never_asked_of_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise AssertionError("torch._int_mm computes wrongly on processors")

    monkeypatch.setattr(torch, "_int_mm", wrong)
    one = torch.zeros((32, 16), dtype=torch.int8)
    with pytest.raises(ValueError, match="for CUDA alone"):
        on_tensor_cores(one, one)
    weight = np.ones((4, 4), np.int8)
    Linear("w", weight, np.ones(4, np.int32), 16, "cpu", in_int32)(
        torch.zeros((32, 4), dtype=torch.int16)
    )
