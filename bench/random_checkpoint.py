"""A float checkpoint of any shape with random weights: for speed, which does not depend on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from esper.model.checkpoint import load_checkpoint
from esper.model.config import Shape
from esper.model.exporting.calibration import calibrate, save_calibration
from esper.model.exporting.export import ExportOptions, export_model
from esper.model.g16_format import write_integer_model
from esper.model.g16_parameters import INTEGERS_FILE
from esper.model.safetensors_file import write_container

STORIES_15M = Shape(
    vocab=32000, dim=288, hidden=768, layers=6, heads=6, kv_heads=6, head_dim=48, max_seq=512
)
"""The shape of a well-known story model of 15 million weights."""

_CALIBRATION_SEQUENCES = 4
_CALIBRATION_TOKENS = 128


def write_random_checkpoint(folder: Path, shape: Shape, seed: int) -> None:
    """Write `config.json` and `model.safetensors`, tied embeddings, as a trainer would start them.

    Normal weights of deviation 1/sqrt(inputs), gains of 1; equal seeds give equal files.
    """
    random = np.random.Generator(np.random.PCG64(seed))

    def normal(*size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
        values = random.standard_normal(size, dtype=np.float32)
        return values / np.float32(np.sqrt(size[-1]))

    query, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    tensors = {
        "model.embed_tokens.weight": normal(shape.vocab, shape.dim),
        "model.norm.weight": np.ones(shape.dim, dtype=np.float32),
    }
    for layer in range(shape.layers):
        name = f"model.layers.{layer}"
        tensors |= {
            f"{name}.input_layernorm.weight": np.ones(shape.dim, dtype=np.float32),
            f"{name}.post_attention_layernorm.weight": np.ones(shape.dim, dtype=np.float32),
            f"{name}.self_attn.q_proj.weight": normal(query, shape.dim),
            f"{name}.self_attn.k_proj.weight": normal(keys, shape.dim),
            f"{name}.self_attn.v_proj.weight": normal(keys, shape.dim),
            f"{name}.self_attn.o_proj.weight": normal(shape.dim, query),
            f"{name}.mlp.gate_proj.weight": normal(shape.hidden, shape.dim),
            f"{name}.mlp.up_proj.weight": normal(shape.hidden, shape.dim),
            f"{name}.mlp.down_proj.weight": normal(shape.dim, shape.hidden),
        }
    folder.mkdir(parents=True, exist_ok=True)
    write_container(folder / "model.safetensors", {"format": "pt"}, tensors)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "hidden_size": shape.dim,
        "intermediate_size": shape.hidden,
        "max_position_embeddings": shape.max_seq,
        "model_type": "llama",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "vocab_size": shape.vocab,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def write_random_model(folder: Path, shape: Shape, *, gate_bits: int, seed: int = 1) -> None:
    """Write a random checkpoint and its integer export, calibrated on random tokens.

    Its tokenizer knows one word: prompts are token ids.
    """
    write_random_checkpoint(folder, shape, seed)
    checkpoint = load_checkpoint(folder)
    random = np.random.Generator(np.random.PCG64(seed + 1))
    sequences = random.integers(
        0, shape.vocab, (_CALIBRATION_SEQUENCES, min(_CALIBRATION_TOKENS, shape.max_seq))
    ).tolist()
    calibration = calibrate(checkpoint, sequences)
    model = export_model(checkpoint, calibration, ExportOptions(gate_bits=gate_bits))
    write_integer_model(folder / INTEGERS_FILE, model)
    write_tokenizer(folder)
    save_calibration(folder / "calibration.json", calibration)


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer that knows one word: prompts are token ids."""
    Tokenizer(WordLevel({"<unk>": 0}, unk_token="<unk>")).save(str(folder / "tokenizer.json"))
