"""Every member of a rotary code in config.json: honoured, known to change nothing, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from esper.model.config import parse_config
from esper.model.errors import InvalidFieldError, ModelError, UnsupportedArchitectureError
from tests.spec.random_checkpoint import config_fields, random_checkpoint

FIELDS = config_fields(random_checkpoint(1))
WITHOUT = {name: value for name, value in FIELDS.items() if name != "rope_theta"}
MEMBERS = (
    {"factor": 4.0},
    {"factor": 8},
    {"attention_factor": 0.5},
    {"partial_rotary_factor": 0.5},
    {"beta_fast": 32},
    {"low_freq_factor": 1.0},
    {"short_factor": [1.0]},
    {"mscale": 1.0},
    {"original_max_position_embeddings": 32},
    {"rope_interleaved": True},
    {"mrope_section": [1]},
    {"nobody_knows": 0},
    {"full_attention": {"rope_type": "default"}},
)


@pytest.mark.parametrize("place", ["rope_parameters", "rope_scaling"])
@pytest.mark.parametrize("key", ["type", "rope_type"])
@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn", "llama3", "longrope", "x", 1, ["a"]])
def test_other_codes_are_refused_under_both_spellings(place: str, key: str, kind: Any) -> None:
    members = {key: kind, "factor": 4.0, "rope_theta": 10000.0}
    with pytest.raises(UnsupportedArchitectureError, match=rf"{place}\.{key}'"):
        parse_config(WITHOUT | {place: members})


@pytest.mark.parametrize("place", ["rope_parameters", "rope_scaling"])
@pytest.mark.parametrize("members", MEMBERS)
def test_members_of_other_codes_are_refused_by_name(place: str, members: dict[str, Any]) -> None:
    (name,) = members
    with pytest.raises(UnsupportedArchitectureError, match=rf"{place}\.{name}'"):
        parse_config(WITHOUT | {place: {"rope_type": "default"} | members})


@pytest.mark.parametrize(
    "members",
    [
        *({"rope_type": kind} for kind in ("linear", "yarn")),
        *MEMBERS[:-2],
        *({"type": "dynamic"}, {"rotary_pct": 0.25}, {"rope_scaling_factor": 2.0}),
    ],
)
def test_at_the_top_as_well(members: dict[str, Any]) -> None:
    (name,) = members
    with pytest.raises(UnsupportedArchitectureError, match=f"'{name}'"):
        parse_config(FIELDS | members)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"rope_type": "default"},
        {"type": "default"},
        {"rope_type": None, "factor": None},
        {"rope_type": "default", "factor": 1.0, "attention_factor": 1, "partial_rotary_factor": 1},
        {"type": "default", "original_max_position_embeddings": 64, "rope_interleaved": False},
    ],
)
@pytest.mark.parametrize("place", ["rope_parameters", "rope_scaling"])
def test_what_scales_nothing_is_taken(place: str, members: dict[str, Any]) -> None:
    assert parse_config(FIELDS | {place: members}) == parse_config(FIELDS)
    assert parse_config(FIELDS | members | {place: None}) == parse_config(FIELDS)


def test_the_base_is_honoured_wherever_it_stands() -> None:
    assert parse_config(WITHOUT).rope_theta == 10000.0
    for place in ("rope_parameters", "rope_scaling"):
        assert parse_config(WITHOUT | {place: {"rope_theta": 5e5}}).rope_theta == 5e5
    both = {"rope_parameters": {"rope_theta": 5e5}, "rope_scaling": {"rope_theta": 1e5}}
    with pytest.raises(InvalidFieldError, match=r"rope_scaling\.rope_theta"):
        parse_config(FIELDS | both)


@pytest.mark.parametrize("wrong", [0, -1, "10000", True, [1], 1e300])
def test_a_base_that_is_no_positive_number_is_refused(wrong: Any) -> None:
    for fields in ({"rope_theta": wrong}, {"rope_parameters": {"rope_theta": wrong}}):
        with pytest.raises(InvalidFieldError, match="rope_theta"):
            parse_config(FIELDS | fields)


@pytest.mark.parametrize("place", ["rope_parameters", "rope_scaling"])
def test_what_is_no_object_is_refused(place: str) -> None:
    with pytest.raises(InvalidFieldError, match=place):
        parse_config(FIELDS | {place: "linear"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attention_bias", True),
        ("mlp_bias", True),
        ("hidden_act", "gelu"),
        ("hidden_act", "relu"),
        ("sliding_window", 4096),
        ("pretraining_tp", 2),
        ("quantization_config", {"bits": 4}),
        ("model_type", "mistral"),
        ("max_position_embeddings", 65537),
        ("max_position_embeddings", 10**400),
        ("num_hidden_layers", 1025),
        ("hidden_size", 65538),
        ("intermediate_size", 1 << 17),
        ("vocab_size", (1 << 25) + 1),
    ],
)
def test_what_the_format_lacks_is_named_with_its_limit(name: str, value: Any) -> None:
    with pytest.raises(ModelError, match=f"'{name}'") as refused:
        parse_config(FIELDS | {name: value})
    assert len(str(refused.value)) < 500
    assert "calibration" not in str(refused.value)


def test_the_longest_model_of_the_format_is_taken() -> None:
    assert parse_config(FIELDS | {"max_position_embeddings": 65536}).shape.max_seq == 65536
    with pytest.raises(UnsupportedArchitectureError, match="write 65536 there"):
        parse_config(FIELDS | {"max_position_embeddings": 131072})


def test_absent_and_empty_fields_are_those_of_transformers() -> None:
    absent = {name: value for name, value in FIELDS.items() if name != "rms_norm_eps"}
    assert parse_config(absent).norm_eps == 1e-6
    plain = {"attention_bias": None, "mlp_bias": None, "hidden_act": "swish"}
    assert parse_config(FIELDS | plain) == parse_config(FIELDS)
