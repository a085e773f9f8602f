"""What of a stream leaves together, and for how long an engine gathers tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esper.gateway.service.settings import ServiceSettings
from tests.support.gateway.gateway_world import ALICE, GatewayWorld, gateway_world
from tests.support.gateway.standin_engine import ANSWER

LONG_S = 600.0
"""No test waits so long: what leaves does so for another reason."""
ASKED: dict[str, Any] = {"model": "esper-t0", "prompt": "x", "stream": True}


def chunks(world: GatewayWorld, **more: Any) -> list[bytes]:
    """The parts of an answer as they were sent, by the framing of HTTP."""
    body = json.dumps({**ASKED, **more}).encode()
    head = (
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        b"content-type: application/json\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n"
    ) % (ALICE.encode(), len(body))
    with world.socket() as client:
        client.sendall(head + body)
        seen = b"".join(iter(lambda: client.recv(65536), b""))
    rest, found = seen.partition(b"\r\n\r\n")[2], []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    assert found.pop() == b""
    return found


def texts(chunk: bytes) -> str:
    events = [line[6:] for line in chunk.splitlines() if line.startswith(b"data: {")]
    return "".join(one["text"] for event in events for one in json.loads(event).get("choices", ()))


def test_the_last_text_leaves_with_the_end(tmp_path: Path) -> None:
    with gateway_world(tmp_path, send_every_s=LONG_S) as world:
        parts = chunks(world, max_tokens=7)
    # The engine gives the first alone, then four, then the last two.
    assert "".join(map(texts, parts)) == ANSWER[:7]
    last = parts[-1]
    assert texts(last).endswith(ANSWER[5:7])
    assert b'"finish_reason":"length"' in last
    assert last.endswith(b"data: [DONE]\n\n")
    assert not any(b"[DONE]" in part for part in parts[:-1])


def test_a_first_text_that_is_the_last_does_not_wait_for_the_end(tmp_path: Path) -> None:
    with gateway_world(tmp_path, send_every_s=LONG_S) as world:
        first, end = chunks(world, max_tokens=1)
    assert texts(first) == ANSWER[0]
    assert b'"finish_reason":"length"' in end


def test_what_was_shown_before_a_fault_stays_and_the_error_ends_it(tmp_path: Path) -> None:
    with gateway_world(tmp_path, send_every_s=LONG_S) as world:
        world.inside(lambda: setattr(world.engine, "fails_at", 9))
        parts = chunks(world)
    assert "".join(map(texts, parts)) == ANSWER[:9]
    assert b'"code":"server_error"' in parts[-1]


@pytest.mark.parametrize(
    ("more", "gather_s"),
    [({}, 0.5), ({"stop": "Tim"}, 0.0), ({"stream": False}, 0.75)],
)
def test_the_engine_gathers_what_is_not_looked_at_before(
    more: dict[str, Any], gather_s: float
) -> None:
    with gateway_world(None, send_every_s=0.5, whole_every_s=0.75, is_open=True) as world:
        with world.http(None) as client:
            assert client.post("v1/completions", json={**ASKED, **more}).status_code == 200
        (job,) = world.engine.jobs
    assert job.gather_s == gather_s


def test_many_streams_send_more_rarely() -> None:
    settings = ServiceSettings(send_every_s=0.05, send_share_s=0.0005)
    assert [settings.pause_s(streams) for streams in (1, 100, 1_000)] == [0.05, 0.05, 0.5]
