"""The lookup tables of the integer model, in integer fixed point: the same on every machine.

``math.exp`` and ``math.cos`` may differ in the last bit between C libraries; a table entry could
then round differently. Here every value carries 192 fraction bits and only the last step rounds.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt

from esper.model.rotary import RopeScaling, scaled_frequency

TABLE_ENTRIES = 4096
"""Entries of the tables of exponentials and of inverse square roots."""
EXP_TOP = 32767
"""First entry of the table of exponentials: the weight of the best key."""
_FRACTION = 192
_ONE = 1 << _FRACTION
_DIGITS = 80

Int16Table = npt.NDArray[np.int16]
Int32Table = npt.NDArray[np.int32]


def _round(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` to the nearest integer, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def _exp_of_minus(x: Decimal) -> int:
    """``exp(-x)`` in fixed point, for ``x >= 0``."""
    with localcontext() as context:
        context.prec = _DIGITS
        return int((-x).exp() * _ONE)


def exp_table() -> Int32Table:
    """``round(32767 * exp(-i/256))`` for i in 0..4095."""
    step = _exp_of_minus(Decimal(1) / 256)
    power = _ONE
    values = []
    for _ in range(TABLE_ENTRIES):
        values.append(_round(EXP_TOP * power, _ONE))
        power = power * step >> _FRACTION
    return np.array(values, dtype=np.int32)


def rsqrt_table() -> Int32Table:
    """``round(2^17 / sqrt(i + 1/2))`` for i in 1024..4095, and 0 below, where no index falls."""
    values = [0] * 1024
    for i in range(1024, TABLE_ENTRIES):
        # 2^17 / sqrt(i + 1/2) = sqrt(2^35 / (2 i + 1)); its double, rounded down, decides the
        # rounding.
        values.append((math.isqrt((1 << 37) // (2 * i + 1)) + 1) // 2)
    return np.array(values, dtype=np.int32)


def rope_tables(
    theta: float, head_dim: int, max_seq: int, scaling: RopeScaling | None = None
) -> tuple[Int32Table, Int32Table]:
    """``round(2^16 cos)`` and ``round(2^16 sin)`` of ``position * theta^(-2 pair / head_dim)``.

    Args:
        theta: base of the frequencies, at least 1.
        head_dim: width of a head.
        max_seq: number of positions.
        scaling: of the frequencies.

    Returns:
        Two tables of shape (max_seq, head_dim / 2).
    """
    pairs = head_dim // 2
    cos = np.zeros((max_seq, pairs), dtype=np.int32)
    sin = np.zeros((max_seq, pairs), dtype=np.int32)
    for pair in range(pairs):
        with localcontext() as context:
            context.prec = _DIGITS
            exponent = Decimal(theta).ln() * (-2 * pair) / head_dim
            angle = int(scaled_frequency(exponent.exp(), scaling) * _ONE)
        step_cos, step_sin = _cos_sin(angle)
        c, s = _ONE, 0
        for position in range(max_seq):
            cos[position, pair] = _round(c << 16, _ONE)
            sin[position, pair] = _round(s << 16, _ONE)
            c, s = (
                (c * step_cos - s * step_sin) >> _FRACTION,
                (c * step_sin + s * step_cos) >> _FRACTION,
            )
    return cos, sin


def _cos_sin(angle: int) -> tuple[int, int]:
    """Cosine and sine of a fixed-point angle in [0, 1] by their power series."""
    cos = sin = 0
    term, order = _ONE, 0
    while term:
        sign = -1 if order % 4 >= 2 else 1
        if order % 2:
            sin += sign * term
        else:
            cos += sign * term
        order += 1
        term = (term * angle >> _FRACTION) // order
    return cos, sin


def silu_table(gate_scale: float, gate_bits: int) -> Int16Table:
    """``g * logistic(g * gate_scale)`` for every gate value g, in 32767ths of the largest gate.

    Args:
        gate_scale: real value of one gate unit.
        gate_bits: width of the gate, 12 or 16.

    Returns:
        ``2^gate_bits`` entries, indexed by ``g + 2^(gate_bits - 1)``. Entry 0 repeats entry 1: no
        clamped gate reaches it, and the proof's table has one row for both.
    """
    top = (1 << (gate_bits - 1)) - 1
    values = [0] * (1 << gate_bits)
    middle = top + 1
    step = _exp_of_minus(Decimal(gate_scale))
    power = _ONE
    for g in range(top + 1):
        scaled = g * 32767
        values[middle + g] = _round(scaled * _ONE, top * (_ONE + power))
        values[middle - g] = -_round(scaled * power, top * (_ONE + power))
        power = power * step >> _FRACTION
    values[0] = values[1]
    return np.array(values, dtype=np.int16)
