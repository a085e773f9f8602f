"""Chat completions and completions: objects and streams, field by field."""

from __future__ import annotations

import json

import pytest

from esper.gateway.refusals import Refused
from esper.gateway.replies.events import event, queued
from esper.gateway.replies.forms import EVENTS, JSON, LINES, media_type, reply_stream, whole_reply
from esper.gateway.replies.parts import Piece
from esper.gateway.replies.stream import StreamOrderError
from esper.gateway.requests.asked import Endpoint
from tests.support.reply_reading import (
    DOG,
    DOG_OBJECT,
    HEAD,
    LENGTH,
    NOTED,
    STOPPED,
    objects,
    request_of,
)

USAGE = {"prompt_tokens": 4, "completion_tokens": 8, "total_tokens": 12}
PIECE = Piece(" dog", (DOG,))
CHAT = Endpoint.CHAT
TEXT = Endpoint.COMPLETIONS


def test_a_chat_completion() -> None:
    found = json.loads(whole_reply(request_of(CHAT), HEAD, PIECE, STOPPED))
    assert found == {
        "id": f"chatcmpl-{HEAD.id}",
        "object": "chat.completion",
        "created": HEAD.created,
        "model": "esper-t0",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": " dog", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "service_tier": "default",
        "esper": NOTED,
    }
    asked = request_of(CHAT, top_logprobs=2)
    choice = json.loads(whole_reply(asked, HEAD, PIECE, LENGTH))["choices"][0]
    assert choice["logprobs"] == {"content": [DOG_OBJECT], "refusal": None}
    assert choice["finish_reason"] == "length"


def test_a_completion() -> None:
    found = json.loads(whole_reply(request_of(TEXT), HEAD, PIECE, STOPPED))
    assert found == {
        "id": f"cmpl-{HEAD.id}",
        "object": "text_completion",
        "created": HEAD.created,
        "model": "esper-t0",
        "choices": [{"index": 0, "text": " dog", "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
        "esper": NOTED,
    }


def test_chunks_of_a_chat() -> None:
    stream = reply_stream(request_of(CHAT, stream=True), HEAD)
    role, queue = stream.begin(), queued(2)
    sent = role + queue + stream.piece(Piece(" a")) + stream.piece(Piece("")) + stream.piece(PIECE)
    sent += stream.finish(STOPPED)
    common = {
        "id": f"chatcmpl-{HEAD.id}",
        "object": "chat.completion.chunk",
        "created": HEAD.created,
        "model": "esper-t0",
    }
    deltas = [
        ({"role": "assistant", "content": ""}, None),
        ({"content": " a"}, None),
        ({"content": " dog"}, None),
        ({}, "stop"),
    ]
    expected = [
        {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in deltas
    ]
    found = objects(sent)
    assert found[-1] == "[DONE]"
    for chunk in found[1:3]:
        assert chunk["choices"][0].pop("logprobs", None) is None
    assert found[:3] == expected[:3]
    assert found[3] == {**expected[3], "esper": NOTED}
    assert len(found) == 5


@pytest.mark.parametrize("endpoint", [CHAT, TEXT])
def test_usage_is_a_chunk_of_its_own_where_it_is_asked_for(endpoint: Endpoint) -> None:
    stream = reply_stream(request_of(endpoint, stream=True, include_usage=True), HEAD)
    found = objects(stream.begin() + stream.piece(PIECE) + stream.finish(STOPPED))
    assert found[-1] == "[DONE]"
    assert (found[-2]["choices"], found[-2]["usage"]) == ([], USAGE)
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in found[:-2])
    silent = reply_stream(request_of(endpoint, stream=True), HEAD)
    chunks = objects(silent.begin() + silent.piece(PIECE) + silent.finish(STOPPED))[:-1]
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)


def test_chunks_of_a_completion() -> None:
    stream = reply_stream(request_of(TEXT, stream=True, top_logprobs=2), HEAD)
    assert stream.begin() == b""
    first, second, last, done = objects(
        stream.piece(Piece("é")) + stream.piece(PIECE) + stream.finish(LENGTH)
    )
    assert first["object"] == second["object"] == "text_completion"
    assert second["choices"][0]["logprobs"] == {
        "tokens": [" dog"],
        "token_logprobs": [-0.5],
        "top_logprobs": [{" dog": -0.5, " cat": -9999.0}],
        "text_offset": [1],
    }
    assert last["choices"] == [
        {"index": 0, "text": "", "logprobs": None, "finish_reason": "length"}
    ]
    assert "esper" not in last
    assert done == "[DONE]"


def test_logprobs_of_chunks() -> None:
    stream = reply_stream(request_of(CHAT, stream=True, top_logprobs=2), HEAD)
    stream.begin()
    (chunk,) = objects(stream.piece(PIECE))
    assert chunk["choices"][0]["logprobs"] == {"content": [DOG_OBJECT], "refusal": None}


@pytest.mark.parametrize("endpoint", [CHAT, TEXT])
def test_a_broken_stream_says_so_and_is_not_done(endpoint: Endpoint) -> None:
    stream = reply_stream(request_of(endpoint, stream=True), HEAD)
    stream.begin()
    sent = stream.piece(PIECE) + stream.fail(Refused("server_error", "the engine failed"))
    assert objects(sent)[-1] == {
        "error": {
            "message": "the engine failed",
            "type": "server_error",
            "param": None,
            "code": "server_error",
        }
    }
    assert b"[DONE]" not in sent


@pytest.mark.parametrize("endpoint", Endpoint)
def test_the_order_of_a_stream(endpoint: Endpoint) -> None:
    stream = reply_stream(request_of(endpoint, stream=True), HEAD)
    with pytest.raises(StreamOrderError):
        stream.piece(PIECE)
    with pytest.raises(StreamOrderError):
        stream.finish(STOPPED)
    stream.begin()
    with pytest.raises(StreamOrderError):
        stream.begin()
    stream.finish(STOPPED)
    with pytest.raises(StreamOrderError):
        stream.piece(PIECE)
    with pytest.raises(StreamOrderError):
        stream.finish(STOPPED)
    with pytest.raises(StreamOrderError):
        stream.fail(Refused("server_error", "x"))


@pytest.mark.parametrize("endpoint", [CHAT, TEXT])
def test_padded_events_have_lengths_that_tell_less(endpoint: Endpoint) -> None:
    stream = reply_stream(request_of(endpoint, stream=True, obfuscate=True), HEAD)
    stream.begin()
    for length in range(1, 130):
        sent = stream.piece(Piece("x" * length))
        assert len(sent) % 64 == 0
        assert set(objects(sent)[0]["obfuscation"]) <= {"0"}


def test_events() -> None:
    assert event({"a": "\n\ndata: [DONE]"}) == b'data: {"a":"\\n\\ndata: [DONE]"}\n\n'
    assert event({}, name="error") == b"event: error\ndata: {}\n\n"
    assert queued(2) == b": queued 2\n\n"


def test_media_types() -> None:
    assert media_type(request_of(CHAT)) == media_type(request_of(Endpoint.OLLAMA_CHAT)) == JSON
    assert media_type(request_of(CHAT, stream=True)) == EVENTS
    assert media_type(request_of(Endpoint.OLLAMA_CHAT, stream=True)) == LINES
