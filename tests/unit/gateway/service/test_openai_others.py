"""Completions, responses and models by OpenAI's own client; Ollama's by a plain one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import openai
import pytest

from esper.gateway.requests.asked import Message
from tests.support.gateway.gateway_world import ALICE, GatewayWorld, gateway_world, named
from tests.support.gateway.standin_engine import ANSWER, BOS, MODEL_ID
from tests.support.gateway.standin_node import ADDRESS

MODEL = "esper-t0"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorld]:
    with gateway_world(tmp_path_factory.mktemp("gateway")) as found:
        yield found


def test_a_completion(world: GatewayWorld) -> None:
    found = world.client().completions.create(model=MODEL, prompt="The", max_tokens=4)
    assert found.choices[0].text == ANSWER[:4]
    assert found.choices[0].finish_reason == "length"
    assert world.signer.given[-1].prompt == (BOS, *b"The")
    assert world.signer.given[-1].asked.input == "The"


def test_a_completion_of_ids_as_they_are(world: GatewayWorld) -> None:
    found = world.client().completions.create(model=MODEL, prompt=[7, 8], logprobs=1)
    assert found.choices[0].text == ANSWER
    assert world.signer.given[-1].prompt == (7, 8)
    logprobs = found.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == list(ANSWER)
    assert logprobs.text_offset == list(range(len(ANSWER)))
    assert logprobs.token_logprobs is not None
    assert logprobs.token_logprobs[0] == pytest.approx(-math.log(2))
    with pytest.raises(openai.BadRequestError) as refused:
        world.client().completions.create(model=MODEL, prompt=[258])
    assert refused.value.param == "prompt[0]"


def test_only_a_template_s_words_are_shared_with_other_keys(world: GatewayWorld) -> None:
    """The stand-in's template writes BOS alone."""
    client = world.client()
    client.completions.create(model=MODEL, prompt="The")
    client.completions.create(model=MODEL, prompt=[BOS, 7, 8])
    client.responses.create(model=MODEL, input="The")
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "The"}])
    with world.http() as http:
        http.post("/api/generate", json={"model": MODEL, "prompt": "The", "stream": False})
        http.post(
            "/api/generate", json={"model": MODEL, "prompt": "The", "raw": True, "stream": False}
        )
    assert [one.public for one in world.engine.jobs[-6:]] == [0, 0, 1, 1, 1, 0]
    said = {"model": MODEL, "prompt": "The", "public": 3}
    with world.http() as http:
        assert http.post("/v1/completions", json=said).json()["error"]["param"] == "public"


def test_a_stream_of_completions(world: GatewayWorld) -> None:
    chunks = list(world.client().completions.create(model=MODEL, prompt="a", stream=True))
    assert "".join(one.choices[0].text for one in chunks) == ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_response(world: GatewayWorld) -> None:
    found = world.client().responses.create(
        model=MODEL, input="The little dog", instructions="Be short."
    )
    assert found.output_text == ANSWER
    assert found.status == "completed"
    turns = [one for one in world.signer.given[-1].asked.input if isinstance(one, Message)]
    assert [one.role for one in turns] == ["system", "user"]
    cut = world.client().responses.create(model=MODEL, input="x", max_output_tokens=3)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


def test_a_stream_of_a_response(world: GatewayWorld) -> None:
    events = list(world.client().responses.create(model=MODEL, input="The", stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    deltas = [one.delta for one in events if one.type == "response.output_text.delta"]
    assert "".join(deltas) == ANSWER
    assert [one.sequence_number for one in events] == list(range(len(events)))
    with world.client().responses.stream(model=MODEL, input="The") as stream:
        stream.until_done()
        assert stream.get_final_response().output_text == ANSWER


def test_a_broken_response_raises(world: GatewayWorld) -> None:
    world.engine.fails_at = 5
    try:
        with pytest.raises(openai.APIError):
            list(world.client().responses.create(model=MODEL, input="The", stream=True))
        with pytest.raises(openai.APIError):
            list(world.client().completions.create(model=MODEL, prompt="The", stream=True))
    finally:
        world.engine.fails_at = None


def test_models(world: GatewayWorld) -> None:
    (model,) = world.client().models.list()
    assert model.id == MODEL
    assert model.owned_by == "esper"
    assert model.model_extra["esper"] == {
        "model_id": MODEL_ID.hex(),
        "context": 256,
        "max_tokens": 128,
        "price": 1,
        "gateway": ADDRESS,
        "bond": 0,
    }
    assert world.client().models.retrieve(MODEL_ID.hex()).id == MODEL
    with pytest.raises(openai.NotFoundError) as refused:
        world.client().models.retrieve("esper-t7")
    assert refused.value.code == "model_not_found"


def test_no_embeddings_and_nothing_else(world: GatewayWorld) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        world.client().embeddings.create(model=MODEL, input="x")
    assert refused.value.code == "unknown_url"
    assert "not proven" in refused.value.message
    with world.http() as client:
        for path in ("/v1/zzz", "/api/zzz", "/v1/receipts", "/v1/..%2f", "/v1/a%0a/b", "/api/pull"):
            for method in ("GET", "POST", "DELETE", "PUT"):
                found = client.request(method, path)
                assert found.status_code == 404
                error = found.json()["error"]
                assert path.startswith("/api/") or error["code"] == "unknown_url"
                assert found.headers["content-type"] == "application/json"


def test_headers_of_an_answer(world: GatewayWorld) -> None:
    raw = world.client().chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": "x"}]
    )
    call = raw.headers["x-request-id"]
    assert raw.headers["x-esper-receipt"] == f"/v1/receipts/{call}"
    assert raw.headers["cache-control"] == "no-store"
    assert raw.headers["x-accel-buffering"] == "no"
    assert raw.headers["vary"] == "authorization, cookie, origin"
    assert raw.headers["x-ratelimit-limit-requests"] == "10000"
    assert int(raw.headers["x-ratelimit-remaining-tokens"]) < 10**9
    assert raw.headers["x-ratelimit-reset-requests"].endswith("ms")


def test_ollamas_chat_and_generate(world: GatewayWorld) -> None:
    chat = {"model": f"{MODEL}:latest", "messages": [{"role": "user", "content": "The"}]}
    with world.http() as client:
        found = client.post("/api/chat", json=chat)
        assert found.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in found.text.splitlines()]
        assert "".join(line["message"]["content"] for line in lines) == ANSWER
        assert [line["done"] for line in lines][-1] is True
        assert lines[-1]["done_reason"] == "stop"
        assert lines[-1]["eval_count"] == len(ANSWER) + 1
        assert lines[-1]["total_duration"] >= lines[-1]["eval_duration"] > 0
        asked = {"model": MODEL, "prompt": "The", "raw": True, "stream": False}
        found = client.post("/api/generate", json={**asked, "options": {"num_predict": 3}})
        assert found.json()["response"] == ANSWER[:3]
        assert found.json()["done_reason"] == "length"
        found = client.post("/api/generate", json={**asked, "options": {"temperature": 0.7}})
        assert found.status_code == 400
        assert isinstance(found.json()["error"], str)


def test_ollamas_broken_stream_is_a_line(world: GatewayWorld) -> None:
    world.engine.fails_at = 5
    try:
        with world.http() as client:
            found = client.post("/api/generate", json={"model": MODEL, "prompt": "The"})
    finally:
        world.engine.fails_at = None
    assert isinstance(json.loads(found.text.splitlines()[-1])["error"], str)


def test_ollamas_models(world: GatewayWorld) -> None:
    with world.http() as client:
        assert client.get("/api/version").json() == {"version": "1.2.3"}
        (tag,) = client.get("/api/tags").json()["models"]
        assert tag["name"] == f"{MODEL}:latest"
        assert len(client.get("/api/ps").json()["models"]) == 1
        shown = client.post("/api/show", json={"model": tag["name"]}).json()
        assert shown["capabilities"] == ["completion"]
        assert shown["model_info"]["llama.context_length"] == 256
        assert client.post("/api/show", json={"model": "zzz"}).status_code == 404
        assert client.post("/api/show", json={"zzz": 1}).status_code == 400
        assert client.post("/api/show", json={}).status_code == 400


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b'{"a":1,"a":2}', "invalid_json"),
        (b'{"model":"x","temperature":NaN}', "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"[" * 40 + b"]" * 40, "invalid_json"),
        (b"[]", "invalid_value"),
        (b'{"model":"esper-t0"}', "invalid_value"),
        (b" " * ((1 << 18) + 1), "request_too_large"),
    ],
)
def test_bodies_that_are_none(world: GatewayWorld, body: bytes, code: str) -> None:
    with world.http() as client:
        found = client.post(
            "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
        )
    assert found.json()["error"]["code"] == code


def test_methods_and_types(world: GatewayWorld) -> None:
    with world.http() as client:
        found = client.get("/v1/chat/completions")
        assert (found.status_code, found.json()["error"]["code"]) == (405, "method_not_allowed")
        found = client.post("/v1/chat/completions", content=b"{}")
        assert (found.status_code, found.json()["error"]["code"]) == (
            415,
            "unsupported_media_type",
        )
        found = client.post("/v1/chat/completions", json={}, headers={"origin": "http://evil"})
        assert (found.status_code, found.json()["error"]["code"]) == (403, "origin")
        found = client.post("/v1/chat/completions", json={}, headers={"host": "evil"})
        assert (found.status_code, found.json()["error"]["code"]) == (421, "wrong_host")


def test_an_answer_cannot_end_an_event(world: GatewayWorld) -> None:
    world.engine.answer_bytes = b"\n\ndata: [DONE]\n\n\xc3\xa9\r\n: x"
    try:
        chunks = list(
            world.client().chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "x"}], stream=True
            )
        )
    finally:
        world.engine.answer_bytes = ANSWER.encode()
    text = "".join(one.choices[0].delta.content or "" for one in chunks)
    assert text == "\n\ndata: [DONE]\n\n\u00e9\r\n: x"


def test_greedy_anyway_is_of_the_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("greedy")
    with gateway_world(folder, named(ALICE, greedy_anyway=True)) as world:
        found = world.client().chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], temperature=0.7
        )
        assert found.model_extra["esper"]["replaced"] == ["temperature"]


def test_the_description(world: GatewayWorld) -> None:
    with world.http(None) as client:
        found = client.get("/v1/openapi.json")
    assert found.status_code == 200
    assert "/v1/chat/completions" in found.json()["paths"]


def test_a_path_that_is_served_refuses_the_wrong_method_itself(world: GatewayWorld) -> None:
    with world.http() as client:
        for path, allowed in (("/v1/responses", "POST"), ("/v1/usage", "GET"), ("/api/ps", "GET")):
            found = client.put(path)
            assert found.status_code == 405
            assert found.headers["allow"] == allowed
            assert "error" in found.json()
