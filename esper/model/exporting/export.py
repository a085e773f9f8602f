"""Exporting a float checkpoint as the integer model that nodes run.

From the weights and a saved calibration the result is the same on every machine, unless rounding
feeds errors back: scales come from the calibration's decimal strings through IEEE double
operations, tables from integer arithmetic, and no float sum decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from esper.model.bounds import (
    check,
    check_bounds,
    layer_bounds,
    linear_worst,
    norm_factor,
)
from esper.model.checkpoint import Checkpoint
from esper.model.errors import CalibrationMismatchError, InvalidFieldError
from esper.model.exporting.calibration import Calibration
from esper.model.exporting.feedback_rounding import ErrorFeedback
from esper.model.exporting.layer_export import LayerPlan, export_layer, headroom_scale, norm_gain
from esper.model.exporting.quantize import IntegerLinear, round_linear
from esper.model.exporting.residual_plan import ResidualPlan, plan_residual
from esper.model.exporting.second_moments import SecondMoments
from esper.model.g16_format import IntegerModel
from esper.model.g16_parameters import ACTIVATION_TOP, LayerParameters, Parameters
from esper.model.safetensors_file import AnyArray
from esper.model.tables import Int32Table, exp_table, rope_tables, rsqrt_table

_MASSIVE_RATIO = 4096
"""A layer whose largest gated value passes this many mean values gets a wide one."""
_LOGIT_BITS = 26
"""``2^26`` units of a logit are one nat, unless the bound on logits asks for fewer."""
_LOGIT_WORST = 1 << 46
_BLOCK_ROWS = 2048
"""Rows of the two large matrices that are in float64 at a time."""


class Rounding(StrEnum):
    """How weights become integers."""

    NEAREST = "nearest"
    """Each to the nearest: the same integers on every machine."""
    FEEDBACK = "feedback"
    """Column by column, each error made good in the columns that follow: closer on average. Single
    weights depend on the machine's float sums."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Choices left to whoever publishes a model."""

    gate_bits: int = 16
    """Width of the gate: 16, or 12 for tables of 4,096 entries a layer."""
    rounding: Rounding = Rounding.NEAREST
    """How weights become integers."""


def export_model(
    checkpoint: Checkpoint,
    calibration: Calibration,
    options: ExportOptions | None = None,
    moments: SecondMoments | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> IntegerModel:
    """Turn ``checkpoint`` into integers with the activation ranges of ``calibration``.

    Args:
        checkpoint: the float model.
        calibration: how large its activations get.
        options: choices left to the publisher.
        moments: how inputs go together, for rounding with error feedback; without them every
            weight goes to the nearest integer.
        progress: called with (layers done, layers in all).

    Raises:
        InvalidFieldError: an option is outside its values.
        CalibrationMismatchError: the calibration was taken on other weights.
        ScaleOutOfRangeError: a shift or width outside the format would be needed.
        BoundExceededError: some input could drive a value past its limit.
    """
    options = options or ExportOptions()
    if options.gate_bits not in (12, 16):
        raise InvalidFieldError("gate_bits", options.gate_bits, "12 or 16")
    fingerprint = checkpoint.fingerprint()
    if calibration.checkpoint != fingerprint:
        raise CalibrationMismatchError(calibration.checkpoint, fingerprint)
    config = checkpoint.config
    shape = config.shape
    residual = plan_of(checkpoint, calibration)
    cos, sin = rope_tables(config.rope_theta, shape.head_dim, shape.max_seq, config.rope_scaling)
    tensors: dict[str, AnyArray] = {
        "embed_tokens": _export_embedding(checkpoint, residual.frac_bits),
        "exp_table": exp_table(),
        "rsqrt_table": rsqrt_table(),
        "rope_cos": cos,
        "rope_sin": sin,
    }
    layers: list[LayerParameters] = []
    plan = LayerPlan(
        shape=shape,
        frac_bits=residual.frac_bits,
        emax=residual.emax,
        norm_factor=norm_factor(tensors["rsqrt_table"], residual.emax),
        gain_bits=17 if residual.wide else 12,
        gate_bits=options.gate_bits,
    )
    for index, (weights, sites) in enumerate(
        zip(checkpoint.layers, calibration.layers, strict=True)
    ):
        massive = sites["gated"].absmax > _MASSIVE_RATIO * sites["gated"].mean_abs
        o_bits, down_bits = residual.widths[index]
        feedback = None if moments is None else moments.of_layer(index)
        layer, own = export_layer(f"layer {index}", plan, weights, sites, massive, feedback)
        layers.append(replace(layer, o_bits=o_bits, down_bits=down_bits))
        tensors.update({f"layers.{index}.{name}": tensor for name, tensor in own.items()})
        # Here and not at the end: rounding the layers that follow may take an hour.
        check(layer_bounds(tensors, shape, index, layers[index], plan.norm_factor))
        if progress is not None:
            progress(index + 1, shape.layers)
    final_scale = headroom_scale(calibration.final["input"], ACTIVATION_TOP)
    final = norm_gain("final norm", plan, checkpoint.final_norm, final_scale)
    tensors["final_norm_gain"] = final.gain
    output = None if moments is None else moments.of_output()
    logit_bits = _export_lm_head(checkpoint, final_scale, tensors, output)
    parameters = Parameters(
        shape=shape,
        frac_bits=residual.frac_bits,
        emax=residual.emax,
        eps_term=residual.eps_term,
        final_norm_shift=final.shift,
        logit_bits=logit_bits,
        bos=config.bos,
        eos=config.eos,
        layers=tuple(layers),
    )
    model = IntegerModel(parameters, tensors)
    check_bounds(model)
    return model


def plan_of(checkpoint: Checkpoint, calibration: Calibration) -> ResidualPlan:
    """Units and widths of the residual stream; errors as of ``plan_residual``."""
    config = checkpoint.config
    largest = max(float(checkpoint.embed.max()), -float(checkpoint.embed.min()))
    return plan_residual(config.shape, config.norm_eps, largest, calibration.layers)


def _export_embedding(checkpoint: Checkpoint, frac_bits: int) -> Int32Table:
    """The embedding in units of the residual stream, block by block."""
    made = np.empty(checkpoint.embed.shape, dtype=np.int32)
    for start in range(0, len(made), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        made[block] = np.rint(np.ldexp(checkpoint.embed[block].astype(np.float64), frac_bits))
    return made


def _rounded_head(
    checkpoint: Checkpoint, input_scale: float, shift: int, feedback: ErrorFeedback | None
) -> IntegerLinear:
    """The output projection; rows do not depend on each other, and are taken block by block."""
    head = checkpoint.lm_head
    # Sums of error feedback could round otherwise in blocks.
    rows = _BLOCK_ROWS if feedback is None else len(head)
    blocks = [
        round_linear(
            "lm_head",
            head[start : start + rows].astype(np.float64) * input_scale,
            shift,
            feedback=feedback,
        )
        for start in range(0, len(head), rows)
    ]
    return IntegerLinear(
        np.concatenate([block.weight for block in blocks]),
        np.concatenate([block.multiplier for block in blocks]),
        shift,
    )


def _export_lm_head(
    checkpoint: Checkpoint,
    input_scale: float,
    tensors: dict[str, AnyArray],
    feedback: ErrorFeedback | None,
) -> int:
    """Add the output projection to ``tensors``; returns log2 of the units of a logit in one nat."""
    for logit_bits in range(_LOGIT_BITS, 15, -1):
        linear = _rounded_head(checkpoint, input_scale, logit_bits, feedback)
        if linear_worst(linear.weight, linear.multiplier, ACTIVATION_TOP) < _LOGIT_WORST:
            break
    tensors["lm_head.weight"] = linear.weight
    tensors["lm_head.multiplier"] = linear.multiplier
    return logit_bits
