"""Streams of replies as a client's decoder sees them, and what replies are made of."""

from __future__ import annotations

import json
from typing import Any

from esper.gateway.replies.parts import (
    Durations,
    Ending,
    Finish,
    Head,
    Likely,
    Note,
    TokenLogprob,
    Usage,
)
from esper.gateway.requests.asked import Endpoint, Message, Request

HEAD = Head("7f3c" * 8, 1_796_043_595, "esper-t0")
NOTE = Note(
    id=HEAD.id,
    status="instant",
    public=True,
    receipt=f"/v1/receipts/{HEAD.id}",
    model_id="ab" * 64,
    gateway="esper1q",
    height=7,
    cost=40,
    replaced=("temperature",),
)
NOTED = {
    "id": HEAD.id,
    "status": "instant",
    "public": True,
    "receipt": f"/v1/receipts/{HEAD.id}",
    "model_id": "ab" * 64,
    "gateway": "esper1q",
    "height": 7,
    "cost": 40,
    "replaced": ["temperature"],
}
DURATIONS = Durations(total=9, load=1, prompt=3, answer=5)
STOPPED = Ending(Finish.STOP, Usage(4, 8), NOTE, DURATIONS)
LENGTH = Ending(Finish.LENGTH, Usage(4, 8))
DOG = TokenLogprob(
    Likely(" dog", b" dog", -0.5),
    (Likely(" dog", b" dog", -0.5), Likely(" cat", b" cat", float("-inf"))),
)
DOG_OBJECT = {
    "token": " dog",
    "logprob": -0.5,
    "bytes": [32, 100, 111, 103],
    "top_logprobs": [
        {"token": " dog", "logprob": -0.5, "bytes": [32, 100, 111, 103]},
        {"token": " cat", "logprob": -9999.0, "bytes": [32, 99, 97, 116]},
    ],
}


def request_of(endpoint: Endpoint, **fields: Any) -> Request:
    return Request(endpoint, "esper-t0", (Message("user", "The little"),), **fields)


def events(sent: bytes) -> list[tuple[str | None, str]]:
    """Name and data of each event, as the standard on event streams reads them."""
    assert sent.endswith(b"\n\n") or not sent
    found: list[tuple[str | None, str]] = []
    for block in sent.decode("utf-8").split("\n\n")[:-1]:
        name, data = None, []
        for line in block.splitlines():
            key, _, value = line.partition(":")
            match key:
                case "event":
                    name = value.removeprefix(" ")
                case "data":
                    data.append(value.removeprefix(" "))
                case _:
                    assert not key, f"a line that is no field: {line}"
        if data:
            found.append((name, "\n".join(data)))
    return found


def objects(sent: bytes) -> list[Any]:
    """The data of each event as JSON; ``[DONE]`` as it is."""
    return [data if data == "[DONE]" else json.loads(data) for _, data in events(sent)]
