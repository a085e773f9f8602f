"""Which columns a proof carries for cases that most prompts never meet (section 6)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.errors import MalformedError
from tests.spec.proof.parameters import ACTIVATION_BITS, CLASSES, OVERFLOW_LIMBS


@dataclass(frozen=True)
class Modes:
    """The decoded modes, and their bytes for the transcript."""

    clamped: frozenset[str]
    overflow_limbs: int
    third_slack_limb: bool
    wide_o: tuple[bool, ...]
    wide_down: tuple[bool, ...]
    wide_z: tuple[bool, ...]
    data: bytes


def off(d: Descriptor) -> Modes:
    """None: the fewest cells that a proof of this model has."""
    return decode(bytes(2 + len(d.layers)), d)


def decode(data: bytes, d: Descriptor) -> Modes:
    """Raises MalformedError for modes that section 6 refuses."""
    classes, limbs, *layers = data
    if classes >> len(CLASSES) or limbs >> 3 or any(layer >> 3 for layer in layers):
        raise MalformedError("the modes have a bit that means nothing")
    if limbs & 4 and not d.has_head:
        raise MalformedError("a part without the output head has slack")
    clamped = frozenset(name for i, name in enumerate(CLASSES) if classes >> i & 1)
    overflow = limbs & 3
    if overflow not in OVERFLOW_LIMBS:
        raise MalformedError("there are too many overflow limbs")
    wide_o = tuple(bool(layer & 1) for layer in layers)
    wide_down = tuple(bool(layer & 2) for layer in layers)
    wide_z = tuple(bool(layer & 4) for layer in layers)
    widths = [
        *(("o", layer.o_bits, wide) for layer, wide in zip(d.layers, wide_o, strict=True)),
        *(("down", layer.down_bits, wide) for layer, wide in zip(d.layers, wide_down, strict=True)),
        *(("z", layer.z_bits, wide) for layer, wide in zip(d.layers, wide_z, strict=True)),
    ]
    for name, width, wide in widths:
        if wide and width == ACTIVATION_BITS:
            raise MalformedError("a site of 16 bits is carried at full width")
        if name in clamped and width > ACTIVATION_BITS and not wide:
            raise MalformedError("a wide site is clamped but not carried at full width")
    return Modes(clamped, overflow, bool(limbs & 4), wide_o, wide_down, wide_z, data)
