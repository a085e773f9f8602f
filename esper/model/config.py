"""Shape and constants of a Llama checkpoint, read strictly from its ``config.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esper.model.errors import (
    InvalidFieldError,
    MalformedFileError,
    MissingFileError,
    UnsupportedArchitectureError,
)


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


# Fields that change the arithmetic, with the values that leave it as the integer model has it.
_PLAIN_VALUES: Mapping[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "rope_scaling": (None,),
    "rope_interleaved": (False,),
    "partial_rotary_factor": (1, None),
    "sliding_window": (None,),
    "use_sliding_window": (False,),
    "pretraining_tp": (1,),
    "quantization_config": (None,),
}


def read_config(path: Path) -> LlamaConfig:
    """Read ``path``, a Hugging Face ``config.json``.

    Raises:
        MissingFileError, MalformedFileError: the file is absent or not a JSON object.
        UnsupportedArchitectureError: a field asks for arithmetic the integer model does not have.
        InvalidFieldError: a size or constant is absent, of the wrong type or out of range.
    """
    return parse_config(_read_object(path))


def read_special_tokens(path: Path) -> tuple[int, int]:
    """Token ids (bos, eos) of a ``config.json``; errors as in :func:`read_config`."""
    fields = _read_object(path)
    vocab = _size(fields, "vocab_size")
    return _token(fields, "bos_token_id", vocab), _token(fields, "eos_token_id", vocab)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_bytes())
    except OSError as error:
        raise MissingFileError(path, "give a Hugging Face model directory") from error
    except (RecursionError, ValueError) as error:
        raise MalformedFileError(path, f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise MalformedFileError(path, "not a JSON object")
    return fields


def parse_config(fields: Mapping[str, Any]) -> LlamaConfig:
    """Check the fields of a ``config.json`` already parsed; errors as in :func:`read_config`."""
    if fields.get("model_type") != "llama":
        raise UnsupportedArchitectureError("model_type", fields.get("model_type"), "'llama'")
    for name, plain in _PLAIN_VALUES.items():
        if name in fields and not any(fields[name] == value for value in plain):
            raise UnsupportedArchitectureError(name, fields[name], " or ".join(map(repr, plain)))
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
        norm_eps=_positive(fields, "rms_norm_eps", fields.get("rms_norm_eps", 1e-6)),
        rope_theta=_rope_theta(fields),
        tied=tied,
        bos=_token(fields, "bos_token_id", shape.vocab),
        eos=_token(fields, "eos_token_id", shape.vocab),
    )


def _rope_theta(fields: Mapping[str, Any]) -> float:
    """Find the rotary base at the top level or in ``rope_parameters`` (transformers 5)."""
    nested = fields.get("rope_parameters")
    if nested is None:
        return _positive(fields, "rope_theta", fields.get("rope_theta", 10000.0))
    if not isinstance(nested, dict):
        raise InvalidFieldError("rope_parameters", nested, "an object")
    if nested.get("rope_type", "default") != "default":
        raise UnsupportedArchitectureError(
            "rope_parameters.rope_type", nested["rope_type"], "'default'"
        )
    if nested.get("partial_rotary_factor", 1) != 1:
        got = nested["partial_rotary_factor"]
        raise UnsupportedArchitectureError("rope_parameters.partial_rotary_factor", got, "1")
    theta = nested.get("rope_theta", fields.get("rope_theta", 10000.0))
    return _positive(fields, "rope_parameters.rope_theta", theta)


def _size(fields: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = fields.get(name)
    if value is None and default is not None:
        value = default
    if type(value) is not int or not 1 <= value <= 1 << 25:
        raise InvalidFieldError(name, value, "an integer from 1 to 2^25")
    return value


def _positive(fields: Mapping[str, Any], name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise InvalidFieldError(name, value, "a positive number")
    return float(value)


def _token(fields: Mapping[str, Any], name: str, vocab: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < vocab:
        raise InvalidFieldError(
            name, value, f"one token id from 0 to {vocab - 1}; write the one that is meant"
        )
    return value
