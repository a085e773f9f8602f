"""Worst cases over all inputs, computed from a model's integers, and the limits they must keep.

Past a limit a value could wrap in int64 or in the 64-bit field of the proof, or a prompt could
exist that nobody can prove. The native loader refuses such a model; the exporter refuses to write
one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from esper.model.config import Shape
from esper.model.errors import BoundExceededError
from esper.model.g16_format import IntegerModel
from esper.model.g16_parameters import ACTIVATION_TOP, LayerParameters
from esper.model.safetensors_file import AnyArray

LIMIT = 1 << 62
"""General limit of intermediates."""
NORM_LIMIT = (1 << 60) - 1
"""Limit of x * R * gain: the remainders of the norm's relations need the room."""
LOGIT_LIMIT = (1 << 46) - 1
"""Limit of a logit: the slack to the top logits is cut into three limbs."""
EMAX_TOP = 30
"""Largest exponent of a norm that the format has."""
_FIELD = 2**64 - 2**32 + 1
_CLAMP_QUOTIENT_LIMIT = 2**15 - 1
_HALF_UNIT_LIMIT = 2**32 - 1 + 8191


@dataclass(frozen=True, slots=True)
class Bound:
    """One worst case and its limit."""

    site: str
    """``"model"`` or ``"layer 3"``."""
    name: str
    """What is bounded."""
    value: int
    """Worst case of the absolute value."""
    limit: int
    """Largest admitted value."""


def width_top(bits: int) -> int:
    """Largest value of a clamp to ``bits`` bits."""
    return (1 << (bits - 1)) - 1


def linear_worst(weight: AnyArray, multiplier: AnyArray, input_top: int) -> int:
    """Largest absolute product of a linear layer: ``max_o m(o) * L1(W_o) * input_top``."""
    rows = np.abs(weight.astype(np.int16)).sum(axis=1, dtype=np.int64)
    return max(int(m) * int(l1) for m, l1 in zip(multiplier, rows, strict=True)) * input_top


def norm_factor(rsqrt: AnyArray, emax: int) -> int:
    """Largest ``abs(x) * R`` of a norm.

    With V < (idx + 1) 2^(2e - 10), abs(x) R is below sqrt(idx + 1) rsqrt[idx] 2^(emax - 5).
    """
    squares = ((index + 1) * int(rsqrt[index]) ** 2 for index in range(1024, len(rsqrt)))
    return max(math.isqrt(square - 1) + 1 if square else 0 for square in squares) << (emax - 5)


def norm_exponent(dim: int, residual_top: int, eps_term: int) -> int:
    """Return the exponent, in powers of four, of a norm's largest sum of squares."""
    return ((dim * residual_top**2 + eps_term).bit_length() - 1) >> 1


def first_exceeded(bounds: Iterable[Bound]) -> Bound | None:
    """The first worst case past its limit."""
    return next((bound for bound in bounds if bound.value > bound.limit), None)


def residual_bounds(dim: int, top: int, eps_term: int, emax: int) -> Iterator[Bound]:
    """Worst cases of the residual stream and of the sums of squares that norms make of it.

    Args:
        dim: width of the stream.
        top: largest absolute value of the stream.
        eps_term: added to every sum of squares.
        emax: largest exponent that the model names.
    """
    yield Bound("model", "residual x", top, 2**31 - 1)
    yield Bound("model", "norm V", dim * top**2 + eps_term, LIMIT - 1)
    exponent = norm_exponent(dim, top, eps_term)
    yield Bound("model", "norm exponent (emax is the limit)", exponent, min(emax, EMAX_TOP))
    scale = max(0, 10 - 2 * ((eps_term.bit_length() - 1) >> 1))
    yield Bound("model", "norm 2^T0 * 4^(emax+1)", 1 << (scale + 2 * (emax + 1)), LIMIT)


def check_bounds(model: IntegerModel) -> list[Bound]:
    """Every worst case of ``model``, in the order of computation.

    Raises:
        BoundExceededError: the first one past its limit, with its layer and name.
    """
    return check(_all_bounds(model))


def check(bounds: Iterable[Bound]) -> list[Bound]:
    """The bounds themselves. Raises BoundExceededError for the first one past its limit."""
    kept = []
    for bound in bounds:
        if bound.value > bound.limit:
            raise BoundExceededError(bound.site, bound.name, bound.value, bound.limit)
        kept.append(bound)
    return kept


def _all_bounds(model: IntegerModel) -> Iterator[Bound]:
    p, tensors = model.parameters, model.tensors
    top = residual_top(tensors["embed_tokens"], p.layers)
    yield from residual_bounds(p.shape.dim, top, p.eps_term, p.emax)
    factor = norm_factor(tensors["rsqrt_table"], p.emax)
    for index, layer in enumerate(p.layers):
        yield from layer_bounds(tensors, p.shape, index, layer, factor)
    final = factor * _absmax(tensors["final_norm_gain"])
    yield Bound("model", "final norm x * R * gain", final, NORM_LIMIT)
    yield from _clamp("model", "final norm", final, p.final_norm_shift, 16)
    logits = linear_worst(tensors["lm_head.weight"], tensors["lm_head.multiplier"], ACTIVATION_TOP)
    yield Bound("model", "logits", logits, LOGIT_LIMIT)
    yield Bound("model", "attention 2Z", 2 * p.shape.max_seq * ACTIVATION_TOP, 2**32 - 1)
    weighted = p.shape.max_seq * ACTIVATION_TOP * (2 * ACTIVATION_TOP + 1)
    yield Bound("model", "attention 2N + Z", weighted, LIMIT)


def residual_top(embed: AnyArray, layers: tuple[LayerParameters, ...]) -> int:
    """Largest absolute value of the residual stream: the embedding's plus that of every update."""
    updates = sum(width_top(layer.o_bits) + width_top(layer.down_bits) for layer in layers)
    return _absmax(embed) + updates


def layer_bounds(
    tensors: Mapping[str, AnyArray],
    shape: Shape,
    index: int,
    layer: LayerParameters,
    factor: int,
) -> Iterator[Bound]:
    """Worst cases of one layer, in the order of computation; ``factor`` is ``norm_factor``'s."""
    site, prefix = f"layer {index}", f"layers.{index}"
    shifts = layer.linear_shift

    def worst(name: str, input_top: int = ACTIVATION_TOP) -> int:
        weight, multiplier = (
            tensors[f"{prefix}.{name}.weight"],
            tensors[f"{prefix}.{name}.multiplier"],
        )
        return linear_worst(weight, multiplier, input_top)

    for norm, shift in (("norm1", layer.norm1_shift), ("norm2", layer.norm2_shift)):
        value = factor * _absmax(tensors[f"{prefix}.{norm}_gain"])
        yield Bound(site, f"{norm} x * R * gain", value, NORM_LIMIT)
        yield from _clamp(site, norm, value, shift, 16)
    for name in ("q", "k"):
        value = worst(f"{name}_proj") << 17
        yield Bound(site, f"{name} rotary", value, LIMIT)
        yield from _clamp(site, name, value, shifts[f"{name}_proj"] + 16, 16)
    half_units = score_half_units(shape.head_dim, layer.score_shift)
    yield Bound(site, "score half units", half_units, _HALF_UNIT_LIMIT)
    widths = {
        "v_proj": (ACTIVATION_TOP, 16),
        "o_proj": (ACTIVATION_TOP, layer.o_bits),
        "gate_proj": (ACTIVATION_TOP, layer.gate_bits),
        "down_proj": (width_top(layer.z_bits), layer.down_bits),
    }
    for name, (input_top, bits) in widths.items():
        value = worst(name, input_top)
        yield Bound(site, f"{name} A", value, LIMIT)
        yield from _clamp(site, name, value, shifts[name], bits)
    value = worst("up_proj") << 15
    yield Bound(site, "silu * A_up", value, LIMIT)
    yield from _clamp(site, "z", value, shifts["up_proj"], layer.z_bits)


def score_half_units(head_dim: int, score_shift: int) -> int:
    """Largest distance of a key from the best one, in half units after the shift."""
    widest = 2 * head_dim * ACTIVATION_TOP**2
    return (widest + (1 << (score_shift - 1))) >> (score_shift - 1)


def _clamp(site: str, name: str, worst: int, shift: int, bits: int) -> Iterator[Bound]:
    """One shift and clamp: the proof divides by ``2^bits - 1`` and looks the quotient up."""
    quotient = (((worst + (1 << (shift - 1))) >> shift) + width_top(bits)) // ((1 << bits) - 1)
    reached = worst + ((((1 << bits) - 1) * quotient + width_top(bits)) << shift) + (1 << shift)
    yield Bound(site, f"{name} clamp quotient", quotient, _CLAMP_QUOTIENT_LIMIT)
    yield Bound(site, f"{name} clamp equation", reached, _FIELD - 1)


def _absmax(array: AnyArray) -> int:
    return max(int(array.max()), -int(array.min()))
