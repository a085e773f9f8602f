"""Exporting one layer: scales of the activations, shifts and integers of the projections."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from esper.model.bounds import NORM_LIMIT, linear_worst, width_top
from esper.model.checkpoint import LayerWeights
from esper.model.config import Shape
from esper.model.errors import ScaleOutOfRangeError
from esper.model.exporting.calibration import Spread
from esper.model.exporting.feedback_rounding import ErrorFeedback
from esper.model.exporting.quantize import (
    IntegerGain,
    IntegerLinear,
    round_gain,
    round_linear,
    smallest_multiplier,
)
from esper.model.g16_parameters import ACTIVATION_TOP, LayerParameters
from esper.model.safetensors_file import AnyArray
from esper.model.tables import silu_table

_HEADROOM = 1.25
"""Room of a static scale over the largest value calibration saw."""
_SMALLEST_SCALE = 2.0**-40
"""Scale of a site where calibration saw nothing but zeros."""
_FALLBACK_LIMIT = 1 << 60
"""A bound past this makes the exporter take the smaller shift or width."""
_SMALL_MULTIPLIER = 8
"""Below this a multiplier's rounding up costs too much of the int8 range: take the larger shift."""
_WIDE_WIDTHS = (24, 22, 20, 18)


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """What all layers of a model share."""

    shape: Shape
    """Sizes."""
    frac_bits: int
    """Fraction bits of the residual stream."""
    emax: int
    """Largest exponent of a norm's sum of squares."""
    norm_factor: int
    """Largest ``abs(x) * R`` of a norm."""
    gain_bits: int
    """Bits of the largest gain, sign not counted."""
    gate_bits: int
    """Width of the gate."""


def headroom_scale(spread: Spread, top: int) -> float:
    """Real value of one integer unit; ``top`` units leave the headroom over calibration."""
    return max(_HEADROOM * spread.absmax / top, _SMALLEST_SCALE)


def norm_gain(site: str, plan: LayerPlan, gain: AnyArray, scale: float) -> IntegerGain:
    """Integer gain of a norm whose output has ``scale``.

    ``x * R`` is ``2^(12 + emax) / sqrt(dim)`` times the normed value: R is 2^(17 + emax - 5) /
    sqrt(V).
    """
    largest = min((1 << plan.gain_bits) - 1, NORM_LIMIT // plan.norm_factor)
    values = gain.astype(np.float64) * (math.sqrt(plan.shape.dim) / scale)
    return round_gain(site, values, 12 + plan.emax, largest=largest)


def export_layer(
    site: str,
    plan: LayerPlan,
    weights: LayerWeights,
    sites: Mapping[str, Spread],
    massive: bool,
    feedback: Mapping[str, ErrorFeedback] | None = None,
) -> tuple[LayerParameters, dict[str, AnyArray]]:
    """Integers of one layer.

    Args:
        site: ``"layer 3"``, named in errors.
        plan: what all layers share.
        weights: of this layer.
        sites: what calibration saw in this layer.
        massive: the gated values need more than 16 bits.
        feedback: how errors of rounding are made good, by projection; without it each weight goes
            to the nearest integer.

    Returns:
        The parameters, with the widths of the updates left at 26 for the caller to set, and the
        tensors by their names within the layer.

    Raises:
        ScaleOutOfRangeError: a shift outside the format would be needed.
    """
    input1 = headroom_scale(sites["attention_input"], ACTIVATION_TOP)
    input2 = headroom_scale(sites["feed_forward_input"], ACTIVATION_TOP)
    norm1 = norm_gain(f"{site} norm1", plan, weights.norm1, input1)
    norm2 = norm_gain(f"{site} norm2", plan, weights.norm2, input2)
    residual = 2.0**-plan.frac_bits
    query, key, score_shift = _score_scales(site, plan.shape.head_dim, sites)
    value = headroom_scale(sites["value"], ACTIVATION_TOP)
    gate = headroom_scale(sites["gate"], width_top(plan.gate_bits))

    def rows(name: str, input_scale: float, output_scale: float) -> npt.NDArray[np.float64]:
        return weights.linear[name].astype(np.float64) * (input_scale / output_scale)

    def rounded(name: str, values: npt.NDArray[np.float64], shift: int) -> IntegerLinear:
        pairs = plan.shape.head_dim if name in ("q_proj", "k_proj") else None
        own = None if feedback is None else feedback[name]
        return round_linear(f"{site} {name}", values, shift, pairs, own)

    def finer_where_small(
        name: str, values: npt.NDArray[np.float64], input_top: int = ACTIVATION_TOP
    ) -> IntegerLinear:
        return _finer_where_small(lambda shift: rounded(name, values, shift), input_top)

    linears = {
        "q_proj": rounded("q_proj", rows("q_proj", input1, query), 16),
        "k_proj": rounded("k_proj", rows("k_proj", input1, key), 16),
        "v_proj": finer_where_small("v_proj", rows("v_proj", input1, value)),
        "o_proj": finer_where_small("o_proj", rows("o_proj", value, residual)),
        "gate_proj": rounded("gate_proj", rows("gate_proj", input2, gate), 16),
    }
    # One unit of the silu table: its largest entry stands for the largest gate.
    activated = gate * width_top(plan.gate_bits) / 32767
    for z_bits in (*_WIDE_WIDTHS, 16) if massive else (16,):
        gated = headroom_scale(sites["gated"], width_top(z_bits))
        up = rounded("up_proj", rows("up_proj", input2, gated / activated), 32)
        if linear_worst(up.weight, up.multiplier, ACTIVATION_TOP) << 15 < _FALLBACK_LIMIT:
            break
    linears["up_proj"] = up
    down = rows("down_proj", gated, residual)
    linears["down_proj"] = finer_where_small("down_proj", down, width_top(z_bits))
    parameters = LayerParameters(
        norm1_shift=norm1.shift,
        norm2_shift=norm2.shift,
        score_shift=score_shift,
        linear_shift={name: linear.shift for name, linear in linears.items()},
        gate_bits=plan.gate_bits,
        z_bits=z_bits,
        o_bits=26,
        down_bits=26,
    )
    tensors: dict[str, AnyArray] = {
        "norm1_gain": norm1.gain,
        "norm2_gain": norm2.gain,
        "silu_table": silu_table(gate, plan.gate_bits),
    }
    for name, linear in linears.items():
        tensors[f"{name}.weight"] = linear.weight
        tensors[f"{name}.multiplier"] = linear.multiplier
    return parameters, tensors


def _score_scales(
    site: str, head_dim: int, sites: Mapping[str, Spread]
) -> tuple[float, float, int]:
    """Scales of query and key, enlarged until ``2^(8 + score_shift)`` units of q·k are one nat."""
    query = headroom_scale(sites["query"], ACTIVATION_TOP)
    key = headroom_scale(sites["key"], ACTIVATION_TOP)
    root = math.sqrt(head_dim)
    for shift in range(16, 0, -1):
        exact = root * 2.0 ** -(8 + shift)
        if query * key <= exact:
            return exact / key, key, shift
    raise ScaleOutOfRangeError(
        site, "score_shift", 0, "1 to 16; the attention scores are too large"
    )


def _finer_where_small(rounded: Callable[[int], IntegerLinear], input_top: int) -> IntegerLinear:
    """Shift 16, or 32 where some multiplier would be small and the bound leaves the room."""
    linear = rounded(16)
    if smallest_multiplier(linear) >= _SMALL_MULTIPLIER:
        return linear
    try:
        finer = rounded(32)
    except ScaleOutOfRangeError:
        return linear
    if linear_worst(finer.weight, finer.multiplier, input_top) >= _FALLBACK_LIMIT:
        return linear
    return finer
