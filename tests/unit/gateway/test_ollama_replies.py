"""Ollama's replies: an object, or lines of which the last is done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from esper.gateway.refusals import Refused
from esper.gateway.replies.characters import Characters
from esper.gateway.replies.forms import refusal_body, reply_stream, whole_reply
from esper.gateway.replies.parts import Piece
from esper.gateway.requests.asked import Endpoint
from tests.support.reply_reading import (
    DOG,
    DOG_OBJECT,
    HEAD,
    LENGTH,
    NOTED,
    STOPPED,
    request_of,
)

CHAT = Endpoint.OLLAMA_CHAT
GENERATE = Endpoint.OLLAMA_GENERATE
COMMON = {"model": "esper-t0", "created_at": "2026-11-30T12:59:55Z"}
ENDED = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 9,
    "load_duration": 1,
    "prompt_eval_count": 4,
    "prompt_eval_duration": 3,
    "eval_count": 8,
    "eval_duration": 5,
    "esper": NOTED,
}


def text(endpoint: Endpoint, said: str) -> dict[str, Any]:
    if endpoint is GENERATE:
        return {"response": said}
    return {"message": {"role": "assistant", "content": said}}


@pytest.mark.parametrize("endpoint", [CHAT, GENERATE])
def test_the_object(endpoint: Endpoint) -> None:
    found = json.loads(whole_reply(request_of(endpoint), HEAD, Piece("hi", (DOG,)), STOPPED))
    assert found == {**COMMON, **text(endpoint, "hi"), **ENDED}
    asked = request_of(endpoint, top_logprobs=2)
    found = json.loads(whole_reply(asked, HEAD, Piece(" dog", (DOG,)), LENGTH))
    assert (found["logprobs"], found["done_reason"]) == ([DOG_OBJECT], "length")


@pytest.mark.parametrize("endpoint", [CHAT, GENERATE])
def test_the_lines(endpoint: Endpoint) -> None:
    stream = reply_stream(request_of(endpoint, stream=True), HEAD)
    sent = stream.begin() + stream.piece(Piece("a\n")) + stream.piece(Piece(""))
    sent += stream.piece(Piece("é")) + stream.finish(STOPPED)
    assert [json.loads(line) for line in sent.splitlines()] == [
        {**COMMON, **text(endpoint, "a\n"), "done": False},
        {**COMMON, **text(endpoint, "é"), "done": False},
        {**COMMON, **text(endpoint, ""), **ENDED},
    ]


@pytest.mark.parametrize("endpoint", [CHAT, GENERATE])
def test_a_broken_one_ends_with_the_error(endpoint: Endpoint) -> None:
    stream = reply_stream(request_of(endpoint, stream=True), HEAD)
    stream.begin()
    refused = Refused("server_error", "the engine failed")
    assert stream.fail(refused) == b'{"error":"the engine failed"}\n'
    assert refusal_body(endpoint, refused) == b'{"error":"the engine failed"}'
    assert b'"code"' in refusal_body(Endpoint.CHAT, refused)


def test_characters_wait_until_they_are_whole() -> None:
    reader = Characters()
    data = "é🎈".encode()
    assert [reader.add(data[at : at + 1]) for at in range(6)] == ["", "é", "", "", "", "🎈"]
    assert reader.end() == ""
    assert reader.add(b"a\xf0\x9f") == "a"
    assert reader.end() == "\N{REPLACEMENT CHARACTER}"
