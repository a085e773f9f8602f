"""What a published integer model is but for its tensors: sizes, shifts, widths, special tokens.

``docs/g16-format.md`` lists every field. Reading them takes no NumPy: whoever proves has the native
engine for the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esper.model.config import Shape, read_special_tokens
from esper.model.errors import InvalidFieldError, MalformedFileError
from esper.model.files.json_file import parse_json
from esper.model.files.safetensors_header import read_metadata

INTEGERS_FILE = "g16.safetensors"
METADATA_KEY = "g16"
VERSION = 1
LINEAR_NAMES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven projections of a layer, in the order the integer format lists them."""
ACTIVATION_TOP = 32767
"""Largest 16-bit activation."""
LOGIT_SHIFT = 16
"""Fraction bits of the output multipliers; they stay in the logits."""


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """Shifts and widths of one layer, in bits."""

    norm1_shift: int
    """Rounding shift of the norm before attention."""
    norm2_shift: int
    """Rounding shift of the norm before the feed-forward part."""
    score_shift: int
    """``2^(8 + score_shift)`` units of q·k are one nat."""
    linear_shift: Mapping[str, int]
    """Rounding shift of each projection."""
    gate_bits: int
    """Width of the gate and log2 of the entries of its table: 12 or 16."""
    z_bits: int
    """Width of silu(gate) * up: 16, or 18 to 24 and even where the layer has massive values."""
    o_bits: int
    """Width of the attention update, even, 16 to 26."""
    down_bits: int
    """Width of the feed-forward update, even, 16 to 26."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything of a model that is not a tensor."""

    shape: Shape
    """Sizes."""
    frac_bits: int
    """Fraction bits F of the residual stream."""
    emax: int
    """Largest exponent of a norm's sum of squares, in powers of four."""
    eps_term: int
    """``round(eps * dim * 2^(2F))``, added to the sum of squares; at least 1."""
    final_norm_shift: int
    """Rounding shift of the norm before the output projection."""
    logit_bits: int
    """``2^logit_bits`` units of a logit are one nat; for display only and in no hash."""
    bos: int
    """Token id that starts every sequence."""
    eos: int
    """Token id that ends an answer."""
    layers: tuple[LayerParameters, ...]
    """From the input to the output."""


def read_parameters(directory: Path) -> Parameters:
    """Read the parameters alone, without the tensors; errors as in ``read_integer_model``."""
    path = directory / INTEGERS_FILE
    return parse_metadata(path, read_metadata(path))


def parse_metadata(path: Path, metadata: Mapping[str, str]) -> Parameters:
    """The parameters in a container's metadata; errors as in :func:`read_parameters`."""
    try:
        fields = parse_json(metadata[METADATA_KEY].encode())
    except KeyError as error:
        reason = f"the metadata entry '{METADATA_KEY}' is missing; export the model again"
        raise MalformedFileError(path, reason) from error
    except ValueError as error:
        reason = f"the metadata entry '{METADATA_KEY}': {error}; export the model again"
        raise MalformedFileError(path, reason) from error
    if not isinstance(fields, dict):
        raise MalformedFileError(path, f"the metadata entry '{METADATA_KEY}' is not a JSON object")
    if fields.get("spec") != "G16":
        raise InvalidFieldError("spec", fields.get("spec"), "'G16'")
    if "bos" in fields and "eos" in fields:
        return _parameters(fields, None, None)
    bos, eos = read_special_tokens(path.parent / "config.json")
    return _parameters(fields, bos, eos)


def _parameters(fields: Mapping[str, Any], bos: int | None, eos: int | None) -> Parameters:
    for name, value in (("rsqrt_bits", 12), ("exp_bits", 12), ("rope_bits", 16), ("act_bits", 16)):
        _integer(fields, name, value, value)
    _integer(fields, "version", VERSION, VERSION, default=VERSION)
    sizes = ("vocab", "dim", "hidden", "layers", "heads", "kv_heads", "head_dim", "max_seq")
    shape = Shape(*(_integer(fields, name, 1, 1 << 25) for name in sizes))
    if shape.heads % shape.kv_heads or shape.head_dim % 2:
        raise InvalidFieldError(
            "kv_heads, head_dim",
            (shape.kv_heads, shape.head_dim),
            "a divisor of heads, an even width",
        )
    update_bits = _integer(fields, "residual_update_bits", 16, 26)
    layers = fields.get("layer")
    if not isinstance(layers, list) or len(layers) != shape.layers:
        raise InvalidFieldError("layer", type(layers).__name__, f"a list of {shape.layers} objects")
    return Parameters(
        shape=shape,
        frac_bits=_integer(fields, "residual_frac_bits", 0, 24),
        emax=_integer(fields, "emax", 5, 31),
        eps_term=_integer(fields, "eps_term", 1, 1 << 62),
        final_norm_shift=_integer(fields, "final_norm_shift", 1, 62),
        logit_bits=_integer(fields, "lm_head_shift_not_applied", 0, 32) + LOGIT_SHIFT,
        bos=_integer(fields, "bos", 0, shape.vocab - 1, default=bos),
        eos=_integer(fields, "eos", 0, shape.vocab - 1, default=eos),
        layers=tuple(_layer(f"layer[{i}].", layer, update_bits) for i, layer in enumerate(layers)),
    )


def _layer(where: str, fields: Any, update_bits: int) -> LayerParameters:
    if not isinstance(fields, dict) or not isinstance(fields.get("linear_shift"), dict):
        raise InvalidFieldError(f"{where}linear_shift", fields, "an object of shifts")
    _integer(fields, "out_shift", 0, 0, where=where)
    shifts = fields["linear_shift"]
    return LayerParameters(
        norm1_shift=_integer(fields, "norm1_shift", 1, 46, where=where),
        norm2_shift=_integer(fields, "norm2_shift", 1, 46, where=where),
        score_shift=_integer(fields, "score_shift", 1, 16, where=where),
        linear_shift={
            name: _integer(shifts, name, 1, 46, where=f"{where}linear_shift.")
            for name in LINEAR_NAMES
        },
        gate_bits=_integer(fields, "gate_bits", 12, 16, default=16, where=where, admitted=(12, 16)),
        z_bits=_integer(
            fields, "z_bits", 16, 24, default=16, where=where, admitted=range(16, 25, 2)
        ),
        o_bits=_integer(
            fields, "o_bits", 16, 26, default=update_bits, where=where, admitted=range(16, 27, 2)
        ),
        down_bits=_integer(
            fields, "down_bits", 16, 26, default=update_bits, where=where, admitted=range(16, 27, 2)
        ),
    )


def _integer(
    fields: Mapping[str, Any],
    name: str,
    lowest: int,
    highest: int,
    *,
    default: int | None = None,
    where: str = "",
    admitted: range | tuple[int, ...] | None = None,
) -> int:
    value = fields.get(name)
    if value is None and default is not None:
        value = default
    if (
        type(value) is not int
        or not lowest <= value <= highest
        or (admitted is not None and value not in admitted)
    ):
        words = (
            f"one of {list(admitted)}"
            if admitted is not None
            else f"an integer from {lowest} to {highest}"
        )
        raise InvalidFieldError(where + name, value, words)
    return value
