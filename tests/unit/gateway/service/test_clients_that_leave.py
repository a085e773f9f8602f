"""Clients that go away, read slowly or send slowly, and engines and nodes that fail under them."""

from __future__ import annotations

import json
import logging
import socket
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from esper.http.settings import HttpSettings
from tests.support.gateway.gateway_world import ALICE, GatewayWorld, gateway_world, named
from tests.support.gateway.standin_engine import StandinEngine

ID = ALICE.split("_")[1]
ASKED: dict[str, Any] = {"model": "esper-t0", "messages": [{"role": "user", "content": "x"}]}


def spent(world: GatewayWorld) -> tuple[int, int]:
    period = int(time.time() * 1000) // named(ALICE).period_ms
    found = world.ask(lambda store: store.budget.state(ID, period))
    return found.spent, found.reserved


def say(world: GatewayWorld, body: dict[str, object], length: int | None = None) -> bytes:
    data = json.dumps(body).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json"
        b"\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
        % (ALICE.encode(), length or len(data), data)
    )


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_pays_for_what_was_made(tmp_path: Path, stream: bool) -> None:
    with gateway_world(tmp_path, named(ALICE, max_price=2)) as world:
        world.hold(9)
        with world.socket() as client:
            client.sendall(say(world, {**ASKED, "stream": stream, "esper": {"prove": "always"}}))
            world.wait_for(lambda: bool(world.service.counts.first_token.sum_s))
            world.wait_for(lambda: world.engine.running == 1)
        world.wait_for(lambda: world.engine.running == 0)
        world.wait_for(lambda: len(world.proving.rows) == 1)
        assert world.engine.left_early == 1
        (given,) = world.signer.given
        # The first token alone, then fours: the ninth is held back.
        assert 1 <= len(given.answer) <= 9
        cost = 2 + 4 * len(given.answer)
        assert spent(world) == (cost, 2 * cost)
        world.wait_for(lambda: world.service.desk.used == 0)
        kept = world.ask(lambda store: store.receipts.find(world.proving.rows[0].call))
        assert kept is not None
        assert kept.promise is not None


def test_who_leaves_before_a_token_pays_nothing(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        world.hold(0)
        with world.socket() as client:
            client.sendall(say(world, {**ASKED, "stream": True}))
            world.wait_for(lambda: world.engine.running == 1)
        world.wait_for(lambda: world.engine.running == 0)
        world.wait_for(lambda: world.service.desk.used == 0)
        assert world.signer.given == []
        assert spent(world) == (0, 0)


def test_who_leaves_the_queue_takes_its_place_along(tmp_path: Path) -> None:
    with gateway_world(tmp_path, engine=StandinEngine()) as world:
        world.inside(lambda: world.engine.with_slots(1))
        gate = world.hold(0)
        with world.socket() as first, world.socket() as second:
            first.sendall(say(world, {**ASKED, "stream": True}))
            world.wait_for(lambda: world.engine.running == 1)
            second.sendall(say(world, {**ASKED, "stream": True}))
            world.wait_for(lambda: world.service.desk.waiting == 1)
            second.close()
            world.wait_for(lambda: world.service.desk.waiting == 0)
            world.let_go(gate)
            assert b"[DONE]" in read_all(first)
        assert len(world.engine.jobs) == 1


def test_an_answer_that_was_cut_is_no_repeats_answer(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        gate = world.hold(9)
        asked = say(world, ASKED).replace(b"\r\n\r\n", b"\r\nidempotency-key: k\r\n\r\n", 1)
        with world.socket() as client:
            client.sendall(asked)
            world.wait_for(lambda: bool(world.service.counts.first_token.sum_s))
        world.wait_for(lambda: len(world.signer.given) == 1)
        world.wait_for(lambda: world.service.desk.used == 0)
        world.let_go(gate)
        found = world.client().chat.completions.create(
            **ASKED, extra_headers={"idempotency-key": "k"}
        )
        assert found.usage is not None
        assert found.usage.completion_tokens > 9


def test_a_slow_reader_holds_no_slot(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world, world.socket() as client:
        client.sendall(say(world, {**ASKED, "stream": True}))
        world.wait_for(lambda: len(world.signer.given) == 1)
        assert world.service.desk.used == 0
        assert b"[DONE]" in read_all(client)


def test_a_slow_body_is_told_so(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        for route in world.routes:
            object.__setattr__(route.limits, "body_timeout_s", 0.05)
        with world.socket() as client:
            client.sendall(say(world, ASKED, 10_000))
            found = read_all(client)
        assert b" 408 " in found
        assert json.loads(found.partition(b"\r\n\r\n")[2])["error"]["code"] == "body_timeout"


def test_a_node_that_stops_breaks_its_streams(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        world.hold(5)
        stream = world.client().chat.completions.create(**ASKED, stream=True)
        chunks = iter(stream)
        next(chunks)
        world.wait_for(lambda: bool(world.service.counts.first_token.sum_s))
        world.inside(world.end.set)
        with pytest.raises(openai.APIError):
            list(chunks)
    assert len(world.signer.given) == 1


def test_a_broken_signer_costs_nothing_and_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with gateway_world(tmp_path) as world:
        world.signer.fails = True
        asked = {**ASKED, "messages": [{"role": "user", "content": "canary"}]}
        with world.http() as client:
            whole = client.post("/v1/chat/completions", json=asked)
            stream = client.post("/v1/chat/completions", json={**asked, "stream": True})
        assert whole.status_code == 500
        incident = whole.json()["error"]["incident"]
        assert incident in caplog.text
        assert '"error"' in stream.text
        assert "[DONE]" not in stream.text
        assert spent(world) == (0, 0)
        assert "canary" not in whole.text + stream.text
    assert "OSError" in caplog.text
    assert "canary" not in caplog.text
    assert ALICE not in caplog.text


def test_prompts_answers_and_keys_are_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    http = HttpSettings(port=0, shutdown_s=0.5, access_log=True)
    with gateway_world(tmp_path, http=http) as world:
        world.engine.answer_bytes = b"secretanswer"
        with world.http() as client:
            for more in ({}, {"stream": True}, {"temperature": 9}, {"canaryfield": 1}):
                asked = {"model": "esper-t0", "prompt": "canary", **more}
                client.post("/v1/completions", json=asked, headers={"x-canary": "canary"})
            client.post("/v1/completions?canary", json={"model": "esper-t0", "prompt": "canary"})
            client.get(f"/v1/receipts/{ALICE}")
        world.wait_for(lambda: world.service.counts.streams == 0)
    ours = "\n".join(
        f"{one.getMessage()} {one.__dict__}" for one in caplog.records if "esper" in one.name
    )
    assert "gateway_call" in ours
    assert "/v1/completions" in ours
    for secret in ("canary", "secretanswer", ALICE, ALICE[4:]):
        assert secret not in ours


def read_all(client: socket.socket) -> bytes:
    found = b""
    client.settimeout(5)
    try:
        while part := client.recv(65_536):
            found += part
            if b"[DONE]" in found:
                break
    except TimeoutError:
        pass
    return found
