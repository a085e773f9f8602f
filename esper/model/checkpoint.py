"""Importing float Llama checkpoints in Hugging Face form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from esper.model.config import LlamaConfig, Shape, read_config
from esper.model.errors import WrongTensorError
from esper.model.g16_parameters import LINEAR_NAMES
from esper.model.importing.features import feature_of_tensor
from esper.model.importing.weight_files import read_weights
from esper.model.safetensors_file import AnyArray

Floats = npt.NDArray[np.float32]

CONFIG_FILE = "config.json"
_HEAD = "lm_head.weight"
_HINTS: Mapping[str, str] = {
    _HEAD: ', or "tie_word_embeddings": true in config.json where the embedding serves as such'
}
_LAYER = re.compile(r"model\.layers\.([0-9]{1,9})\.")
_LONGEST_NAME = 512
_BUFFER = ".rotary_emb.inv_freq"
_ATTENTION = frozenset(LINEAR_NAMES[:4])


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """Weights of one layer, ``float32``."""

    norm1: Floats
    """Gain before attention, shape (dim,)."""
    norm2: Floats
    """Gain before the feed-forward part, shape (dim,)."""
    linear: Mapping[str, Floats]
    """The projections of :data:`LINEAR_NAMES`, each of shape (outputs, inputs)."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A float model as its publisher trained it."""

    config: LlamaConfig
    """Sizes and constants."""
    embed: Floats
    """Token embedding, shape (vocab, dim)."""
    layers: tuple[LayerWeights, ...]
    """From the input to the output."""
    final_norm: Floats
    """Gain before the output projection, shape (dim,)."""
    lm_head: Floats
    """Output projection, shape (vocab, dim); the embedding itself where they are tied."""

    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal of the configuration and of every weight as little-endian float32.

        It ties a saved calibration to the weights it was taken on; the container's element type
        does not enter.
        """
        config = asdict(self.config)
        if self.config.rope_scaling is None:
            # Calibrations of plain models were saved before there were others.
            del config["rope_scaling"]
        hasher = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        arrays = [self.embed, self.lm_head, self.final_norm]
        for layer in self.layers:
            arrays += [layer.norm1, layer.norm2, *(layer.linear[name] for name in LINEAR_NAMES)]
        for array in arrays:
            hasher.update(np.ascontiguousarray(array, dtype="<f4").data)
        return hasher.hexdigest()


def load_checkpoint(directory: Path) -> Checkpoint:
    """Read ``config.json`` and the weights (float32, float16, bfloat16) of a directory.

    The weights are in ``model.safetensors``, or in parts that ``model.safetensors.index.json``
    names.

    Raises:
        MissingFileError, MalformedFileError: a file is absent or broken, or index and parts do not
            agree.
        UnsupportedArchitectureError, InvalidFieldError: from the configuration.
        WrongTensorError: a tensor is missing, unknown, misshapen, not a float tensor, or holds NaN
            or infinity.
    """
    config = read_config(directory / CONFIG_FILE)
    try:
        return assemble_checkpoint(config, read_weights(directory))
    except WrongTensorError as error:
        raise error.at(directory) from error


def assemble_checkpoint(config: LlamaConfig, tensors: Mapping[str, AnyArray]) -> Checkpoint:
    """Build a checkpoint from named tensors; errors as in :func:`load_checkpoint`.

    Each is asked for once; those that are float32 already are kept as they are.
    """
    shape = config.shape
    _refuse_features(shape, tensors)
    used: set[str] = set()

    def take(name: str, size: tuple[int, ...]) -> Floats:
        used.add(name)
        if name not in tensors:
            raise WrongTensorError(name, "missing", f"shape {size}{_HINTS.get(name, '')}")
        array = tensors[name]
        if array.dtype.kind != "f" or array.shape != size:
            raise WrongTensorError(
                name, f"{array.dtype} of shape {array.shape}", f"floats of shape {size}"
            )
        if not np.isfinite(array).all():
            raise WrongTensorError(name, "holding NaN or infinity", "finite weights")
        return array.astype(np.float32, copy=False)

    embed = take("model.embed_tokens.weight", (shape.vocab, shape.dim))
    layers = tuple(_take_layer(shape, index, take) for index in range(shape.layers))
    final_norm = take("model.norm.weight", (shape.dim,))
    if config.tied and _HEAD not in tensors:
        lm_head = embed
    else:
        lm_head = take(_HEAD, (shape.vocab, shape.dim))
        if config.tied and not np.array_equal(lm_head, embed):
            raise WrongTensorError(
                _HEAD,
                "different from the embedding",
                "equal, as 'tie_word_embeddings' says",
            )
    # Old checkpoints carry the rotary frequencies, which follow from the configuration.
    unknown = sorted(n for n in tensors if n not in used and not n.endswith(_BUFFER))
    if unknown:
        raise WrongTensorError(unknown[0], "unknown", "only the tensors of a plain Llama model")
    return Checkpoint(config, embed, layers, final_norm, lm_head)


def named_tensors(checkpoint: Checkpoint) -> dict[str, Floats]:
    """The weights by their names in Hugging Face's form; none twice where embeddings are tied."""
    tensors = {
        "model.embed_tokens.weight": checkpoint.embed,
        "model.norm.weight": checkpoint.final_norm,
    }
    if not checkpoint.config.tied:
        tensors[_HEAD] = checkpoint.lm_head
    for index, layer in enumerate(checkpoint.layers):
        prefix = f"model.layers.{index}"
        tensors[f"{prefix}.input_layernorm.weight"] = layer.norm1
        tensors[f"{prefix}.post_attention_layernorm.weight"] = layer.norm2
        for name, weight in layer.linear.items():
            tensors[f"{prefix}.{_part(name)}.{name}.weight"] = weight
    return tensors


def linear_sizes(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return (outputs, inputs) of each projection of :data:`LINEAR_NAMES`."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return {
        "q_proj": (queries, shape.dim),
        "k_proj": (keys, shape.dim),
        "v_proj": (keys, shape.dim),
        "o_proj": (shape.dim, queries),
        "gate_proj": (shape.hidden, shape.dim),
        "up_proj": (shape.hidden, shape.dim),
        "down_proj": (shape.dim, shape.hidden),
    }


def _refuse_features(shape: Shape, tensors: Mapping[str, AnyArray]) -> None:
    """Refuse tensors of what a plain Llama does not have, before any is read."""
    plain = "only the tensors of a plain Llama model"
    for name in sorted(tensors):
        if len(name) > _LONGEST_NAME or not name.isprintable():
            shown = ascii(name[:80])[1:-1]
            expected = f"a name of at most {_LONGEST_NAME} printable characters"
            raise WrongTensorError(shown, f"named in {len(name)} characters", expected)
        feature = feature_of_tensor(name)
        if feature:
            raise WrongTensorError(name, f"unknown ({feature})", plain)
        layer = _LAYER.match(name)
        if layer is not None and int(layer[1]) >= shape.layers and not name.endswith(_BUFFER):
            told = f"unknown (num_hidden_layers in config.json is {shape.layers})"
            raise WrongTensorError(name, told, plain)


def _part(name: str) -> str:
    return "self_attn" if name in _ATTENTION else "mlp"


def _take_layer(
    shape: Shape, index: int, take: Callable[[str, tuple[int, ...]], Floats]
) -> LayerWeights:
    prefix = f"model.layers.{index}"
    linear = {}
    for name, size in linear_sizes(shape).items():
        linear[name] = take(f"{prefix}.{_part(name)}.{name}.weight", size)
    return LayerWeights(
        norm1=take(f"{prefix}.input_layernorm.weight", (shape.dim,)),
        norm2=take(f"{prefix}.post_attention_layernorm.weight", (shape.dim,)),
        linear=linear,
    )
