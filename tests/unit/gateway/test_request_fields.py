"""Every row of the page on fields: what passes, and how the rest is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from esper.gateway.refusals import Refused
from esper.gateway.requests.asked import Endpoint, Request
from esper.gateway.requests.fields import TABLES
from esper.gateway.requests.reading import read_request

LEAST: dict[Endpoint, dict[str, Any]] = {
    Endpoint.CHAT: {"model": "m", "messages": [{"role": "user", "content": "The dog"}]},
    Endpoint.COMPLETIONS: {"model": "m", "prompt": "The dog"},
    Endpoint.RESPONSES: {"model": "m", "input": "The dog"},
    Endpoint.OLLAMA_CHAT: {"model": "m", "messages": [{"role": "user", "content": "The dog"}]},
    Endpoint.OLLAMA_GENERATE: {"model": "m", "prompt": "The dog"},
}
OPENAI = (Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.RESPONSES)
OLLAMA = (Endpoint.OLLAMA_CHAT, Endpoint.OLLAMA_GENERATE)
TOOL = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
JSON_FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}


def read(endpoint: Endpoint, fields: dict[str, Any], *, greedy_anyway: bool = False) -> Request:
    body = json.dumps({**LEAST[endpoint], **fields}).encode()
    return read_request(endpoint, body, greedy_anyway=greedy_anyway)


def refusal(endpoint: Endpoint, fields: dict[str, Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        read(endpoint, fields)
    return caught.value


# Fields of the row, what changes nothing, what is refused as a value that is not served.
SHARED: list[tuple[str, list[Any], list[Any]]] = [
    ("temperature", [0, 0.0], [0.7, 1, 2, -1]),
    ("top_p", [1, 1.0], [0.9, 0]),
    ("n", [1], [2, 0, 128]),
    ("best_of", [1], [2]),
    ("presence_penalty", [0], [0.5, -2]),
    ("frequency_penalty", [0], [0.5, -2]),
    ("logit_bias", [{}], [{"50256": -100}]),
    ("tools", [[]], [TOOL]),
    ("functions", [[]], [[{"name": "f"}]]),
    ("tool_choice", ["auto", "none"], ["required", {"type": "function"}]),
    ("function_call", ["auto", "none"], [{"name": "f"}]),
    ("response_format", [{"type": "text"}, {}], []),
    ("text", [{}, {"format": {"type": "text"}}, {"verbosity": "medium"}, {"format": None}], []),
    ("modalities", [["text"], []], [["text", "audio"], "text"]),
    ("images", [[]], [["aGk="]]),
    ("audio", [{}], [{"voice": "alloy", "format": "wav"}]),
    ("prediction", [{}], [{"type": "content", "content": "x"}]),
    ("web_search_options", [{}], [{"search_context_size": "low"}]),
    ("moderation", [{}], [{"model": "m"}]),
    ("echo", [False], [True]),
    ("suffix", [""], ["end"]),
    ("name", [""], ["me"]),
    ("background", [False], [True]),
    ("conversation", ["", {}], ["conv_1", {"id": "conv_1"}]),
    ("previous_response_id", [""], ["resp_1"]),
    ("store", [False], [True]),
    ("truncation", ["disabled"], ["auto"]),
    ("verbosity", ["medium"], ["low", "high"]),
    ("reasoning", [{}, {"effort": "none"}, {"effort": None, "summary": None}], []),
    ("reasoning_effort", ["none"], ["low", "medium", "high", "minimal"]),
    ("seed", [7, -1], []),
    ("user", ["someone"], []),
    ("metadata", [{"a": "b"}], []),
    ("safety_identifier", ["x"], []),
    ("prompt_cache_key", ["x"], []),
    ("prompt_cache_options", [{"mode": "implicit"}], []),
    ("prompt_cache_retention", ["24h"], []),
    ("client_metadata", [{"a": {"b": "c"}}], []),
    ("keep_alive", ["5m", 0, -1], []),
    ("service_tier", ["auto", "default"], ["flex", "priority"]),
    ("parallel_tool_calls", [True, False], []),
]
NESTED = [
    ("response_format", {"type": "json_object"}, "response_format.type"),
    ("response_format", JSON_FORM, "response_format.type"),
    ("text", {"format": JSON_FORM}, "text.format.type"),
    ("text", {"verbosity": "low"}, "text.verbosity"),
    ("reasoning", {"effort": "high"}, "reasoning.effort"),
    ("reasoning", {"summary": "auto"}, "reasoning.summary"),
]
NOTED = {
    "model", "max_tokens", "max_completion_tokens", "max_output_tokens", "stop", "stream",
    "stream_options", "esper",
}  # fmt: skip
"""Fields that say something: those of ``test_requests.py``."""

OLLAMA_FIELDS: list[tuple[str, list[Any], list[Any]]] = [
    ("format", [""], ["json", {"type": "object"}]),
    ("think", [False], [True, "high"]),
    ("keep_alive", ["5m", 0], []),
]
OPTIONS: list[tuple[str, list[Any], list[Any]]] = [
    ("temperature", [0], [0.8]),
    ("top_p", [1], [0.9]),
    ("typical_p", [1], [0.9]),
    ("tfs_z", [1], [2]),
    ("repeat_penalty", [1], [1.1]),
    ("top_k", [1, 0], [40]),
    ("min_p", [0], [0.05]),
    ("presence_penalty", [0], [1.5]),
    ("frequency_penalty", [0], [1]),
    ("mirostat", [0], [1]),
    *(
        (name, [4], [])
        for name in (
            "seed", "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread",
            "numa", "low_vram", "f16_kv", "vocab_only", "use_mmap", "use_mlock", "repeat_last_n",
            "penalize_newline", "mirostat_tau", "mirostat_eta",
        )
    ),
]  # fmt: skip
GENERATE: list[tuple[str, list[Any], list[Any]]] = [
    ("suffix", [""], ["end"]),
    ("images", [[]], [["aGk="]]),
    ("template", [""], ["{{ .Prompt }}"]),
    ("context", [[]], [[1, 2]]),
]


def passing() -> list[tuple[Endpoint, str, Any]]:
    return [
        (endpoint, name, value)
        for endpoints, rows in ((OPENAI, SHARED), (OLLAMA, OLLAMA_FIELDS))
        for endpoint in endpoints
        for name, values, _ in rows
        for value in values
    ] + [(Endpoint.OLLAMA_GENERATE, name, one) for name, values, _ in GENERATE for one in values]


def failing() -> list[tuple[Endpoint, str, Any]]:
    return [
        (endpoint, name, value)
        for endpoints, rows in ((OPENAI, SHARED), (OLLAMA, OLLAMA_FIELDS))
        for endpoint in endpoints
        for name, _, values in rows
        for value in values
    ] + [(Endpoint.OLLAMA_GENERATE, name, one) for name, _, values in GENERATE for one in values]


@pytest.mark.parametrize(("endpoint", "name", "value"), passing())
def test_what_changes_nothing_gives_the_same_request(
    endpoint: Endpoint, name: str, value: Any
) -> None:
    assert read(endpoint, {name: value}) == read(endpoint, {})


@pytest.mark.parametrize(("endpoint", "name", "value"), failing())
def test_what_is_not_served_is_refused_by_name(endpoint: Endpoint, name: str, value: Any) -> None:
    refused = refusal(endpoint, {name: value})
    assert (refused.code, refused.param, refused.status) == ("unsupported_value", name, 400)
    assert refused.message.startswith(name)


@pytest.mark.parametrize("endpoint", OPENAI)
@pytest.mark.parametrize(("name", "value", "param"), NESTED)
def test_what_is_not_served_inside_a_field(
    endpoint: Endpoint, name: str, value: Any, param: str
) -> None:
    refused = refusal(endpoint, {name: value})
    assert (refused.code, refused.param) == ("unsupported_value", param)


@pytest.mark.parametrize("endpoint", OLLAMA)
@pytest.mark.parametrize(("name", "passes", "fails"), OPTIONS)
def test_options(endpoint: Endpoint, name: str, passes: list[Any], fails: list[Any]) -> None:
    for value in passes:
        assert read(endpoint, {"options": {name: value}}) == read(endpoint, {})
    for value in fails:
        refused = refusal(endpoint, {"options": {name: value}})
        assert (refused.code, refused.param) == ("unsupported_value", f"options.{name}")


@pytest.mark.parametrize("endpoint", Endpoint)
def test_null_passes_everywhere(endpoint: Endpoint) -> None:
    least = LEAST[endpoint]
    for name in {*TABLES[endpoint], "never_heard_of"} - set(least):
        assert read(endpoint, {name: None}) == read(endpoint, {})
    for name in least:
        refused = refusal(endpoint, {name: None})
        assert (refused.code, refused.param) == ("invalid_value", name)


@pytest.mark.parametrize("endpoint", Endpoint)
def test_null_passes_inside_fields(endpoint: Endpoint) -> None:
    inner: dict[str, Any] = {"esper": {"prove": None, "wait": None, "max_price": None, "x": None}}
    if endpoint.is_ollama:
        inner["options"] = {"temperature": None, "stop": None}
    else:
        inner |= {"stream": True, "stream_options": {"include_usage": None}}
    assert read(endpoint, inner) == read(endpoint, {"stream": True})


@pytest.mark.parametrize("endpoint", Endpoint)
def test_an_unknown_field_is_refused(endpoint: Endpoint) -> None:
    unknown: list[tuple[dict[str, Any], str]] = [
        ({"guided_json": {}}, "guided_json"),
        ({"esper": {"priority": 1}}, "esper.priority"),
        ({"options": {"warp": 9}}, "options.warp" if endpoint.is_ollama else "options"),
    ]
    for fields, param in unknown:
        refused = refusal(endpoint, fields)
        assert (refused.code, refused.param) == ("unknown_parameter", param)


@pytest.mark.parametrize("name", ["esk_a1b2c3d4_SECRET", "The little dog", "x" * 41, "Ärger", ""])
def test_names_of_unknown_fields_are_told_back_only_where_they_look_like_some(name: str) -> None:
    refused = refusal(Endpoint.CHAT, {name: 1})
    assert (refused.code, refused.param) == ("unknown_parameter", None)
    assert not name or name not in refused.message


def test_numbers_that_are_none_are_invalid() -> None:
    for name in ("temperature", "top_p", "n", "best_of", "presence_penalty"):
        for value in (True, "1", [1]):
            refused = refusal(Endpoint.CHAT, {name: value})
            assert (refused.code, refused.param) == ("invalid_value", name)


def test_the_sentence_says_number_reason_and_remedy() -> None:
    refused = refusal(Endpoint.CHAT, {"temperature": 0.7})
    assert refused.message == (
        "temperature is 0.7: only greedy answers can be proven; send 0 or nothing"
    )


def test_sampling_is_replaced_and_told_where_the_key_says_so() -> None:
    fields = {"temperature": 0.7, "top_p": 0.9, "frequency_penalty": 1, "presence_penalty": 0}
    found = read(Endpoint.CHAT, fields, greedy_anyway=True)
    assert found.replaced == ("temperature", "top_p", "frequency_penalty")
    options = {"options": {"temperature": 0.8, "top_k": 40}}
    found = read(Endpoint.OLLAMA_CHAT, options, greedy_anyway=True)
    assert found.replaced == ("options.temperature", "options.top_k")
    # More answers than one would change the form of the reply, and letters are no temperature.
    refused: tuple[dict[str, Any], ...] = ({"n": 2}, {"temperature": "hot"})
    for other in refused:
        with pytest.raises(Refused):
            read(Endpoint.CHAT, other, greedy_anyway=True)


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_field_of_the_tables_stands_in_a_row_here(endpoint: Endpoint) -> None:
    own = {
        Endpoint.CHAT: {"messages", "logprobs", "top_logprobs"},
        Endpoint.COMPLETIONS: {"prompt", "logprobs"},
        Endpoint.RESPONSES: {"input", "instructions", "prompt", "include", "top_logprobs"},
        Endpoint.OLLAMA_CHAT: {"messages", "tools"},
        Endpoint.OLLAMA_GENERATE: {"prompt", "system", "raw", *(name for name, _, _ in GENERATE)},
    }
    shared = {name for name, _, _ in SHARED} | NOTED
    ollama = {name for name, _, _ in OLLAMA_FIELDS} | {
        "model", "options", "stream", "logprobs", "top_logprobs", "esper",
    }  # fmt: skip
    assert set(TABLES[endpoint]) == own[endpoint] | (ollama if endpoint.is_ollama else shared)
