"""Scaled rotary frequencies, and the tables made of them."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest

from esper.model.rotary import LinearScaling, Llama3Scaling, RopeScaling, scaled_frequency
from esper.model.tables import rope_tables
from tests.spec.llama_reference import rotary_frequencies

LLAMA_3_1 = Llama3Scaling(8.0, 1.0, 4.0, 8192)
"""The numbers that Llama 3.1 was published with, at a base of 500,000 and heads of 128."""


def _frequencies(scaling: RopeScaling | None, theta: float, width: int) -> list[float]:
    plain = (theta ** (-2 * pair / width) for pair in range(width // 2))
    return [float(scaled_frequency(Decimal(frequency), scaling)) for frequency in plain]


def test_fast_frequencies_stay_slow_ones_are_divided_and_none_jumps() -> None:
    plain = _frequencies(None, 5e5, 128)
    got = _frequencies(LLAMA_3_1, 5e5, 128)
    ratios = [before / after for before, after in zip(plain, got, strict=True)]
    lengths = [2 * math.pi / frequency for frequency in plain]
    for length, ratio in zip(lengths, ratios, strict=True):
        if length < 2048:
            assert ratio == 1
        elif length > 8192:
            assert ratio == 8
        else:
            assert 1 < ratio < 8
    assert ratios == sorted(ratios)
    # 64 ln(2048 / 2 pi) / ln 500,000 is 28.2, and 35.0 with 8192: pairs 0 to 28, and from 35.
    assert (ratios.count(1), ratios.count(8)) == (29, 29)


@pytest.mark.parametrize("theta", [1e4, 5e5, 1.0])
@pytest.mark.parametrize(
    "scaling",
    [LinearScaling(2.0), LinearScaling(3.7), LLAMA_3_1, Llama3Scaling(32.0, 0.5, 4.5, 64)],
)
def test_tables_hold_the_frequencies_of_the_oracle(theta: float, scaling: RopeScaling) -> None:
    fields = {"head_dim": 16, "rope_theta": theta, "rope_scaling": _described(scaling)}
    cos, sin = rope_tables(theta, 16, 300, scaling)
    for pair, frequency in enumerate(rotary_frequencies(fields)):
        for position in (0, 1, 17, 299):
            angle = position * frequency
            assert abs(cos[position, pair] - 65536 * math.cos(angle)) <= 0.5 + 1e-6
            assert abs(sin[position, pair] - 65536 * math.sin(angle)) <= 0.5 + 1e-6


def _described(scaling: RopeScaling) -> dict[str, object]:
    if isinstance(scaling, LinearScaling):
        return {"rope_type": "linear", "factor": scaling.factor}
    return {
        "rope_type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_freq_factor,
        "high_freq_factor": scaling.high_freq_factor,
        "original_max_position_embeddings": scaling.original_length,
    }


def test_the_border_of_a_blend_lies_where_pi_puts_it() -> None:
    """pi to 80 digits, by Machin's formula: a pair that turns exactly once is slow, at 4 fast."""
    with localcontext() as context:
        context.prec = 85

        def arctan_of_one_over(n: int) -> Decimal:
            total, power, k = Decimal(0), Decimal(1) / n, 1
            while power > Decimal(10) ** -84:
                total += power / k if k % 4 == 1 else -power / k
                power /= n * n
                k += 2
            return total

        pi = 4 * (4 * arctan_of_one_over(5) - arctan_of_one_over(239))
        for turns, divisor in ((1, 8), (4, 1)):
            frequency = 2 * pi * turns / 8192
            got = scaled_frequency(frequency, LLAMA_3_1)
            assert abs(got * divisor / frequency - 1) < Decimal(10) ** -76
