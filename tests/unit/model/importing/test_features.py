"""What the importer cannot do, it names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from esper.model.checkpoint import assemble_checkpoint
from esper.model.config import parse_config
from esper.model.errors import UnsupportedArchitectureError, WrongTensorError
from esper.model.importing.features import FEATURE_OF_TYPE, PLAIN_FIELDS
from tests.spec.random_checkpoint import config_fields, named_tensors, random_checkpoint

CHECKPOINT = random_checkpoint(3)
FIELDS = config_fields(CHECKPOINT)
TENSORS = named_tensors(CHECKPOINT)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("hidden_act", "gelu", "another activation than SiLU"),
        ("hidden_act", ["silu"], "another activation than SiLU"),
        ("attention_bias", True, "biases of attention"),
        ("mlp_bias", True, "biases of the feed-forward part"),
        ("sliding_window", 4096, "a sliding window of attention"),
        ("attention_chunk_size", 8192, "attention within chunks"),
        ("num_local_experts", 8, "a mixture of experts"),
        ("use_qk_norm", True, "norms of queries and keys"),
        ("final_logit_softcapping", 30.0, "capped logits"),
        ("residual_multiplier", 0.22, "scaled updates"),
        ("quantization_config", {"bits": 4}, "quantised weights"),
        ("no_rope_layers", [1, 0], "layers without a rotary code"),
    ],
)
def test_a_field_is_refused_with_its_feature(field: str, value: Any, words: str) -> None:
    with pytest.raises(UnsupportedArchitectureError) as refusal:
        parse_config({**FIELDS, field: value})
    assert refusal.value.field == field
    assert refusal.value.feature == words
    assert f"'{field}' is {value!r} ({words}), supported is " in str(refusal.value)


@pytest.mark.parametrize("field", PLAIN_FIELDS)
def test_every_field_has_values_that_change_nothing(field: str) -> None:
    plain, feature = PLAIN_FIELDS[field]
    for value in plain:
        assert parse_config({**FIELDS, field: value}) == parse_config(FIELDS)
    with pytest.raises(UnsupportedArchitectureError, match=feature.replace("(", r"\(")[:20]):
        parse_config({**FIELDS, field: {"something": "else"}})


@pytest.mark.parametrize("kind", [*FEATURE_OF_TYPE, "rwkv", None, ["llama"], 7])
def test_another_family_is_refused_with_what_it_has(kind: Any) -> None:
    with pytest.raises(UnsupportedArchitectureError, match="'model_type'") as refusal:
        parse_config({**FIELDS, "model_type": kind})
    known = isinstance(kind, str) and kind != "rwkv"
    assert bool(refusal.value.feature) == known
    assert "choose another checkpoint" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.layers.0.self_attn.q_proj.bias", "biases of attention"),
        ("model.layers.1.mlp.up_proj.bias", "biases of the feed-forward part"),
        ("model.norm.bias", "norms with a bias"),
        ("model.layers.0.self_attn.q_norm.weight", "norms of queries and keys"),
        ("model.layers.0.block_sparse_moe.experts.0.w1.weight", "a mixture of experts"),
        ("model.layers.0.mlp.experts.3.up_proj.weight", "a mixture of experts"),
        ("model.layers.0.mlp.gate.weight", "a mixture of experts"),
        ("model.layers.0.self_attn.qkv_proj.weight", "joined projections"),
        ("model.layers.0.mlp.up_proj.qweight", "quantised weights"),
        ("model.layers.0.mlp.up_proj.weight_scale_inv", "quantised weights"),
        ("model.layers.0.self_attn.q_proj.lora_A.weight", "an adapter"),
        ("model.layers.0.post_feedforward_layernorm.weight", "norms after the updates"),
        ("score.weight", "a head that classifies"),
        ("vision_tower.patch.weight", "other inputs than text"),
        ("transformer.wpe.weight", "learned positions"),
        ("model.layers.2.input_layernorm.weight", "num_hidden_layers in config.json is 2"),
        ("something.else", "unknown"),
    ],
)
def test_a_tensor_is_refused_with_its_feature(name: str, words: str) -> None:
    zeros = np.zeros(16, dtype=np.float32)
    with pytest.raises(WrongTensorError) as refusal:
        assemble_checkpoint(CHECKPOINT.config, {**TENSORS, name: zeros})
    assert refusal.value.tensor == name
    assert words in str(refusal.value)


def test_a_feature_is_named_before_what_is_missing_because_of_it() -> None:
    moe = {name: array for name, array in TENSORS.items() if ".mlp." not in name}
    moe["model.layers.0.mlp.experts.gate_up_proj"] = np.zeros(3, dtype=np.float32)
    with pytest.raises(WrongTensorError, match="a mixture of experts"):
        assemble_checkpoint(CHECKPOINT.config, moe)


def test_no_tensor_of_a_plain_model_is_taken_for_a_feature() -> None:
    buffers = {
        f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": np.ones(2, dtype=np.float32)
        for layer in (0, 1, 7)
    }
    assert assemble_checkpoint(CHECKPOINT.config, {**TENSORS, **buffers}).fingerprint()


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "x" * 100_000, ".self_attn." * 5000])
def test_names_that_no_sentence_holds(name: str) -> None:
    with pytest.raises(WrongTensorError, match="printable characters") as refusal:
        assemble_checkpoint(CHECKPOINT.config, {**TENSORS, name: np.zeros(1, dtype=np.float32)})
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 500
