"""Shape and constants of a Llama checkpoint, read strictly from its ``config.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esper.model.errors import InvalidFieldError, UnsupportedArchitectureError
from esper.model.files.json_file import read_object
from esper.model.files.rotary_config import positive_number, rotary_code_of
from esper.model.importing.features import PLAIN_FIELDS, feature_of_type
from esper.model.rotary import RopeScaling

_REMEDY = "give a Hugging Face model directory, or a GGUF file"


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a Llama model, in elements."""

    vocab: int
    """Number of token ids."""
    dim: int
    """Width of the residual stream."""
    hidden: int
    """Width between the feed-forward projections."""
    layers: int
    """Number of transformer layers."""
    heads: int
    """Number of query heads."""
    kv_heads: int
    """Number of key/value heads; divides ``heads``."""
    head_dim: int
    """Width of one head; even, because rotary pairs are its two halves."""
    max_seq: int
    """Longest sequence, in tokens: rows of the rotary tables."""


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """Everything of a ``config.json`` that changes the arithmetic."""

    shape: Shape
    """Sizes."""
    norm_eps: float
    """Constant under the square root of RMSNorm."""
    rope_theta: float
    """Base of the rotary frequencies."""
    tied: bool
    """Whether the output projection is the embedding."""
    bos: int
    """Token id that starts every sequence."""
    eos: int
    """Token id that ends an answer."""
    rope_scaling: RopeScaling | None = None
    """How the rotary frequencies are scaled; None for the plain code."""


_SIZES: Mapping[str, int] = {
    "vocab_size": 1 << 25,
    "hidden_size": 1 << 16,
    "intermediate_size": 1 << 16,
    "num_hidden_layers": 1 << 10,
    "num_attention_heads": 1 << 16,
    "num_key_value_heads": 1 << 16,
    "head_dim": 1 << 16,
    "max_position_embeddings": 1 << 16,
}
"""Largest value that the integer format has, by field: ``docs/g16-format.md``."""
_QUERY_WIDTH = 1 << 16
"""Largest ``num_attention_heads * head_dim`` of the format."""


def read_config(path: Path) -> LlamaConfig:
    """Read ``path``, a Hugging Face ``config.json``.

    Raises:
        MissingFileError, MalformedFileError: the file is absent or not a JSON object.
        UnsupportedArchitectureError: a field asks for arithmetic the integer model does not have.
        InvalidFieldError: a size or constant is absent, of the wrong type or out of range.
    """
    return parse_config(read_object(path, _REMEDY))


def read_special_tokens(path: Path) -> tuple[int, int]:
    """Token ids (bos, eos) of a ``config.json``; errors as in :func:`read_config`."""
    fields = read_object(path, _REMEDY)
    return _token(fields, "bos_token_id", 1 << 32), _token(fields, "eos_token_id", 1 << 32)


def parse_config(fields: Mapping[str, Any]) -> LlamaConfig:
    """Check the fields of a ``config.json`` already parsed; errors as in :func:`read_config`."""
    if fields.get("model_type") != "llama":
        got = fields.get("model_type")
        feature = feature_of_type(got)
        raise UnsupportedArchitectureError("model_type", got, "'llama'", feature=feature)
    for name, (plain, feature) in PLAIN_FIELDS.items():
        if name in fields and not any(fields[name] == value for value in plain):
            supported = " or ".join(map(json.dumps, plain))
            raise UnsupportedArchitectureError(name, fields[name], supported, feature=feature)
    rotary = rotary_code_of(fields)
    dim = _size(fields, "hidden_size")
    heads = _size(fields, "num_attention_heads")
    kv_heads = _size(fields, "num_key_value_heads", default=heads)
    head_dim = _size(fields, "head_dim", default=dim // heads)
    if heads % kv_heads:
        raise InvalidFieldError(
            "num_key_value_heads", kv_heads, f"a divisor of num_attention_heads = {heads}"
        )
    if fields.get("head_dim") is None and dim % heads:
        raise InvalidFieldError("num_attention_heads", heads, f"a divisor of hidden_size = {dim}")
    if head_dim % 2:
        raise InvalidFieldError("head_dim", head_dim, "an even number")
    if heads * head_dim > _QUERY_WIDTH:
        raise UnsupportedArchitectureError(
            "num_attention_heads * head_dim", heads * head_dim, f"1 to {_QUERY_WIDTH}"
        )
    shape = Shape(
        vocab=_size(fields, "vocab_size"),
        dim=dim,
        hidden=_size(fields, "intermediate_size"),
        layers=_size(fields, "num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        max_seq=_size(fields, "max_position_embeddings"),
    )
    tied = fields.get("tie_word_embeddings", False)
    if not isinstance(tied, bool):
        raise InvalidFieldError("tie_word_embeddings", tied, "true or false")
    return LlamaConfig(
        shape=shape,
        norm_eps=positive_number("rms_norm_eps", fields.get("rms_norm_eps", 1e-6)),
        rope_theta=rotary.theta,
        tied=tied,
        bos=_token(fields, "bos_token_id", shape.vocab),
        eos=_token(_one_eos(fields), "eos_token_id", shape.vocab),
        rope_scaling=rotary.scaling,
    )


def _size(fields: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value, most = fields.get(name), _SIZES[name]
    if value is None and default is not None:
        value = default
    if type(value) is not int or value < 1:
        raise InvalidFieldError(name, value, f"an integer from 1 to {most}")
    if value > most:
        remedy = "choose another checkpoint"
        if name == "max_position_embeddings":
            remedy = f"write {most} there: its rotary code is the same at every length"
        raise UnsupportedArchitectureError(name, value, f"1 to {most}", remedy)
    return value


def _one_eos(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Newer files list the ids that end an answer; a list of one is that one."""
    value = fields.get("eos_token_id")
    if isinstance(value, list) and len(value) == 1:
        return {**fields, "eos_token_id": value[0]}
    return fields


def _token(fields: Mapping[str, Any], name: str, vocab: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < vocab:
        raise InvalidFieldError(
            name, value, f"one token id from 0 to {vocab - 1}; write the one that is meant"
        )
    return value
