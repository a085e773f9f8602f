"""Chat completions by OpenAI's own client, over a socket."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.support.gateway.gateway_world import ALICE, GatewayWorld, gateway_world
from tests.support.gateway.standin_engine import ANSWER, EOS

ASKED = [{"role": "user", "content": "The little dog"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorld]:
    with gateway_world(tmp_path_factory.mktemp("gateway")) as found:
        yield found


def test_a_whole_answer(world: GatewayWorld) -> None:
    found = world.client().chat.completions.create(model="esper-t0", messages=ASKED)
    assert found.choices[0].message.content == ANSWER
    assert found.choices[0].finish_reason == "stop"
    assert found.usage is not None
    # BOS and a byte each; the model's end is a token of the answer.
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (15, len(ANSWER) + 1)
    note = found.model_extra["esper"]
    assert note["status"] == "instant"
    assert note["cost"] == 15 + 4 * (len(ANSWER) + 1)
    assert found.id == f"chatcmpl-{note['id']}"


def test_a_stream(world: GatewayWorld) -> None:
    chunks = list(
        world.client().chat.completions.create(
            model="esper-t0",
            messages=ASKED,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert text == ANSWER
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 15 + len(ANSWER) + 1


def test_the_stream_helper(world: GatewayWorld) -> None:
    with world.client().chat.completions.stream(model="esper-t0", messages=ASKED) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.content == ANSWER


def test_a_stop_cuts_text_and_tokens(world: GatewayWorld) -> None:
    asked = world.client().chat.completions.create(
        model="esper-t0", messages=ASKED, stop=["Tim", "zzz"]
    )
    assert asked.choices[0].message.content == ANSWER.partition("Tim")[0]
    assert asked.choices[0].finish_reason == "stop"
    given = world.signer.given[-1]
    # Tokens stay up to the last one of the stop: a byte each here.
    assert bytes(given.answer).decode() == ANSWER.partition("Tim")[0] + "Tim"
    assert given.asked.stop == ("Tim", "zzz")


def test_a_ceiling(world: GatewayWorld) -> None:
    found = world.client().chat.completions.create(
        model="esper-t0", messages=ASKED, max_tokens=9, max_completion_tokens=5
    )
    assert found.choices[0].message.content == ANSWER[:5]
    assert found.choices[0].finish_reason == "length"


def test_logprobs(world: GatewayWorld) -> None:
    found = world.client().chat.completions.create(
        model="esper-t0", messages=ASKED, max_tokens=3, logprobs=True, top_logprobs=2
    )
    logprobs = found.choices[0].logprobs
    assert [one.token for one in logprobs.content] == list(ANSWER[:3])
    assert logprobs.content[0].logprob == pytest.approx(-math.log(2))
    assert [one.token for one in logprobs.content[0].top_logprobs] == [" ", "\x1f"]
    assert found.model_extra["esper"]["logits"] == list(ANSWER[:3].encode())


def test_logprobs_without_others(world: GatewayWorld) -> None:
    found = world.client().chat.completions.create(model="esper-t0", messages=ASKED, logprobs=True)
    logprobs = found.choices[0].logprobs
    assert [one.token for one in logprobs.content] == list(ANSWER)
    assert all(one.logprob == pytest.approx(-math.log(2)) for one in logprobs.content)
    assert all(one.top_logprobs == [] for one in logprobs.content)
    # The end has no text, and a logit all the same.
    assert found.model_extra["esper"]["logits"][-1] == EOS


@pytest.mark.parametrize(
    ("fields", "error", "code", "param"),
    [
        ({"temperature": 0.7}, openai.BadRequestError, "unsupported_value", "temperature"),
        ({"n": 2}, openai.BadRequestError, "unsupported_value", "n"),
        ({"model": "gpt-4"}, openai.NotFoundError, "model_not_found", "model"),
        ({"max_tokens": 0}, openai.BadRequestError, "invalid_value", "max_tokens"),
        ({"extra_body": {"zzz": 1}}, openai.BadRequestError, "unknown_parameter", "zzz"),
        (
            {"messages": [{"role": "user", "content": "x" * 256}]},
            openai.BadRequestError,
            "context_length_exceeded",
            "messages",
        ),
        (
            {"messages": [{"role": "user", "content": "\x01"}]},
            openai.BadRequestError,
            "invalid_value",
            "messages",
        ),
    ],
)
def test_refusals(
    world: GatewayWorld,
    fields: dict[str, object],
    error: type[openai.APIStatusError],
    code: str,
    param: str,
) -> None:
    asked = {"model": "esper-t0", "messages": ASKED, **fields}
    with pytest.raises(error) as found:
        world.client().chat.completions.create(**asked)
    assert found.value.code == code
    assert found.value.param == param
    assert found.value.type == "invalid_request_error"


def test_a_wrong_key(world: GatewayWorld) -> None:
    for key in (ALICE[:-1] + ("A" if ALICE[-1] != "A" else "B"), "sk-none", "esk_short"):
        with pytest.raises(openai.AuthenticationError) as found:
            world.client(key).chat.completions.create(model="esper-t0", messages=ASKED)
        assert found.value.code == "invalid_api_key"


def test_a_fault_of_the_engine_breaks_a_stream(world: GatewayWorld, tmp_path: Path) -> None:
    before = world.ask(lambda store: store.budget.usage(world_key(), 0, 1 << 40))
    world.engine.fails_at = 9
    try:
        stream = world.client().chat.completions.create(
            model="esper-t0", messages=ASKED, stream=True
        )
        with pytest.raises(openai.APIError) as found:
            list(stream)
        assert "incident" in str(found.value)
        with pytest.raises(openai.InternalServerError):
            world.client().chat.completions.create(model="esper-t0", messages=ASKED)
    finally:
        world.engine.fails_at = None
    assert world.ask(lambda store: store.budget.usage(world_key(), 0, 1 << 40)) == before


def world_key() -> str:
    return ALICE.split("_")[1]
