from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from esper.model.checkpoint import assemble_checkpoint, load_checkpoint
from esper.model.config import parse_config, read_special_tokens
from esper.model.errors import (
    InvalidFieldError,
    MalformedFileError,
    MissingFileError,
    UnsupportedArchitectureError,
    WrongTensorError,
)
from tests.spec.random_checkpoint import (
    config_fields,
    named_tensors,
    random_checkpoint,
    write_checkpoint,
)


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_written_is_imported(tmp_path: Path, tied: bool) -> None:
    original = random_checkpoint(1, tied=tied)
    write_checkpoint(tmp_path, original)
    imported = load_checkpoint(tmp_path)
    assert imported.config == original.config
    assert imported.fingerprint() == original.fingerprint()
    assert (imported.lm_head is imported.embed) == tied


@pytest.mark.parametrize("element", ["BF16", "F16"])
def test_half_precision_weights(tmp_path: Path, element: str) -> None:
    """The same numbers, stored in two bytes, give the same checkpoint."""
    original = random_checkpoint(2)
    exact = {  # keep seven bits of fraction, which both element types hold
        name: (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        for name, array in named_tensors(original).items()
    }
    if element == "F16":
        exact = {name: array.astype(np.float16).astype(np.float32) for name, array in exact.items()}
    header: dict[str, object] = {}
    body = b""
    for name, array in exact.items():
        if element == "BF16":
            raw = (array.view(np.uint32) >> np.uint32(16)).astype("<u2").tobytes()
        else:
            raw = array.astype("<f2").tobytes()
        span = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": element, "shape": list(array.shape), "data_offsets": span}
        body += raw
    text = json.dumps(header).encode()
    (tmp_path / "config.json").write_text(json.dumps(config_fields(original)))
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + body)
    expected = assemble_checkpoint(original.config, exact)
    assert load_checkpoint(tmp_path).fingerprint() == expected.fingerprint()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "mistral"),
        ("hidden_act", "gelu"),
        ("attention_bias", True),
        ("mlp_bias", True),
        ("rope_scaling", {"rope_type": "dynamic", "factor": 8.0}),
        ("rope_interleaved", True),
        ("partial_rotary_factor", 0.5),
        ("sliding_window", 4096),
        ("quantization_config", {"bits": 4}),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 10000.0}),
        ("rope_parameters", {"rope_type": "default", "partial_rotary_factor": 0.5}),
    ],
)
def test_unsupported_arithmetic_is_refused_by_name(field: str, value: object) -> None:
    fields = config_fields(random_checkpoint(1)) | {field: value}
    with pytest.raises(UnsupportedArchitectureError) as refusal:
        parse_config(fields)
    assert refusal.value.field.split(".")[0] == field
    assert "choose another checkpoint" in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_size", 0),
        ("hidden_size", "16"),
        ("hidden_size", True),
        ("num_hidden_layers", None),
        ("num_key_value_heads", 3),
        ("head_dim", 5),
        ("rms_norm_eps", 0),
        ("rms_norm_eps", float("nan")),
        ("rope_theta", -1.0),
        ("tie_word_embeddings", "yes"),
        ("eos_token_id", [2, 3]),
        ("bos_token_id", 40),
        ("bos_token_id", None),
        ("rope_parameters", 5),
    ],
)
def test_bad_fields_are_named(field: str, value: object) -> None:
    fields = config_fields(random_checkpoint(1)) | {field: value}
    with pytest.raises(InvalidFieldError, match=field):
        parse_config(fields)


def test_rotary_base_of_both_places() -> None:
    fields = config_fields(random_checkpoint(1))
    assert parse_config(fields | {"rope_theta": 5e5}).rope_theta == 5e5
    nested = {"rope_type": "default", "rope_theta": 1e5}
    assert parse_config(fields | {"rope_parameters": nested}).rope_theta == 1e5


def test_heads_default_as_in_transformers() -> None:
    fields = config_fields(random_checkpoint(1))
    del fields["head_dim"], fields["num_key_value_heads"], fields["tie_word_embeddings"]
    config = parse_config(fields)
    assert (config.shape.head_dim, config.shape.kv_heads, config.tied) == (4, 4, False)


def test_special_tokens(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_checkpoint(1))
    assert read_special_tokens(tmp_path / "config.json") == (1, 2)


def test_tensor_errors_name_the_tensor() -> None:
    checkpoint = random_checkpoint(3)
    good = named_tensors(checkpoint)
    name = "model.layers.1.mlp.up_proj.weight"
    broken = [
        ({k: v for k, v in good.items() if k != name}, "missing"),
        (good | {name: good[name][:, :-1]}, "shape"),
        (good | {name: good[name].astype(np.int32)}, "int32"),
        (good | {name: np.full_like(good[name], np.nan)}, "NaN"),
        (good | {name: np.full_like(good[name], np.inf)}, "infinity"),
    ]
    for tensors, words in broken:
        with pytest.raises(WrongTensorError, match=words) as refusal:
            assemble_checkpoint(checkpoint.config, tensors)
        assert refusal.value.tensor == name


def test_unknown_tensors_are_refused_and_old_buffers_ignored() -> None:
    checkpoint = random_checkpoint(3)
    good = named_tensors(checkpoint)
    old = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(2, dtype=np.float32)}
    assert assemble_checkpoint(checkpoint.config, good | old).fingerprint()
    bias = {"model.layers.0.self_attn.q_proj.bias": np.ones(16, dtype=np.float32)}
    with pytest.raises(WrongTensorError, match=re.escape("q_proj.bias")):
        assemble_checkpoint(checkpoint.config, good | bias)


def test_a_tied_head_must_be_the_embedding() -> None:
    checkpoint = random_checkpoint(3)
    tensors = named_tensors(checkpoint)
    same = tensors | {"lm_head.weight": checkpoint.embed.copy()}
    assert assemble_checkpoint(checkpoint.config, same).fingerprint() == checkpoint.fingerprint()
    with pytest.raises(WrongTensorError, match="tie_word_embeddings"):
        assemble_checkpoint(checkpoint.config, tensors | {"lm_head.weight": checkpoint.embed + 1})


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"config\.json"):
        load_checkpoint(tmp_path)
    write_checkpoint(tmp_path, random_checkpoint(1))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"model\.safetensors"):
        load_checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(MalformedFileError, match="weight_map"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(MalformedFileError):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(MalformedFileError):
        load_checkpoint(tmp_path)
