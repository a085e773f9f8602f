"""Responses: the object, and the sequence of events in order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from esper.gateway.refusals import Refused
from esper.gateway.replies.forms import reply_stream, whole_reply
from esper.gateway.replies.parts import Ending, Piece
from esper.gateway.requests.asked import Endpoint
from tests.support.reply_reading import (
    DOG,
    DOG_OBJECT,
    HEAD,
    LENGTH,
    NOTED,
    STOPPED,
    events,
    objects,
    request_of,
)

ENDPOINT = Endpoint.RESPONSES
USAGE = {
    "input_tokens": 4,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 8,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}
PLACE = {"item_id": f"msg_{HEAD.id}", "output_index": 0, "content_index": 0}


def message(status: str, *content: Any) -> dict[str, Any]:
    return {
        "id": f"msg_{HEAD.id}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": list(content),
    }


def part(text: str, *logprobs: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


@pytest.mark.parametrize(
    ("ending", "status", "details"),
    [(STOPPED, "completed", None), (LENGTH, "incomplete", {"reason": "max_output_tokens"})],
)
def test_the_object(ending: Ending, status: str, details: Any) -> None:
    request = request_of(ENDPOINT, max_tokens=9, top_logprobs=2)
    found = json.loads(whole_reply(request, HEAD, Piece(" dog", (DOG,)), ending))
    assert (found["id"], found["object"]) == (f"resp_{HEAD.id}", "response")
    assert (found["status"], found["incomplete_details"]) == (status, details)
    assert found["output"] == [message(status, part(" dog", DOG_OBJECT))]
    assert found["usage"] == USAGE
    assert (found["max_output_tokens"], found["error"]) == (9, None)
    assert found.get("esper") == (NOTED if ending is STOPPED else None)


@pytest.mark.parametrize(("ending", "status"), [(STOPPED, "completed"), (LENGTH, "incomplete")])
def test_the_sequence(ending: Ending, status: str) -> None:
    stream = reply_stream(request_of(ENDPOINT, stream=True), HEAD)
    sent = stream.begin() + stream.piece(Piece(" a")) + stream.piece(Piece(""))
    sent += stream.piece(Piece(" dog", (DOG,))) + stream.finish(ending)
    found = [(name, json.loads(data)) for name, data in events(sent)]
    assert [name for name, _ in found] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        f"response.{status}",
    ]
    for number, (name, data) in enumerate(found):
        assert (data["type"], data["sequence_number"]) == (name, number)
    bodies = [data for _, data in found]
    for data in bodies[:2]:
        assert (data["response"]["status"], data["response"]["output"]) == ("in_progress", [])
    assert bodies[2]["item"] == message("in_progress")
    assert bodies[3]["part"] == part("")
    assert [data["delta"] for data in bodies[4:6]] == [" a", " dog"]
    assert bodies[6]["text"] == " a dog"
    for data in (bodies[3], *bodies[4:8]):
        assert PLACE.items() <= data.items()
    assert bodies[7]["part"] == part(" a dog")
    assert bodies[8]["item"] == message(status, part(" a dog"))
    last = bodies[9]["response"]
    assert (last["status"], last["output"]) == (status, [message(status, part(" a dog"))])
    assert last["usage"] == USAGE
    assert last.get("esper") == (NOTED if ending is STOPPED else None)
    assert b"[DONE]" not in sent


def test_logprobs_stand_with_deltas_and_ends() -> None:
    stream = reply_stream(request_of(ENDPOINT, stream=True, top_logprobs=2), HEAD)
    stream.begin()
    (delta,) = objects(stream.piece(Piece(" dog", (DOG,))))
    assert delta["logprobs"] == [DOG_OBJECT]
    done, part_done, _, _ = objects(stream.finish(STOPPED))
    assert done["logprobs"] == part_done["part"]["logprobs"] == [DOG_OBJECT]


def test_a_broken_one_fails_and_then_says_error() -> None:
    stream = reply_stream(request_of(ENDPOINT, stream=True), HEAD)
    stream.begin()
    stream.piece(Piece(" a"))
    sent = stream.fail(Refused("not_ready", "the node stops", retry_ms=1_000))
    failed, error = objects(sent)
    assert [name for name, _ in events(sent)] == ["response.failed", "error"]
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "the node stops"}
    assert failed["response"]["output"] == [message("incomplete", part(" a"))]
    assert error == {
        "type": "error",
        "sequence_number": 6,
        "code": "not_ready",
        "message": "the node stops",
        "param": None,
        "error": {
            "message": "the node stops",
            "type": "server_error",
            "param": None,
            "code": "not_ready",
        },
    }


def test_padded_deltas() -> None:
    stream = reply_stream(request_of(ENDPOINT, stream=True, obfuscate=True), HEAD)
    stream.begin()
    assert {len(stream.piece(Piece("x" * length))) % 64 for length in range(1, 130)} == {0}
