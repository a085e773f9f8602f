"""Small float checkpoints with random weights, for tests that need no published model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from esper.model.checkpoint import Checkpoint, LayerWeights, linear_sizes
from esper.model.config import LlamaConfig, Shape
from esper.model.safetensors_file import AnyArray, write_container

SMALL = Shape(vocab=40, dim=16, hidden=24, layers=2, heads=4, kv_heads=2, head_dim=4, max_seq=64)


def random_checkpoint(seed: int, shape: Shape = SMALL, *, tied: bool = True) -> Checkpoint:
    """A checkpoint of ``shape`` whose weights follow from ``seed``."""
    rng = np.random.default_rng(seed)

    def normal(*size: int) -> AnyArray:
        return np.asarray(rng.standard_normal(size) / np.sqrt(size[-1]), dtype=np.float32)

    layers = []
    for _ in range(shape.layers):
        linear = {name: normal(*size) for name, size in linear_sizes(shape).items()}
        norms = [(1 + 0.1 * rng.standard_normal(shape.dim)).astype(np.float32) for _ in range(2)]
        layers.append(LayerWeights(norms[0], norms[1], linear))
    embed = normal(shape.vocab, shape.dim)
    head = embed if tied else normal(shape.vocab, shape.dim)
    final = np.ones(shape.dim, dtype=np.float32)
    config = LlamaConfig(shape, norm_eps=1e-5, rope_theta=10000.0, tied=tied, bos=1, eos=2)
    return Checkpoint(config, embed, tuple(layers), final, head)


def config_fields(checkpoint: Checkpoint) -> dict[str, object]:
    """The ``config.json`` of ``checkpoint``."""
    config, shape = checkpoint.config, checkpoint.config.shape
    return {
        "model_type": "llama",
        "hidden_size": shape.dim,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "vocab_size": shape.vocab,
        "max_position_embeddings": shape.max_seq,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "hidden_act": "silu",
        "tie_word_embeddings": config.tied,
        "bos_token_id": config.bos,
        "eos_token_id": config.eos,
    }


def named_tensors(checkpoint: Checkpoint) -> dict[str, AnyArray]:
    """The tensors of ``checkpoint`` by their Hugging Face names."""
    tensors: dict[str, AnyArray] = {
        "model.embed_tokens.weight": checkpoint.embed,
        "model.norm.weight": checkpoint.final_norm,
    }
    for index, layer in enumerate(checkpoint.layers):
        prefix = f"model.layers.{index}"
        tensors[f"{prefix}.input_layernorm.weight"] = layer.norm1
        tensors[f"{prefix}.post_attention_layernorm.weight"] = layer.norm2
        for name, weight in layer.linear.items():
            part = "self_attn" if name[0] in "qkvo" else "mlp"
            tensors[f"{prefix}.{part}.{name}.weight"] = weight
    if not checkpoint.config.tied:
        tensors["lm_head.weight"] = checkpoint.lm_head
    return tensors


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write ``config.json`` and ``model.safetensors``."""
    (directory / "config.json").write_text(json.dumps(config_fields(checkpoint)))
    write_container(directory / "model.safetensors", {"format": "pt"}, named_tensors(checkpoint))


def write_tokenizer(directory: Path, vocab: int) -> None:
    """Write a tokenizer of single letters: ids 3, 4, ... are a, b, ..."""
    letters = [chr(ord("a") + i) for i in range(min(26, vocab - 3))]
    ids = {"<unk>": 0, "<s>": 1, "</s>": 2} | {letter: 3 + i for i, letter in enumerate(letters)}
    content: dict[str, object] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "vocab": ids, "merges": [], "unk_token": "<unk>"},
    }
    (directory / "tokenizer.json").write_text(json.dumps(content))
