from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from esper.model.errors import ModelError
from esper.model.exporting.quantize import ROW_L1_TOP, round_gain, round_linear
from esper.model.safetensors_file import AnyArray, read_container, write_container
from tests.spec.g16_numpy import rounding_shift, saturate

ROWS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12).map(lambda s: (4 * s[0], s[1])),
    elements=st.floats(-1000, 1000, allow_subnormal=False),
)


@given(ROWS, st.sampled_from([16, 24]), st.sampled_from([None, 2, 4]))
def test_rounded_rows_stay_within_half_a_multiplier(
    rows: AnyArray, shift: int, pairs: int | None
) -> None:
    linear = round_linear("site", rows, shift, pairs)
    multiplier = linear.multiplier.astype(np.int64)
    assert multiplier.min() >= 1
    assert np.abs(linear.weight.astype(int)).max() <= 127
    for row, weights, m in zip(
        rows.tolist(), linear.weight.tolist(), multiplier.tolist(), strict=True
    ):
        assert sum(map(abs, weights)) <= ROW_L1_TOP
        for value, weight in zip(row, weights, strict=True):
            error = abs(Fraction(value) * 2**shift - weight * m)
            # Half a unit, and the last bit of the double division.
            assert error <= Fraction(m, 2) * (1 + Fraction(1, 2**40))
    if pairs is None:
        largest = [max(abs(Fraction(value)) for value in row) * 2**shift for row in rows.tolist()]
        exact = [max(1, -(-value.numerator // (127 * value.denominator))) for value in largest]
        assert all(0 <= m - e <= 1 for m, e in zip(multiplier.tolist(), exact, strict=True))
    else:
        heads = multiplier.reshape(-1, 2, pairs // 2)
        assert np.array_equal(heads[:, 0], heads[:, 1])


@given(st.integers(600, 900), st.floats(0.5, 4))
def test_long_rows_keep_int32_accumulators(inputs: int, size: float) -> None:
    rows = np.full((2, inputs), size)
    rows[1] = 0
    linear = round_linear("site", rows, 16)
    sums = np.abs(linear.weight.astype(np.int64)).sum(axis=1)
    assert sums[0] * 32767 < 2**31
    assert linear.multiplier[0] <= 1.02 * size * 2**16 / 127 * max(1, inputs * 127 / ROW_L1_TOP) + 2
    assert linear.multiplier[1] == 1


@given(
    hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-50, 50, allow_subnormal=False)),
    st.integers(20, 45),
    st.sampled_from([4095, 2**17 - 1]),
)
def test_gains_use_the_largest_shift_that_fits(gain: AnyArray, unit: int, largest: int) -> None:
    try:
        rounded = round_gain("site", gain, unit, largest=largest)
    except ModelError:
        assert np.abs(gain).max() * 2.0 ** (1 - unit) > largest
        return
    error = np.abs(np.ldexp(gain, rounded.shift - unit) - rounded.gain)
    assert error.max() <= 0.5
    assert np.abs(rounded.gain).max() <= largest
    if rounded.shift < 40:
        assert np.abs(np.rint(np.ldexp(gain, rounded.shift + 1 - unit))).max() > largest


@given(st.integers(-(2**60), 2**60), st.integers(0, 46), st.integers(12, 26))
def test_rounding_shift_is_the_nearest_integer(x: int, shift: int, bits: int) -> None:
    got = int(rounding_shift(np.array([x], dtype=np.int64), shift)[0])
    assert Fraction(-1, 2) < got - Fraction(x, 2**shift) <= Fraction(1, 2)
    clamped = int(saturate(np.array([got], dtype=np.int64), bits, "site", None)[0])
    top = 2 ** (bits - 1) - 1
    assert clamped == max(-top, min(top, got))


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(content)
        try:
            read_container(path)
        except ModelError:
            return
        assert len(content) >= 10


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=6).filter(lambda name: name != "__metadata__"),
        st.one_of(
            hnp.arrays(np.int8, hnp.array_shapes(max_dims=3, max_side=3)),
            hnp.arrays(np.int16, hnp.array_shapes(max_dims=3, max_side=3)),
            hnp.arrays(np.int32, hnp.array_shapes(max_dims=3, max_side=3)),
        ),
        max_size=4,
    )
)
def test_containers_return_what_they_were_given(tensors: dict[str, AnyArray]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        write_container(path, {"k": "v"}, tensors)
        metadata, returned = read_container(path)
    assert metadata == {"k": "v"}
    assert set(returned) == set(tensors)
    for name, tensor in tensors.items():
        assert returned[name].dtype == tensor.dtype
        assert np.array_equal(returned[name], tensor)
