"""Rounding float weights to int8 rows with an integer multiplier each, and gains to integers.

To the nearest, every step is an elementwise IEEE double operation followed by a rounding, so the
result does not depend on the machine, on threads or on the order of sums. With error feedback it
may, in single weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from esper.model.errors import ScaleOutOfRangeError
from esper.model.exporting.feedback_rounding import ErrorFeedback
from esper.model.g16_parameters import ACTIVATION_TOP
from esper.model.safetensors_file import AnyArray

WEIGHT_TOP = 127
"""Largest int8 weight."""
ROW_L1_TOP = (2**31 - 1) // ACTIVATION_TOP
"""Largest sum of a row's absolute weights with which an int32 accumulator cannot overflow."""
MULTIPLIER_TOP = 2**31 - 1
"""Largest multiplier of an output row."""


@dataclass(frozen=True, slots=True)
class IntegerLinear:
    """A linear layer in integers: ``A[o] = multiplier[o] * sum_k weight[o, k] h[k]``."""

    weight: npt.NDArray[np.int8]
    """Shape (outputs, inputs), entries in -127..127."""
    multiplier: npt.NDArray[np.int32]
    """Shape (outputs,), entries at least 1."""
    shift: int
    """Rounding shift that follows the product."""


def round_linear(
    site: str,
    rows: AnyArray,
    shift: int,
    pairs: int | None = None,
    feedback: ErrorFeedback | None = None,
) -> IntegerLinear:
    """Round ``rows``, in output units per input unit, to integers.

    The multiplier is ``max(1, ceil(2^shift * max|row| / 127))``; weights are rounded against it, so
    it adds no error. A row whose absolute weights would sum past :data:`ROW_L1_TOP` gets a larger
    multiplier.

    Args:
        site: named in errors.
        rows: shape (outputs, inputs), float64.
        shift: bits by which the product is shifted afterwards.
        pairs: head_dim, where rows i and i + head_dim/2 of each head turn together and need equal
            multipliers.
        feedback: how errors are made good among the inputs; without it each weight goes to the
            nearest integer.

    Raises:
        ScaleOutOfRangeError: a multiplier would not fit in 32 bits.
    """
    scaled = np.ldexp(np.asarray(rows, dtype=np.float64), shift)
    wanted = np.maximum(1.0, np.ceil(np.abs(scaled).max(axis=1) / WEIGHT_TOP))
    wanted = _equal_in_pairs(wanted, pairs)
    while True:
        if wanted.max() > MULTIPLIER_TOP:
            raise ScaleOutOfRangeError(
                site, "a row multiplier", int(wanted.max()), f"at most {MULTIPLIER_TOP}"
            )
        grid = scaled / wanted[:, None]
        weight = np.rint(grid).astype(np.int8) if feedback is None else feedback.rounded(grid)
        sums = np.abs(weight).sum(axis=1, dtype=np.int64)
        if sums.max() <= ROW_L1_TOP:
            return IntegerLinear(weight, wanted.astype(np.int32), shift)
        wider = np.where(sums > ROW_L1_TOP, np.ceil(wanted * (sums / ROW_L1_TOP)) + 1, wanted)
        wanted = _equal_in_pairs(wider, pairs)


def _equal_in_pairs(
    multiplier: npt.NDArray[np.float64], pairs: int | None
) -> npt.NDArray[np.float64]:
    if pairs is None:
        return multiplier
    heads = multiplier.reshape(-1, 2, pairs // 2)
    return np.broadcast_to(heads.max(axis=1, keepdims=True), heads.shape).reshape(-1)


def smallest_multiplier(linear: IntegerLinear) -> int:
    """Smallest multiplier among the rows that hold any weight; 0 where all rows are zero."""
    used = linear.weight.any(axis=1)
    return int(linear.multiplier[used].min()) if used.any() else 0


@dataclass(frozen=True, slots=True)
class IntegerGain:
    """The gain of a norm in integers, with the shift that follows ``x * R * gain``."""

    gain: npt.NDArray[np.int32]
    """Shape (dim,)."""
    shift: int
    """Rounding shift."""


def round_gain(
    site: str,
    gain: AnyArray,
    unit_exponent: int,
    *,
    largest: int,
    lowest_shift: int = 1,
    highest_shift: int = 40,
) -> IntegerGain:
    """Round ``gain * 2^(shift - unit_exponent)`` with the largest shift that keeps ``largest``.

    Args:
        site: named in errors.
        gain: shape (dim,), in units of the normed activation.
        unit_exponent: log2 of ``x * R`` where the normed activation is one.
        largest: largest admitted absolute entry.
        lowest_shift: smallest shift tried.
        highest_shift: largest shift tried.

    Raises:
        ScaleOutOfRangeError: no shift from ``lowest_shift`` to ``highest_shift`` serves.
    """
    values = np.asarray(gain, dtype=np.float64)
    for shift in range(highest_shift, lowest_shift - 1, -1):
        rounded = np.rint(np.ldexp(values, shift - unit_exponent))
        if np.abs(rounded).max() <= largest:
            return IntegerGain(rounded.astype(np.int32), shift)
    top = int(np.abs(np.rint(np.ldexp(values, lowest_shift - unit_exponent))).max())
    raise ScaleOutOfRangeError(site, "a gain", top, f"at most {largest}")
