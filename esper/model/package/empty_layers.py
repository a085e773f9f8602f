"""Layers that add nothing to what passes through them: they are counted as work and do none.

An update of a layer is a product, shifted and rounded. Where the largest product that any input can
reach is rounded to zero, the layer changes nothing. Nodes run such a model, since it is what it
says; whoever votes for its omega should know.
"""

from __future__ import annotations

from collections.abc import Iterator

from esper.model.bounds import linear_worst, width_top
from esper.model.g16_format import IntegerModel
from esper.model.g16_parameters import ACTIVATION_TOP


def empty_parts(model: IntegerModel) -> Iterator[tuple[int, str]]:
    """Layer and part, `attention` or `feed-forward`, of all that adds nothing."""
    for index, layer in enumerate(model.parameters.layers):
        parts = {
            "attention": (("v_proj", ACTIVATION_TOP), ("o_proj", ACTIVATION_TOP)),
            "feed-forward": (
                ("up_proj", ACTIVATION_TOP),
                ("down_proj", width_top(layer.z_bits)),
            ),
        }
        for part, products in parts.items():
            if any(_is_nothing(model, index, name, top) for name, top in products):
                yield index, part


def _is_nothing(model: IntegerModel, index: int, name: str, input_top: int) -> bool:
    prefix = f"layers.{index}.{name}"
    weight, multiplier = model.tensors[f"{prefix}.weight"], model.tensors[f"{prefix}.multiplier"]
    worst = linear_worst(weight, multiplier, input_top)
    if name == "up_proj":
        # Multiplied with the gate, of 15 bits and a sign, before the shift.
        worst <<= 15
    shift = model.parameters.layers[index].linear_shift[name]
    return (worst + (1 << (shift - 1))) >> shift == 0
