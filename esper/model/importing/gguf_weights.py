"""The tensors of a GGUF file under the names, and in the order of rows, of Hugging Face's form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from esper.model.checkpoint import Floats
from esper.model.errors import MalformedFileError, UnsupportedFieldError
from esper.model.importing.gguf_file import OUTPUT, GgufFile

_TOP: Final[Mapping[str, str]] = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    OUTPUT: "lm_head.weight",
}
_OF_LAYERS: Final[Mapping[str, str]] = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_BLOCK: Final = re.compile(r"blk\.(0|[1-9][0-9]*)\.([a-z_]+)\.weight")


def weights_of(file: GgufFile) -> dict[str, Floats]:
    """All tensors, float32, by the names of Hugging Face's form.

    Raises UnsupportedFieldError for a tensor that a plain Llama does not have, MalformedFileError
    for one that cannot be what its name says, and as ``GgufFile.tensors``.
    """
    heads = {"attn_q": file.whole("llama.attention.head_count")}
    heads["attn_k"] = heads["attn_q"]
    if file.value("llama.attention.head_count_kv") is not None:
        heads["attn_k"] = file.whole("llama.attention.head_count_kv")
    weights: dict[str, Floats] = {}
    for name, values in file.tensors():
        if name in _TOP:
            weights[_TOP[name]] = values
            continue
        found = _BLOCK.fullmatch(name)
        if found is None or found[2] not in _OF_LAYERS:
            raise UnsupportedFieldError(
                file.path, "a tensor", name, "the tensors of a plain Llama model"
            )
        if found[2] in heads:
            values = _halves_together(file, name, values, heads[found[2]])
        weights[f"model.layers.{found[1]}.{_OF_LAYERS[found[2]]}.weight"] = values
    return weights


def _halves_together(file: GgufFile, name: str, rows: Floats, heads: int) -> Floats:
    """Rows of a head with rotary pairs (i, i + head_dim/2): GGUF has the two of a pair in turn."""
    if rows.ndim != 2 or heads < 1 or len(rows) % (2 * heads):
        raise MalformedFileError(
            file.path, f"tensor '{name}' of shape {rows.shape} does not have {heads} even heads"
        )
    pairs = rows.reshape(heads, -1, 2, rows.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)
