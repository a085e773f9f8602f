"""What a request says: messages, prompts, ceilings, stops, streams and wishes."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest

from esper.gateway.reduction import reduce_request, reduction_bytes
from esper.gateway.refusals import Refused
from esper.gateway.requests.asked import Endpoint, Message, Prove, Request, Wait
from esper.gateway.requests.reading import MAX_BODY_BYTES, read_request
from esper.gateway.requests.room import answer_room, check_token_ids

USER = {"role": "user", "content": "The dog"}
CHAT: dict[str, Any] = {"model": "esper-t0", "messages": [USER]}
OPENAI = (Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.RESPONSES)


def least(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint in (Endpoint.CHAT, Endpoint.OLLAMA_CHAT):
        return CHAT
    return {"model": "esper-t0", "input" if endpoint is Endpoint.RESPONSES else "prompt": "The dog"}


def read(fields: dict[str, Any], endpoint: Endpoint = Endpoint.CHAT) -> Request:
    return read_request(endpoint, json.dumps({**least(endpoint), **fields}).encode())


def refused(fields: dict[str, Any], endpoint: Endpoint = Endpoint.CHAT) -> tuple[str, str | None]:
    with pytest.raises(Refused) as caught:
        read(fields, endpoint)
    return caught.value.code, caught.value.param


def test_the_example_of_the_page() -> None:
    found = read({"stream": True, "stop": "Tim", "esper": {"prove": "always"}})
    assert found == Request(
        endpoint=Endpoint.CHAT,
        model="esper-t0",
        input=(Message("user", "The dog"),),
        stop=("Tim",),
        stream=True,
        prove=Prove.ALWAYS,
    )


def test_roles_and_text_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    found = read(
        {
            "messages": [
                {"role": "developer", "content": "x"},
                {"role": "system", "content": ""},
                {"role": "user", "content": parts},
                {"role": "assistant", "content": "y", "tool_calls": [], "refusal": None},
            ]
        }
    )
    assert found.input == (
        Message("system", "x"),
        Message("system", ""),
        Message("user", "ab"),
        Message("assistant", "y"),
    )


@pytest.mark.parametrize(
    ("messages", "code", "param"),
    [
        ([], "invalid_value", "messages"),
        ([USER] * 257, "invalid_value", "messages"),
        # Their number is judged before any of them is read.
        ([USER] * 256 + [7], "invalid_value", "messages"),
        ("hello", "invalid_value", "messages"),
        ([7], "invalid_value", "messages[0]"),
        ([USER, {"role": "tool", "content": "x"}], "unsupported_value", "messages[1].role"),
        ([{"content": "x"}], "invalid_value", "messages[0].role"),
        ([{"role": "user"}], "invalid_value", "messages[0].content"),
        ([{"role": "user", "content": None}], "invalid_value", "messages[0].content"),
        ([{"role": "user", "content": 7}], "invalid_value", "messages[0].content"),
        ([{**USER, "name": "me"}], "unsupported_value", "messages[0].name"),
        ([{**USER, "images": ["aGk="]}], "unsupported_value", "messages[0].images"),
        ([{**USER, "tool_calls": [{}]}], "unsupported_value", "messages[0].tool_calls"),
        ([{**USER, "mood": "glad"}], "unknown_parameter", "messages[0].mood"),
        (
            [{"role": "user", "content": [{"image_url": {}, "type": "image_url"}]}],
            "unsupported_value",
            "messages[0].content[0].type",
        ),
        (
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            "unsupported_value",
            "messages[0].content[0].type",
        ),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            "invalid_value",
            "messages[0].content[0].text",
        ),
        (
            [{"role": "user", "content": [{"text": "x"}]}],
            "invalid_value",
            "messages[0].content[0].type",
        ),
        ([{"role": "user", "content": ["x"]}], "invalid_value", "messages[0].content[0]"),
    ],
)
def test_messages_that_are_not_taken(messages: Any, code: str, param: str) -> None:
    assert refused({"messages": messages}) == (code, param)


def test_256_messages_are_taken() -> None:
    assert len(read({"messages": [USER] * 256}).input) == 256


def test_prompts_of_completions() -> None:
    def prompt(value: Any) -> Any:
        return read({"prompt": value}, Endpoint.COMPLETIONS).input

    assert prompt("") == ""
    assert prompt("a") == prompt(["a"]) == "a"
    assert prompt([1, 2]) == prompt([[1, 2]]) == (1, 2)
    for value, code in [
        (["a", "b"], "unsupported_value"),
        ([[1], [2]], "unsupported_value"),
        ([], "invalid_value"),
        ([[]], "invalid_value"),
        ({}, "invalid_value"),
        ([1, "a"], "invalid_value"),
        ([1, True], "invalid_value"),
        ([-1], "invalid_value"),
        ([1 << 32], "invalid_value"),
        ([1.0], "invalid_value"),
    ]:
        assert refused({"prompt": value}, Endpoint.COMPLETIONS)[0] == code, value


def test_inputs_of_responses() -> None:
    def items(value: Any, **fields: Any) -> Any:
        return read({"input": value, **fields}, Endpoint.RESPONSES).input

    assert items("a") == (Message("user", "a"),)
    assert items("a", instructions="be brief") == (
        Message("system", "be brief"),
        Message("user", "a"),
    )
    earlier = {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}],
    }
    part = {"type": "input_text", "text": "c"}
    assert items([earlier, {"role": "user", "content": [part]}]) == (
        Message("assistant", "b"),
        Message("user", "c"),
    )
    call = {"call_id": "x", "type": "function_call_output", "output": "y"}
    assert refused({"input": [call]}, Endpoint.RESPONSES) == (
        "unsupported_value",
        "input[0].type",
    )
    assert refused({"prompt": {"id": "p"}}, Endpoint.RESPONSES) == ("unsupported_value", "prompt")
    many = {"input": [USER] * 256, "instructions": "x"}
    assert refused(many, Endpoint.RESPONSES) == ("invalid_value", "input")


def test_what_codex_sends_passes_without_its_tools() -> None:
    found = read(
        {
            "instructions": "You are Codex.",
            "tools": [],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "reasoning": None,
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "1",
            "client_metadata": {"a": "b"},
            "text": {"verbosity": "medium"},
            "service_tier": None,
        },
        Endpoint.RESPONSES,
    )
    assert found.stream
    assert found.top_logprobs is None
    tools = [{"type": "function", "name": "shell"}]
    assert refused({"tools": tools}, Endpoint.RESPONSES) == ("unsupported_value", "tools")


def test_ollama() -> None:
    found = read({"system": "be brief", "options": {"num_predict": 9, "stop": ["x"]}},
                 Endpoint.OLLAMA_GENERATE)  # fmt: skip
    assert found.input == (Message("system", "be brief"), Message("user", "The dog"))
    assert (found.stream, found.max_tokens, found.stop) == (True, 9, ("x",))
    assert read({"raw": True}, Endpoint.OLLAMA_GENERATE).input == "The dog"
    assert not read({"stream": False}, Endpoint.OLLAMA_CHAT).stream
    assert read({"model": "esper-t0:latest"}, Endpoint.OLLAMA_CHAT).model == "esper-t0"
    for none in (-1, -2):
        assert read({"options": {"num_predict": none}}, Endpoint.OLLAMA_CHAT).max_tokens == 0
    for wrong in (0, -3, True, -1.0):
        options = {"options": {"num_predict": wrong}}
        assert refused(options, Endpoint.OLLAMA_CHAT) == ("invalid_value", "options.num_predict")
    generate = Endpoint.OLLAMA_GENERATE
    assert refused({"prompt": ""}, generate) == ("invalid_value", "prompt")
    assert refused({"raw": True, "system": "x"}, generate) == ("invalid_value", "system")
    assert refused({"tools": [{}]}, Endpoint.OLLAMA_CHAT) == ("unsupported_value", "tools")


def test_the_least_ceiling_counts() -> None:
    fields = {"max_tokens": 9, "max_completion_tokens": 7, "max_output_tokens": 8}
    assert read(fields).max_tokens == 7
    for name in fields:
        for wrong in (0, -1, 1.0, "9", True, 1 << 53):
            assert refused({name: wrong}) == ("invalid_value", name)


def test_stops() -> None:
    assert read({"stop": ["a", "b" * 64, "é" * 64, "\n"]}).stop == ("a", "b" * 64, "é" * 64, "\n")
    assert read({"stop": []}).stop == ()
    for value, param in [
        ("", "stop"),
        ("x" * 65, "stop"),
        (["a", ""], "stop[1]"),
        (["a"] * 5, "stop"),
        ([7], "stop[0]"),
        (7, "stop"),
    ]:
        assert refused({"stop": value}) == ("invalid_value", param)


@pytest.mark.parametrize("endpoint", OPENAI)
def test_options_of_a_stream(endpoint: Endpoint) -> None:
    options = {"include_usage": True, "include_obfuscation": True}
    found = read({"stream": True, "stream_options": options}, endpoint)
    assert (found.include_usage, found.obfuscate) == (True, True)
    for stream in (None, False):
        fields = {"stream": stream, "stream_options": options}
        assert refused(fields, endpoint) == ("invalid_value", "stream_options")
    wrong = {"stream": True, "stream_options": {"include_usage": 1}}
    assert refused(wrong, endpoint) == ("invalid_value", "stream_options.include_usage")
    unknown = {"stream": True, "stream_options": {"colour": 1}}
    assert refused(unknown, endpoint) == ("unknown_parameter", "stream_options.colour")
    assert refused({"stream": "yes"}, endpoint) == ("invalid_value", "stream")


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.OLLAMA_CHAT])
def test_logprobs(endpoint: Endpoint) -> None:
    assert read({}, endpoint).top_logprobs is None
    assert read({"logprobs": False, "top_logprobs": 0}, endpoint).top_logprobs is None
    assert read({"logprobs": True}, endpoint).top_logprobs == 0
    assert read({"logprobs": True, "top_logprobs": 20}, endpoint).top_logprobs == 20
    for fields in ({"top_logprobs": 1}, {"logprobs": True, "top_logprobs": 21}):
        assert refused(fields, endpoint) == ("invalid_value", "top_logprobs")
    assert refused({"logprobs": 1}, endpoint) == ("invalid_value", "logprobs")


def test_logprobs_of_completions_and_responses() -> None:
    assert read({"logprobs": 0}, Endpoint.COMPLETIONS).top_logprobs == 0
    assert read({"logprobs": 5}, Endpoint.COMPLETIONS).top_logprobs == 5
    assert read({"logprobs": False}, Endpoint.COMPLETIONS).top_logprobs is None
    for wrong in (6, -1, True):
        assert refused({"logprobs": wrong}, Endpoint.COMPLETIONS) == ("invalid_value", "logprobs")
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 3}
    assert read(asked, Endpoint.RESPONSES).top_logprobs == 3
    assert refused({"top_logprobs": 3}, Endpoint.RESPONSES) == ("invalid_value", "top_logprobs")
    include = {"include": ["file_search_call.results"]}
    assert refused(include, Endpoint.RESPONSES) == ("unsupported_value", "include[0]")


@pytest.mark.parametrize("endpoint", Endpoint)
def test_wishes(endpoint: Endpoint) -> None:
    found = read({"esper": {"prove": "never", "wait": "proven", "max_price": 7}}, endpoint)
    assert (found.prove, found.wait, found.max_price) == (Prove.NEVER, Wait.PROVEN, 7)
    assert (read({"esper": {}}, endpoint).prove) is None
    for fields, param in [
        ({"prove": "maybe"}, "esper.prove"),
        ({"prove": True}, "esper.prove"),
        ({"wait": "final"}, "esper.wait"),
        ({"max_price": -1}, "esper.max_price"),
        ({"max_price": 1.5}, "esper.max_price"),
        (7, "esper"),
    ]:
        wrong = {"esper": fields}
        assert refused(wrong, endpoint) == ("invalid_value", param)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"model":"a","model":"b"}', "invalid_json"),
        (b'{"temperature":NaN}', "invalid_json"),
        (b'{"temperature":1e999}', "invalid_json"),
        (b'{"model":"\xff"}', "invalid_json"),
        (b'{"model":"\\ud800"}', "invalid_json"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "invalid_json"),
        (b"[]", "invalid_value"),
        (b"null", "invalid_value"),
        (b" " * MAX_BODY_BYTES + b"{}", "request_too_large"),
    ],
)
@pytest.mark.parametrize("endpoint", Endpoint)
def test_bodies_of_two_meanings_or_none(endpoint: Endpoint, body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        read_request(endpoint, body)
    assert caught.value.code == code


@pytest.mark.parametrize("model", ["", "x" * 129, 7, ["m"]])
def test_models_that_are_no_names(model: Any) -> None:
    assert refused({"model": model}) == ("invalid_value", "model")


def test_room_for_an_answer() -> None:
    assert answer_room(read({}), 4, 256, 128) == 128
    assert answer_room(read({"max_tokens": 9}), 4, 256, 128) == 9
    assert answer_room(read({}), 200, 256, 128) == 57
    assert answer_room(read({"max_tokens": 99}), 256, 256, 128) == 1
    for endpoint, param in [
        (Endpoint.CHAT, "messages"),
        (Endpoint.COMPLETIONS, "prompt"),
        (Endpoint.RESPONSES, "input"),
    ]:
        with pytest.raises(Refused) as caught:
            answer_room(read({}, endpoint), 257, 256, 128)
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", param)
        with pytest.raises(Refused) as caught:
            answer_room(read({}, endpoint), 0, 256, 128)
        assert (caught.value.code, caught.value.param) == ("invalid_value", param)


def test_ids_beyond_the_vocabulary() -> None:
    found = read({"prompt": [1, 511]}, Endpoint.COMPLETIONS)
    check_token_ids(found, 512)
    with pytest.raises(Refused) as caught:
        check_token_ids(found, 511)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "prompt[1]")


def test_the_signed_reduction_has_one_form() -> None:
    found = read({"user": "me", "temperature": 0, "max_tokens": 9, "stop": "é\x7f"})
    assert reduction_bytes(reduce_request(found)) == (
        b'{"endpoint":"chat.completions","model":"esper-t0",'
        b'"input":[{"role":"user","content":"The dog"}],'
        b'"max_tokens":9,"stop":["\\u00e9\\u007f"]}'
    )
    ids = read({"prompt": [1, 2]}, Endpoint.COMPLETIONS)
    assert reduction_bytes(reduce_request(ids)) == (
        b'{"endpoint":"completions","model":"esper-t0","input":[1,2],"max_tokens":0,"stop":[]}'
    )
    raw = read({"raw": True}, Endpoint.OLLAMA_GENERATE)
    assert reduction_bytes(reduce_request(raw)) == (
        b'{"endpoint":"ollama","model":"esper-t0","input":"The dog","max_tokens":0,"stop":[]}'
    )


@pytest.mark.parametrize(
    ("endpoint", "front", "piece", "back"),
    [
        (Endpoint.COMPLETIONS, '"prompt":[', "1,", "1]"),
        (Endpoint.COMPLETIONS, '"prompt":[', "1,", '"a"]'),
        (Endpoint.CHAT, '"messages":[', "{},", "{}]"),
        (
            Endpoint.CHAT,
            '"messages":[{"role":"user","content":[',
            '{"type":"text","text":"aaaaaaaaaaaaaaa"},',
            '{"type":"text","text":"a"}]}]',
        ),
        (Endpoint.CHAT, '"stop":[', '"aaaa",', '"a"]'),
        (Endpoint.RESPONSES, '"include":[', '"reasoning.encrypted_content",', '"x"]'),
        (Endpoint.OLLAMA_CHAT, '"options":{', '"$":null,', '"seed":1}'),
    ],
)
def test_no_body_takes_longer_than_its_length_is_worth(
    endpoint: Endpoint, front: str, piece: str, back: str
) -> None:
    def cost(number: int) -> float:
        pieces = "".join(piece.replace("$", f"a{at}") for at in range(number))
        body = ('{"model":"m",' + front + pieces + back + "}").encode()
        assert len(body) <= MAX_BODY_BYTES
        found = []
        for _ in range(3):
            began = time.process_time()
            with suppress(Refused):
                read_request(endpoint, body)
            found.append(time.process_time() - began)
        return min(found)

    # Sixteen times the body: what grows with the square would take 256 times as long.
    number = min(4_000, MAX_BODY_BYTES // (len(piece) + 6))
    assert cost(number) < 64 * cost(number // 16) + 0.05
