"""Every member of a rotary code in config.json: honoured, known to change nothing, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from esper.model.config import parse_config
from esper.model.errors import InvalidFieldError, ModelError, UnsupportedArchitectureError
from esper.model.rotary import LinearScaling, Llama3Scaling
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
@pytest.mark.parametrize(
    ("kind", "feature"),
    [
        ("dynamic", "frequencies that change with the length of the text"),
        ("ntk", "frequencies that change with the length of the text"),
        ("yarn", "cosines and sines above 1"),
        ("longrope", "two sets of frequencies"),
        ("su", "two sets of frequencies"),
        ("mrope", "positions in three directions"),
        ("proportional", "a part of each head"),
        ("x", ""),
        (1, ""),
        (["a"], ""),
        ({}, ""),
    ],
)
def test_other_codes_are_refused_under_both_spellings(
    place: str, key: str, kind: Any, feature: str
) -> None:
    members = {key: kind, "factor": 4.0, "rope_theta": 10000.0}
    with pytest.raises(UnsupportedArchitectureError, match=rf"{place}\.{key}'") as refusal:
        parse_config(WITHOUT | {place: members})
    assert feature in refusal.value.feature
    assert bool(refusal.value.feature) == bool(feature)
    assert feature in str(refusal.value)
    assert "'default', 'linear' or 'llama3'" in str(refusal.value)


LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@pytest.mark.parametrize("place", ["rope_parameters", "rope_scaling"])
@pytest.mark.parametrize("key", ["type", "rope_type"])
def test_codes_of_one_frequency_a_pair_are_taken(place: str, key: str) -> None:
    linear = parse_config(FIELDS | {place: {key: "linear", "factor": 4}})
    assert linear.rope_scaling == LinearScaling(4.0)
    stretched = parse_config(FIELDS | {place: {key: "llama3", **LLAMA3}})
    assert stretched.rope_scaling == Llama3Scaling(8.0, 1.0, 4.0, 32)
    both = {"rope_type": "linear", "type": "linear", "factor": 4}
    assert parse_config(FIELDS | {place: both}) == linear
    # What another reader would do with it, a linear code does not do.
    known = {"original_max_position_embeddings": 16, "attention_factor": 1.0}
    assert parse_config(FIELDS | {place: {**both, **known}}) == linear
    twice = {name: {key: "llama3", **LLAMA3} for name in ("rope_parameters", "rope_scaling")}
    assert parse_config(FIELDS | twice) == stretched
    top = {"original_max_position_embeddings": 32, place: {key: "llama3", **LLAMA3}}
    assert parse_config(FIELDS | top) == stretched


@pytest.mark.parametrize("kind", ["linear", "llama3"])
def test_a_factor_of_one_is_the_plain_code(kind: str) -> None:
    members = {"rope_type": kind, **(LLAMA3 if kind == "llama3" else {}), "factor": 1}
    assert parse_config(FIELDS | {"rope_scaling": members}) == parse_config(FIELDS)


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"factor": None}, "factor"),
        ({"factor": 0.5}, "factor"),
        ({"factor": "8"}, "factor"),
        ({"factor": True}, "factor"),
        ({"factor": 1e12}, "factor"),
        ({"factor": 10**400}, "factor"),
        ({"low_freq_factor": None}, "low_freq_factor"),
        ({"low_freq_factor": 0}, "low_freq_factor"),
        ({"high_freq_factor": [4]}, "high_freq_factor"),
        ({"high_freq_factor": 1.0}, "high_freq_factor"),
        ({"high_freq_factor": 0.5}, "high_freq_factor"),
        ({"original_max_position_embeddings": None}, "original_max_position_embeddings"),
        ({"original_max_position_embeddings": 0}, "original_max_position_embeddings"),
        ({"original_max_position_embeddings": 32.0}, "original_max_position_embeddings"),
        ({"type": "linear"}, "type"),
        ({"rope_theta": 0.5}, "rope_theta"),
    ],
)
def test_numbers_of_a_scaled_code_that_do_not_serve_are_named(
    members: dict[str, Any], name: str
) -> None:
    scaling = {"rope_type": "llama3", **LLAMA3, **members}
    with pytest.raises(InvalidFieldError, match=rf"'rope_scaling\.{name}'"):
        parse_config(FIELDS | {"rope_scaling": scaling})


@pytest.mark.parametrize("factor", [None, 0.5, "4", True])
def test_a_linear_code_wants_its_factor(factor: Any) -> None:
    with pytest.raises(InvalidFieldError, match=r"rope_scaling\.factor"):
        parse_config(FIELDS | {"rope_scaling": {"type": "linear", "factor": factor}})
    wrong = {"type": "linear", "factor": 4.0, "original_max_position_embeddings": "16"}
    with pytest.raises(InvalidFieldError, match=r"original_max_position_embeddings"):
        parse_config(FIELDS | {"rope_scaling": wrong})


@pytest.mark.parametrize(
    "members",
    [
        {"attention_factor": 1.1},
        {"beta_fast": 32},
        {"mscale": 1.0},
        {"rope_interleaved": True},
        {"partial_rotary_factor": 0.5},
        {"nobody_knows": 1},
    ],
)
@pytest.mark.parametrize("kind", ["linear", "llama3"])
def test_a_scaled_code_has_its_own_members_alone(kind: str, members: dict[str, Any]) -> None:
    own = LLAMA3 if kind == "llama3" else {"factor": 8.0}
    (name,) = members
    with pytest.raises(UnsupportedArchitectureError, match=rf"rope_scaling\.{name}'"):
        parse_config(FIELDS | {"rope_scaling": {"rope_type": kind, **own, **members}})
    with pytest.raises(UnsupportedArchitectureError, match="low_freq_factor"):
        parse_config(
            FIELDS | {"rope_scaling": {"type": "linear", "factor": 8.0, "low_freq_factor": 1.0}}
        )


def test_two_places_that_name_different_codes() -> None:
    linear, other = {"type": "linear", "factor": 4.0}, {"type": "linear", "factor": 2.0}
    for second in (other, {"rope_type": "llama3", **LLAMA3}, {"rope_type": "default"}):
        with pytest.raises(InvalidFieldError, match=r"'rope_scaling\.(rope_)?type'"):
            parse_config(FIELDS | {"rope_parameters": linear, "rope_scaling": second})
    silent = {"rope_parameters": linear, "rope_scaling": {"rope_theta": 5e5}}
    assert parse_config(WITHOUT | silent).rope_scaling == LinearScaling(4.0)
    top = {"original_max_position_embeddings": 16, "rope_scaling": {"type": "llama3", **LLAMA3}}
    with pytest.raises(UnsupportedArchitectureError, match="'original_max_position_embeddings'"):
        parse_config(FIELDS | top)


@pytest.mark.parametrize("place", ["rope_parameters", "rope_scaling"])
@pytest.mark.parametrize("members", MEMBERS)
def test_members_of_other_codes_are_refused_by_name(place: str, members: dict[str, Any]) -> None:
    (name,) = members
    with pytest.raises(UnsupportedArchitectureError, match=rf"{place}\.{name}'"):
        parse_config(WITHOUT | {place: {"rope_type": "default"} | members})


@pytest.mark.parametrize(
    "members",
    [
        *({"rope_type": kind} for kind in ("linear", "yarn", "x")),
        *MEMBERS[:-2],
        *(
            {"type": "dynamic"},
            {"type": "llama3"},
            {"rotary_pct": 0.25},
            {"rope_scaling_factor": 2.0},
        ),
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


@pytest.mark.parametrize("wrong", [0, -1, 0.99, 1e-300, "10000", True, [1], 1e300])
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
