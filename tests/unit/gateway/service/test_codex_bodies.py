"""/v1/responses in the form that Codex asks it: answered without tools, refused with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway.gateway_world import GatewayWorld, gateway_world
from tests.support.gateway.standin_engine import ANSWER


def turn(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


BODY: dict[str, Any] = {
    "model": "esper-t0",
    "instructions": "You are a coding agent.",
    "input": [
        turn("developer", "<permissions>read only</permissions>"),
        turn("user", "<environment_context><cwd>/home</cwd></environment_context>"),
        turn("user", "Say hello."),
    ],
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": None,
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "service_tier": None,
    "prompt_cache_key": "019a3c5e-7d1b-7b30-a0b4-2f0b0a2f9c11",
    "text": None,
    "client_metadata": {"x-codex-installation-id": "5b1f2c3d-0000-4000-8000-000000000000"},
}
TOOL = {
    "type": "function",
    "name": "shell",
    "description": "Runs a command.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"command": {"type": "array"}}},
}
HEADERS = {
    "accept": "text/event-stream",
    "originator": "codex_cli_rs",
    "session_id": "019a3c5e-7d1b-7b30-a0b4-2f0b0a2f9c11",
    "user-agent": "codex_cli_rs/0.60.0 (Debian 12; x86_64)",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorld]:
    with gateway_world(tmp_path_factory.mktemp("gateway")) as found:
        yield found


def events(world: GatewayWorld, body: dict[str, Any]) -> list[dict[str, Any]]:
    with world.http(**HEADERS) as client:
        found = client.post("/v1/responses", json=body)
    assert found.status_code == 200, found.text
    lines = found.text.splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def test_its_fields_are_taken(world: GatewayWorld) -> None:
    told = events(world, BODY)
    assert told[-1]["type"] == "response.completed"
    assert "".join(one.get("delta", "") for one in told) == ANSWER
    roles = [one.role for one in world.signer.given[-1].asked.input]  # type: ignore[union-attr]
    assert roles == ["system", "system", "user", "user"]


def test_a_second_turn(world: GatewayWorld) -> None:
    more = [*BODY["input"], turn("assistant", "Hello."), turn("user", "Again.")]
    assert events(world, {**BODY, "input": more})[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"reasoning": {"effort": "medium", "summary": "auto"}}, "reasoning"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"store": True}, "store"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": ""}]}, "input[0]"),
    ],
)
def test_the_rest_is_refused_in_words(
    world: GatewayWorld, change: dict[str, Any], param: str
) -> None:
    with world.http(**HEADERS) as client:
        found = client.post("/v1/responses", json={**BODY, **change})
    assert found.status_code == 400
    error = found.json()["error"]
    assert error["param"].startswith(param)
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) > 20


def test_newer_ones_leave_out_what_is_empty(world: GatewayWorld) -> None:
    """Without instructions, tools or fields that are null."""
    left_out = ("instructions", "tools")
    body = {name: one for name, one in BODY.items() if one is not None and name not in left_out}
    assert len(body) < len(BODY) - len(left_out)
    told = events(world, body)
    assert told[-1]["type"] == "response.completed"
    assert told[-1]["response"]["output"][0]["content"][0]["text"] == ANSWER
