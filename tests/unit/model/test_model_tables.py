from __future__ import annotations

import math
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np
import pytest

from esper.model.g16_format import read_integer_model
from esper.model.tables import exp_table, rope_tables, rsqrt_table, silu_table


def test_tables_equal_the_published_ones(golden_model: Path) -> None:
    tensors = read_integer_model(golden_model).tensors
    cos, sin = rope_tables(10000.0, 8, 512)
    assert np.array_equal(cos, tensors["rope_cos"])
    assert np.array_equal(sin, tensors["rope_sin"])
    assert np.array_equal(exp_table(), tensors["exp_table"])
    assert np.array_equal(rsqrt_table(), tensors["rsqrt_table"])


def test_tables_follow_their_formulas() -> None:
    getcontext().prec = 50
    exp, rsqrt = exp_table(), rsqrt_table()
    for i in (0, 1, 2, 100, 1023, 2048, 2661, 2662, 4095):
        exact = 32767 * (Decimal(-i) / 256).exp()
        assert abs(Decimal(int(exp[i])) - exact) <= Decimal("0.5")
    for i in range(1024, 4096):
        exact = 2**17 / (Decimal(i) + Decimal("0.5")).sqrt()
        assert abs(Decimal(int(rsqrt[i])) - exact) <= Decimal("0.5")
    assert not rsqrt[:1024].any()
    assert rsqrt.max() <= 4095
    assert exp[0] == 32767
    assert exp[-1] == 0


@pytest.mark.parametrize(("theta", "head_dim"), [(10000.0, 64), (500000.0, 6), (1.0, 2)])
def test_rotary_tables_follow_the_formula(theta: float, head_dim: int) -> None:
    cos, sin = rope_tables(theta, head_dim, 300)
    assert cos.shape == sin.shape == (300, head_dim // 2)
    for position in (0, 1, 17, 299):
        for pair in range(head_dim // 2):
            angle = position * theta ** (-2 * pair / head_dim)
            assert abs(cos[position, pair] - 65536 * math.cos(angle)) <= 0.5 + 1e-6
            assert abs(sin[position, pair] - 65536 * math.sin(angle)) <= 0.5 + 1e-6


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("reach", [0.01, 4.0, 30.0, 2000.0])
def test_silu_follows_the_formula(bits: int, reach: float) -> None:
    top = 2 ** (bits - 1) - 1
    scale = reach / top
    table = silu_table(scale, bits).astype(np.float64)
    g = np.arange(-top, top + 1)
    half = np.tanh(g * scale / 2) / 2
    exact = g * (32767 / top) * (0.5 + half)
    assert np.abs(table[1:] - exact).max() <= 0.5 + 1e-6
    assert table[0] == table[1]
    assert len(table) == 2**bits
