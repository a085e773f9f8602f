"""Receipts and usage over HTTP, and replies that wait for their proof."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from esper.gateway.ports import CallState, Serving
from tests.support.gateway.gateway_world import ALICE, BOB, GatewayWorld, gateway_world, named

ASKED = {"model": "esper-t0", "prompt": "x", "max_tokens": 2, "esper": {"prove": "never"}}
COST = 10


def asked(world: GatewayWorld, key: str = ALICE, **more: Any) -> dict[str, Any]:
    with world.http(key) as client:
        found: dict[str, Any] = client.post("/v1/completions", json={**ASKED, **more}).json()
    return found


def test_a_promise_until_there_is_a_proof(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world, world.http() as client:
        path = asked(world)["esper"]["receipt"]
        assert client.get(path).json()["kind"] == "promise"
        assert client.head(path).status_code == 200
        # Without its work a receipt keeps its one form of bytes.
        lean = client.get(path, params={"work": "none"})
        whole = client.get(path).content
        assert lean.content == whole.replace(b',"work":{"outputs":"x"}', b"")
        assert client.get(path, params={"work": "all"}).status_code == 400
        proof = b'{"kind":"proof","text":"\\u00e9"}'
        world.ask(lambda store: store.receipts.store_proof(path.rpartition("/")[2], proof, 1))
        assert client.get(path).content == proof
        world.ask(lambda store: store.receipts.drop_old(1, 0))
        gone = client.get(path)
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "receipt_dropped")


def test_others_receipts_do_not_exist(tmp_path: Path) -> None:
    with gateway_world(tmp_path, named(ALICE), named(BOB)) as world, world.http(BOB) as client:
        path = asked(world)["esper"]["receipt"]
        unknown = client.get("/v1/receipts/" + "0" * 32)
        for how, where in (("GET", ""), ("GET", "/events"), ("POST", "/prove")):
            found = client.request(how, path + where, json={} if how == "POST" else None)
            assert found.status_code == 404
            assert found.json() == unknown.json()
        assert world.proving.rows == []


def test_proven_after_all(tmp_path: Path) -> None:
    account = named(ALICE, max_price=3, budget=2 * COST + 3 * COST)
    with gateway_world(tmp_path, account) as world, world.http() as client:
        path = asked(world)["esper"]["receipt"]
        late = client.post(f"{path}/prove", json={"max_price": 9})
        assert late.status_code == 202
        assert late.json()["status"] == "queued"
        (row,) = world.proving.rows
        assert (row.max_price, row.prompt_tokens, len(row.answer)) == (3, 2, 2)
        assert world.ask(lambda store: store.line.find(row.call)) == row
        # A second wish changes nothing.
        assert client.post(f"{path}/prove", json={}).json()["status"] == "queued"
        assert len(world.proving.rows) == 1
        other = asked(world)["esper"]["receipt"]
        refused = client.post(f"{other}/prove", json={})
        assert refused.json()["error"]["code"] == "insufficient_quota"
        wrong: list[Any] = [{"max_price": -1}, {"zzz": 1}, []]
        for body in wrong:
            assert client.post(f"{path}/prove", json=body).status_code == 400
        world.proving.backlog = 1_000
        refused = client.post(f"{other}/prove", json={})
        assert refused.json()["error"]["code"] == "proof_backlog"


def test_proving_wants_the_scope(tmp_path: Path) -> None:
    account = named(ALICE, scopes=frozenset({"infer", "receipts"}))
    with gateway_world(tmp_path, account) as world, world.http() as client:
        path = asked(world)["esper"]["receipt"]
        assert client.post(f"{path}/prove", json={}).json()["error"]["code"] == "scope"


def test_events_of_a_receipt(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world, world.http() as client:
        note = asked(world, esper={"prove": "always"})["esper"]
        with client.stream("GET", f"{note['receipt']}/events") as got:
            assert got.headers["content-type"].startswith("text/event-stream")
            lines = got.iter_lines()
            seen = [json.loads(next(lines).removeprefix("data: "))["status"]]
            for status in ("signed", "proven", "final"):
                state = CallState(status, cost=5)
                world.inside(partial(world.proving.put, note["id"], state))
                next(lines)
                seen.append(json.loads(next(lines).removeprefix("data: "))["status"])
            assert list(lines) == [""]
        assert seen == ["queued", "signed", "proven", "final"]
        # One that is not to be proven has one event.
        plain = asked(world)["esper"]
        found = client.get(f"{plain['receipt']}/events").text
        assert json.loads(found.removeprefix("data: "))["status"] == "instant"


@pytest.mark.parametrize("stream", [True, False])
def test_a_reply_that_waits_for_its_proof(tmp_path: Path, stream: bool) -> None:
    wish = {"prove": "always", "wait": "proven"}
    with (
        gateway_world(tmp_path, told_every_s=0.01) as world,
        ThreadPoolExecutor(1) as pool,
        world.http(**{"idempotency-key": "k"}) as client,
    ):
        body = {**ASKED, "esper": wish, "stream": stream}
        reply = pool.submit(client.post, "/v1/completions", json=body)
        world.wait_for(lambda: len(world.proving.rows) == 1)
        assert not reply.done()
        # The slot is free meanwhile.
        assert world.service.desk.used == 0
        call = world.proving.rows[0].call
        world.inside(lambda: world.proving.put(call, CallState("signed")))
        world.inside(lambda: world.proving.put(call, CallState("proven", cost=7)))
        text = reply.result().text
        if stream:
            events = [one for one in text.splitlines() if one.startswith("data: {")]
            text = events[-1].removeprefix("data: ")
        note = json.loads(text)["esper"]
        assert (note["status"], note["cost"]) == ("proven", COST + 7)
        # A repeat is told so too.
        assert client.post("/v1/completions", json=body).text.count('"proven"') == 1


def test_patience_for_a_proof_ends(tmp_path: Path) -> None:
    with gateway_world(tmp_path, proof_wait_s=0.02) as world:
        note = asked(world, esper={"prove": "always", "wait": "proven"})["esper"]
        assert note["status"] == "instant"


def test_to_wait_for_no_proof_is_refused(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        refused = asked(world, esper={"prove": "never", "wait": "proven"})
        assert refused["error"]["param"] == "esper.wait"


def test_a_proof_that_is_given_up(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world, ThreadPoolExecutor(1) as pool:
        wish = {"prove": "always", "wait": "proven"}
        reply = pool.submit(asked, world, esper=wish)
        world.wait_for(lambda: len(world.proving.rows) == 1)
        state = CallState("unproven", "price")
        world.inside(lambda: world.proving.put(world.proving.rows[0].call, state))
        note = reply.result()["esper"]
        assert (note["status"], note["reason"]) == ("unproven", "price")


def test_usage(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world, world.http() as client:
        asked(world)
        asked(world)
        found = client.get("/v1/usage").json()
        (day,) = found["data"]
        assert (day["requests"], day["prompt_tokens"], day["answer_tokens"]) == (2, 4, 4)
        assert day["serve"] == 2 * COST == found["budget"]["spent"]
        assert len(day["day"]) == len("2026-12-02")
        for days in ("0", "367", "x", "-1", "9999"):
            assert client.get("/v1/usage", params={"days": days}).status_code == 400


def test_a_node_that_cannot_answer_says_so(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world, world.http() as client:
        world.chain.now = Serving.NOT_READY
        found = client.post("/v1/completions", json=ASKED)
        assert (found.status_code, found.json()["error"]["code"]) == (503, "not_ready")
        assert int(found.headers["retry-after-ms"]) > 0
        world.chain.now = Serving.DISAGREES
        found = client.post("/v1/completions", json=ASKED)
        assert (found.status_code, found.json()["error"]["code"]) == (503, "engine_disagrees")
        assert found.headers["x-should-retry"] == "false"
        world.chain.now = Serving.READY
        world.engine.models = ()
        assert client.post("/v1/completions", json=ASKED).json()["error"]["code"] == "not_ready"


def test_without_a_chain(tmp_path: Path) -> None:
    with gateway_world(None, is_open=True) as world, world.http(None) as client:
        found = client.post("/v1/completions", json=ASKED)
        assert found.status_code == 200
        assert "esper" not in found.json()
        assert "x-esper-receipt" not in found.headers
        for wish in ({"prove": "always"}, {"prove": "never", "wait": "proven"}):
            refused = client.post("/v1/completions", json={**ASKED, "esper": wish})
            assert refused.json()["error"]["code"] == "unsupported_value"
        for path in ("/v1/usage", "/v1/receipts/" + "0" * 32):
            assert client.get(path).json()["error"]["code"] == "unknown_url"
        assert client.get("/v1/models").json()["data"][0]["esper"]["gateway"] == ""
        for key in (ALICE, "esk_"):
            found = client.get("/v1/models", headers={"authorization": f"Bearer {key}"})
            assert found.status_code == 401
    assert world.signer.given == []
