"""What an export chose for a model, and why: for people who look at it, and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from esper.model.bounds import Bound, width_top
from esper.model.exporting.calibration import Calibration
from esper.model.g16_format import IntegerModel

_PRODUCTS = (" A", "A_up", "rotary", "gain")
_ORDINARY_UPDATE_BITS = 20


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """Widths and shifts of one layer."""

    score_shift: int
    """``2^(8 + score_shift)`` units of q·k are one nat."""
    linear_shift: dict[str, int]
    """Rounding shift of each projection."""
    gate_bits: int
    """Width of the gate."""
    z_bits: int
    """Width of gated values."""
    o_bits: int
    """Width of the attention update."""
    down_bits: int
    """Width of the feed-forward update."""
    update_top: float
    """Largest update that calibration saw."""
    update_room: float
    """How many times that fits into the widths."""
    gated_ratio: float
    """Largest gated value over their mean size."""
    largest_product: str
    """Name of the widest product."""
    largest_product_bits: int
    """Its bits for the worst input there is."""
    why: str
    """In words, where the layer is no ordinary one; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What holds for the whole model, and its layers."""

    frac_bits: int
    """Fraction bits of the residual stream."""
    emax: int
    """Largest exponent of a norm."""
    eps_term: int
    """Added to every sum of squares."""
    logit_bits: int
    """``2^logit_bits`` units of a logit are one nat."""
    calibration_tokens: int
    """Tokens that calibration saw."""
    why: str
    """Why these fraction bits, in words."""
    layers: tuple[LayerChoice, ...]
    """From the input to the output."""


def what_was_chosen(
    model: IntegerModel, calibration: Calibration, bounds: Sequence[Bound]
) -> Chosen:
    """Read the choices off a finished model."""
    p = model.parameters
    layers = tuple(_layer(model, calibration, bounds, index) for index in range(len(p.layers)))
    wide = [i for i, one in enumerate(layers) if max(one.o_bits, one.down_bits) > 20]
    why = "all updates fit 20 bits in fine units"
    if wide:
        listed = ", ".join(map(str, wide))
        norm = next(b.value for b in bounds if b.name == "norm V").bit_length()
        why = (
            f"layers {listed} write massive updates: coarser units keep a norm's sum of squares, "
            f"{norm} bits at worst, below 2^62"
        )
    return Chosen(
        frac_bits=p.frac_bits,
        emax=p.emax,
        eps_term=p.eps_term,
        logit_bits=p.logit_bits,
        calibration_tokens=calibration.tokens,
        why=why,
        layers=layers,
    )


def _layer(
    model: IntegerModel, calibration: Calibration, bounds: Sequence[Bound], index: int
) -> LayerChoice:
    layer, sites = model.parameters.layers[index], calibration.layers[index]
    own = [b for b in bounds if b.site == f"layer {index}" and b.name.endswith(_PRODUCTS)]
    widest = max(own, key=lambda bound: bound.value)
    updates = {"attention_update": layer.o_bits, "feed_forward_update": layer.down_bits}
    unit = 0.5**model.parameters.frac_bits
    rooms = [width_top(b) * unit / (sites[s].absmax or unit) for s, b in updates.items()]
    gated = sites["gated"]
    reasons = []
    if max(layer.o_bits, layer.down_bits) > _ORDINARY_UPDATE_BITS:
        reasons.append("massive update")
    if layer.z_bits > 16:
        reasons.append("massive gated values")
    return LayerChoice(
        score_shift=layer.score_shift,
        linear_shift=dict(layer.linear_shift),
        gate_bits=layer.gate_bits,
        z_bits=layer.z_bits,
        o_bits=layer.o_bits,
        down_bits=layer.down_bits,
        update_top=max(sites[site].absmax for site in updates),
        update_room=min(rooms),
        gated_ratio=gated.absmax / gated.mean_abs if gated.mean_abs else 0.0,
        largest_product=widest.name,
        largest_product_bits=widest.value.bit_length(),
        why=", ".join(reasons),
    )
