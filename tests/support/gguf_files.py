"""GGUF files of small random models, as llama.cpp writes them, with things changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quantize

from esper.model.checkpoint import Checkpoint
from esper.model.safetensors_file import AnyArray
from tests.spec.random_checkpoint import random_checkpoint

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TOKENS = [
    "<unk>",
    "<|im_start|>",
    "<|im_end|>",
    *"abcdefghijklmnopqrstuvwxyz",
    "Ġ",
    "Ċ",
    "th",
    "the",
    *"<|_>",
]
MERGES = ["t h", "th e"]
_NAMES = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}


def gguf_fields(checkpoint: Checkpoint) -> dict[str, Any]:
    """The fields of a model whose tokens are letters, with a chat template."""
    shape = checkpoint.config.shape
    tokens = TOKENS + [f"<{n}>" for n in range(len(TOKENS), shape.vocab)]
    special = {0: 3, 1: 3, 2: 3}
    return {
        "llama.block_count": shape.layers,
        "llama.context_length": shape.max_seq,
        "llama.embedding_length": shape.dim,
        "llama.feed_forward_length": shape.hidden,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.rope.dimension_count": shape.head_dim,
        "llama.rope.freq_base": checkpoint.config.rope_theta,
        "llama.attention.layer_norm_rms_epsilon": checkpoint.config.norm_eps,
        "llama.vocab_size": shape.vocab,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [special.get(n, 1) for n in range(shape.vocab)],
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": checkpoint.config.bos,
        "tokenizer.ggml.eos_token_id": checkpoint.config.eos,
        "tokenizer.chat_template": TEMPLATE,
    }


def gguf_tensors(checkpoint: Checkpoint) -> dict[str, AnyArray]:
    """The tensors under llama.cpp's names, the two rows of a rotary pair in turn."""
    shape = checkpoint.config.shape
    tensors: dict[str, AnyArray] = {
        "token_embd.weight": checkpoint.embed,
        "output_norm.weight": checkpoint.final_norm,
    }
    if not checkpoint.config.tied:
        tensors["output.weight"] = checkpoint.lm_head
    for index, layer in enumerate(checkpoint.layers):
        tensors[f"blk.{index}.attn_norm.weight"] = layer.norm1
        tensors[f"blk.{index}.ffn_norm.weight"] = layer.norm2
        for name, rows in layer.linear.items():
            if name in ("q_proj", "k_proj"):
                heads = shape.heads if name == "q_proj" else shape.kv_heads
                halves = rows.reshape(heads, 2, shape.head_dim // 2, shape.dim)
                rows = halves.swapaxes(1, 2).reshape(rows.shape)
            tensors[f"blk.{index}.{_NAMES[name]}.weight"] = np.ascontiguousarray(rows)
    return tensors


def write_gguf(
    path: Path,
    checkpoint: Checkpoint | None = None,
    *,
    architecture: str = "llama",
    fields: Mapping[str, Any] | None = None,
    tensors: Mapping[str, AnyArray | None] | None = None,
    element: GGMLQuantizationType = GGMLQuantizationType.F32,
) -> Path:
    """Write a file; ``fields`` and ``tensors`` are put in place of its own, None leaves one out."""
    checkpoint = checkpoint or random_checkpoint(31)
    writer = GGUFWriter(path, architecture)
    for name, value in (gguf_fields(checkpoint) | dict(fields or {})).items():
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        elif isinstance(value, str):
            writer.add_string(name, value)
        elif value is not None:
            writer.add_array(name, value)
    for name, array in (gguf_tensors(checkpoint) | dict(tensors or {})).items():
        if array is None:
            continue
        if array.ndim == 2 and element is not GGMLQuantizationType.F32:
            writer.add_tensor(name, quantize(array, element), raw_dtype=element)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
