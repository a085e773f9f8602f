"""The published integer model: its parameters, its tensors and its file ``g16.safetensors``.

``docs/g16-format.md`` lists every field. Floats appear in one display field that no hash covers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from esper.model.checkpoint import linear_sizes
from esper.model.errors import WrongTensorError
from esper.model.g16_parameters import (
    INTEGERS_FILE,
    LOGIT_SHIFT,
    METADATA_KEY,
    VERSION,
    Parameters,
    parse_metadata,
)
from esper.model.safetensors_file import (
    AnyArray,
    read_container,
    write_container,
)
from esper.model.tables import TABLE_ENTRIES


@dataclass(frozen=True, slots=True)
class IntegerModel:
    """A whole integer model in memory."""

    parameters: Parameters
    """Sizes, shifts and widths."""
    tensors: Mapping[str, AnyArray]
    """Weights, multipliers, gains and tables by their name in the file."""


def tensor_layout(parameters: Parameters) -> Iterator[tuple[str, np.dtype[Any], tuple[int, ...]]]:
    """Name, element type and shape of every tensor of a model; a file holds these and no others."""
    shape = parameters.shape
    int8, int16, int32 = np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32)
    yield "embed_tokens", int32, (shape.vocab, shape.dim)
    yield "exp_table", int32, (TABLE_ENTRIES,)
    yield "rsqrt_table", int32, (TABLE_ENTRIES,)
    yield "rope_cos", int32, (shape.max_seq, shape.head_dim // 2)
    yield "rope_sin", int32, (shape.max_seq, shape.head_dim // 2)
    yield "final_norm_gain", int32, (shape.dim,)
    yield "lm_head.weight", int8, (shape.vocab, shape.dim)
    yield "lm_head.multiplier", int32, (shape.vocab,)
    for index, layer in enumerate(parameters.layers):
        prefix = f"layers.{index}"
        yield f"{prefix}.norm1_gain", int32, (shape.dim,)
        yield f"{prefix}.norm2_gain", int32, (shape.dim,)
        yield f"{prefix}.silu_table", int16, (1 << layer.gate_bits,)
        for name, (outputs, inputs) in linear_sizes(shape).items():
            yield f"{prefix}.{name}.weight", int8, (outputs, inputs)
            yield f"{prefix}.{name}.multiplier", int32, (outputs,)


def write_integer_model(path: Path, model: IntegerModel) -> None:
    """Write ``model``; equal models give equal bytes."""
    metadata = json.dumps(_metadata(model.parameters), sort_keys=True, separators=(",", ":"))
    write_container(path, {METADATA_KEY: metadata}, model.tensors)


def _metadata(parameters: Parameters) -> dict[str, Any]:
    shape = parameters.shape
    return {
        "spec": "G16",
        "version": VERSION,
        "vocab": shape.vocab,
        "dim": shape.dim,
        "hidden": shape.hidden,
        "layers": shape.layers,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_seq": shape.max_seq,
        "rsqrt_bits": 12,
        "exp_bits": 12,
        "rope_bits": 16,
        "act_bits": 16,
        "rope_layout": "rotate_half: pair (i, i+head_dim/2)",
        "emax": parameters.emax,
        "eps_term": parameters.eps_term,
        "residual_frac_bits": parameters.frac_bits,
        "residual_update_bits": max(
            max(layer.o_bits, layer.down_bits) for layer in parameters.layers
        ),
        "final_norm_shift": parameters.final_norm_shift,
        "lm_head_shift_not_applied": parameters.logit_bits - LOGIT_SHIFT,
        "logit_scale": 0.5**parameters.logit_bits,
        "bos": parameters.bos,
        "eos": parameters.eos,
        "layer": [
            {
                "norm1_shift": layer.norm1_shift,
                "norm2_shift": layer.norm2_shift,
                "score_shift": layer.score_shift,
                "out_shift": 0,
                "linear_shift": dict(layer.linear_shift),
                "gate_bits": layer.gate_bits,
                "z_bits": layer.z_bits,
                "o_bits": layer.o_bits,
                "down_bits": layer.down_bits,
            }
            for layer in parameters.layers
        ],
    }


def read_integer_model(directory: Path) -> IntegerModel:
    """Read ``g16.safetensors`` of a model directory; check its fields, element types and shapes.

    The special tokens come from ``config.json`` where the file does not name them itself.

    Raises:
        MissingFileError, MalformedFileError, InvalidFieldError, WrongTensorError: the directory
            does not follow the format.
    """
    path = directory / INTEGERS_FILE
    metadata, tensors = read_container(path)
    parameters = parse_metadata(path, metadata)
    layout = {name: (kind, size) for name, kind, size in tensor_layout(parameters)}
    for name, (kind, size) in layout.items():
        expected = f"{kind} of shape {size}"
        if name not in tensors:
            raise WrongTensorError(name, "missing", expected)
        array = tensors[name]
        if array.dtype != kind or array.shape != size:
            raise WrongTensorError(name, f"{array.dtype} of shape {array.shape}", expected)
    unknown = sorted(set(tensors) - set(layout))
    if unknown:
        raise WrongTensorError(unknown[0], "unknown", "only tensors of the format")
    return IntegerModel(parameters, tensors)
