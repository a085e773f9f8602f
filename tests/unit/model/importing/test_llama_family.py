"""Checkpoints of the Llama family, imported, against an oracle that shares no code with them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from esper.model import load_model
from esper.model.checkpoint import Checkpoint, load_checkpoint
from esper.model.config import Shape, parse_config
from esper.model.errors import InvalidFieldError, WrongTensorError
from esper.model.exporting.calibration import calibrate
from esper.model.exporting.export import export_model
from esper.model.exporting.float_reference import FloatModel
from esper.model.g16_format import write_integer_model
from esper.model.safetensors_file import AnyArray
from tests.spec.llama_reference import Llama
from tests.spec.random_checkpoint import (
    SMALL,
    config_fields,
    named_tensors,
    random_checkpoint,
    write_tokenizer,
)
from tests.support.checkpoint_folders import as_stored, write_in_parts, write_part

ONE_KEY_HEAD = Shape(40, 16, 24, layers=2, heads=4, kv_heads=1, head_dim=4, max_seq=64)
WIDE_HEADS = Shape(40, 16, 24, layers=1, heads=3, kv_heads=3, head_dim=8, max_seq=64)
LONG_HEADS = Shape(40, 16, 24, layers=2, heads=2, kv_heads=1, head_dim=32, max_seq=64)
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LINEAR = {"type": "linear", "factor": 4.0}
TOKENS = [1, *range(3, 40, 2), 5, 5, 6]
CASES: dict[str, tuple[Shape, bool, dict[str, Any], str, int]] = {
    # sizes, tied, fields of config.json, element types in turn, number of parts
    "plain": (SMALL, True, {}, "F32", 1),
    "untied": (SMALL, False, {}, "F32", 1),
    "one key head": (ONE_KEY_HEAD, True, {}, "F32", 1),
    "wide heads": (WIDE_HEADS, True, {}, "F32", 1),
    "f16": (SMALL, True, {"torch_dtype": "float16"}, "F16", 1),
    "bf16": (SMALL, True, {"dtype": "bfloat16"}, "BF16", 1),
    "mixed": (SMALL, False, {}, "BF16 F32 F16", 1),
    "parts": (SMALL, False, {}, "BF16 F16 F32", 3),
    "linear": (LONG_HEADS, True, {"rope_scaling": LINEAR}, "F32", 1),
    "llama3": (LONG_HEADS, True, {"rope_scaling": LLAMA3}, "F32", 1),
    "llama3 of transformers 5": (
        LONG_HEADS,
        True,
        {"rope_theta": None, "rope_parameters": {**LLAMA3, "rope_theta": 500000.0}},
        "BF16",
        2,
    ),
}


def _fields(checkpoint: Checkpoint, other: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in {**config_fields(checkpoint), **other}.items() if v is not None}


def _write(folder: Path, case: str) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """A folder, and what the oracle is to read: fields and exact values."""
    shape, tied, other, elements, parts = CASES[case]
    checkpoint = random_checkpoint(61, shape, tied=tied)
    fields = _fields(checkpoint, other)
    kinds = elements.split()
    tensors = {
        name: (array, kinds[at % len(kinds)])
        for at, (name, array) in enumerate(sorted(named_tensors(checkpoint).items()))
    }
    (folder / "config.json").write_text(json.dumps(fields))
    if parts == 1:
        write_part(folder / "model.safetensors", tensors)
    else:
        write_in_parts(folder, tensors, parts)
    return fields, {name: as_stored(*tensor) for name, tensor in tensors.items()}


@pytest.mark.parametrize("case", CASES)
def test_the_float_model_is_the_oracle(tmp_path: Path, case: str) -> None:
    fields, tensors = _write(tmp_path, case)
    wanted = np.array(Llama(fields, tensors).logits(TOKENS))
    got = FloatModel(load_checkpoint(tmp_path)).logits(np.array([TOKENS]))[0]
    assert np.abs(wanted).max() > 1
    assert np.abs(got - wanted).max() < 2e-5


def test_the_oracle_notices_each_feature(tmp_path: Path) -> None:
    """A comparison that no feature enters into would show nothing."""
    fields, tensors = _write(tmp_path, "llama3")
    wanted = np.array(Llama(fields, tensors).logits(TOKENS))
    for other in ({"rope_scaling": LINEAR}, {"rope_scaling": None}, {"rope_theta": 500.0}):
        changed = np.array(Llama({**fields, **other}, tensors).logits(TOKENS))
        assert np.abs(changed - wanted).max() > 1e-2


@pytest.mark.parametrize("case", ["linear", "llama3", "llama3 of transformers 5", "parts"])
def test_the_integers_follow(tmp_path: Path, case: str) -> None:
    _write(tmp_path, case)
    write_tokenizer(tmp_path, 40)
    checkpoint = load_checkpoint(tmp_path)
    random = np.random.default_rng(5)
    sequences = [[1, *random.integers(3, 40, 50).tolist()] for _ in range(6)]
    model = export_model(checkpoint, calibrate(checkpoint, sequences))
    write_integer_model(tmp_path / "g16.safetensors", model)
    got = load_model(tmp_path).logits(sequences[0]) * 0.5**model.parameters.logit_bits
    wanted = FloatModel(checkpoint).logits(np.array([sequences[0]]))[0].astype(np.float64)
    assert np.sqrt(np.mean((got - wanted) ** 2) / np.mean(wanted**2)) < 0.05


def test_a_calibration_is_of_one_rotary_code() -> None:
    """Plain models keep the fingerprints of calibrations that were saved before."""
    checkpoint = random_checkpoint(11)
    prints = {checkpoint.fingerprint()}
    for scaling in (LINEAR, {**LINEAR, "factor": 8}, LLAMA3):
        config = parse_config({**config_fields(checkpoint), "rope_scaling": scaling})
        prints.add(replace(checkpoint, config=config).fingerprint())
    assert len(prints) == 4
    # As it was before there were scaled codes: without a word of them.
    hasher = hashlib.sha256(
        b'{"bos": 1, "eos": 2, "norm_eps": 1e-05, "rope_theta": 10000.0, "shape": {"dim": 16, '
        b'"head_dim": 4, "heads": 4, "hidden": 24, "kv_heads": 2, "layers": 2, "max_seq": 64, '
        b'"vocab": 40}, "tied": true}'
    )
    hasher.update(checkpoint.embed.tobytes() * 2 + checkpoint.final_norm.tobytes())
    for layer in checkpoint.layers:
        hasher.update(layer.norm1.tobytes() + layer.norm2.tobytes())
        for name in ("q", "k", "v", "o", "gate", "up", "down"):
            hasher.update(layer.linear[f"{name}_proj"].tobytes())
    assert checkpoint.fingerprint() == hasher.hexdigest()


ODDITIES: list[dict[str, Any]] = [
    {"torch_dtype": "bfloat16"},
    {"dtype": "float16", "transformers_version": "5.0.0"},
    {"architectures": ["LlamaForCausalLM"], "use_cache": True, "attention_dropout": 0.0},
    {"head_dim": None},
    {"eos_token_id": [2]},
    {"rope_theta": None, "rope_scaling": {"rope_theta": 10000.0}},
    {"rope_scaling": {"type": "default"}, "rope_parameters": {"rope_type": "default"}},
    {"sliding_window": None, "attention_bias": False, "mlp_bias": False, "num_experts": 0},
    {"num_local_experts": None, "qk_norm": False, "residual_multiplier": 1.0},
    {"pad_token_id": 0, "initializer_range": 0.02, "is_llama_config": True, "_name_or_path": "x"},
]


@pytest.mark.parametrize("other", ODDITIES)
def test_what_changes_nothing_changes_nothing(other: dict[str, Any]) -> None:
    fields = config_fields(random_checkpoint(1))
    assert parse_config({**fields, **other}) == parse_config(fields)


@pytest.mark.parametrize("ids", [[2, 3], [], ["2"], [[2]], [40]])
def test_of_several_tokens_that_end_an_answer_one_is_to_be_written(ids: Any) -> None:
    fields = config_fields(random_checkpoint(1))
    with pytest.raises(InvalidFieldError, match=r"'eos_token_id' is .*write the one"):
        parse_config({**fields, "eos_token_id": ids})


def test_embeddings_that_nobody_says_are_tied(tmp_path: Path) -> None:
    """Absent is untied, as in transformers; a folder without the other matrix is told of both."""
    checkpoint = random_checkpoint(3)
    fields = _fields(checkpoint, {"tie_word_embeddings": None})
    assert "tie_word_embeddings" not in fields
    (tmp_path / "config.json").write_text(json.dumps(fields))
    tensors = {name: (array, "F32") for name, array in named_tensors(checkpoint).items()}
    write_part(tmp_path / "model.safetensors", tensors)
    with pytest.raises(
        WrongTensorError, match=r'lm_head.weight.* is missing.*"tie_word_embeddings"'
    ):
        load_checkpoint(tmp_path)
    write_part(
        tmp_path / "model.safetensors", {**tensors, "lm_head.weight": (checkpoint.embed, "F32")}
    )
    assert not load_checkpoint(tmp_path).config.tied
