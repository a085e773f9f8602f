"""The description says what is served, no more and no less."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from esper.gateway.engine_port import EngineModel
from esper.gateway.openapi import openapi_object
from esper.gateway.openapi_bodies import body_schema
from esper.gateway.refusals import KINDS, Refused
from esper.gateway.requests.asked import Endpoint
from esper.gateway.requests.fields import TABLES
from esper.gateway.requests.reading import read_request
from esper.gateway.requests.room import INPUT_FIELDS
from tests.support.gateway.gateway_world import gateway_world
from tests.support.gateway.standin_engine import MODEL

FOUND = openapi_object()
CHAT = {"model": f"esper-t{MODEL.tier}", "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize("has_chain", [True, False])
def test_every_route_is_described(tmp_path: Path, has_chain: bool) -> None:
    with gateway_world(tmp_path if has_chain else None) as world:
        with world.http() as client:
            told = client.get("/v1/openapi.json").json()
        served = {
            route.path: {method.lower() for method in route.methods}
            for route in world.routes
            # The console's pages sign in by themselves: no program does.
            if "{rest:path}" not in route.path and not route.path.startswith("/console/")
        }
    assert {path: set(found) for path, found in told["paths"].items()} == served


def test_every_reference_leads_somewhere() -> None:
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(FOUND)):
        assert name in FOUND["components"]["schemas"]


def test_links_lead_to_what_is_served(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world, world.http() as client:
        told = client.get("/v1/openapi.json").json()["paths"]
        paths = {one["operationId"]: path for path in told for one in told[path].values()}
        followed = set()
        for path, verb, body in (
            ("/v1/chat/completions", "post", CHAT),
            ("/v1/models", "get", None),
        ):
            answer = client.request(verb, path, json=body).json()
            for link in told[path][verb]["responses"]["200"]["links"].values():
                [(name, where)] = link["parameters"].items()
                value = at_pointer(answer, where.removeprefix("$response.body#"))
                to = paths[link["operationId"]]
                assert f"{{{name}}}" in to
                if "get" in told[to] and "/events" not in to:
                    assert client.get(to.replace(f"{{{name}}}", value)).status_code == 200
                followed.add(link["operationId"])
    assert followed == {"receipt", "receipt_events", "prove", "model"}


def at_pointer(value: Any, pointer: str) -> Any:
    """Of RFC 6901, without its escapes."""
    for part in pointer.split("/")[1:]:
        value = value[int(part) if isinstance(value, list) else part]
    return value


def test_a_server_without_receipts_links_to_none() -> None:
    served = openapi_object(has_receipts=False)["paths"]
    assert "links" not in served["/v1/chat/completions"]["post"]["responses"]["200"]
    assert "links" in served["/v1/models"]["get"]["responses"]["200"]


def test_every_code_is_told() -> None:
    told = FOUND["paths"]["/v1/chat/completions"]["post"]["responses"]
    for code, kind in KINDS.items():
        assert code in told[str(kind.status)]["description"]


def test_names_of_operations_differ() -> None:
    names = [one["operationId"] for path in FOUND["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("endpoint", Endpoint)
def test_fields_are_those_that_are_read(endpoint: Endpoint) -> None:
    assert set(body_schema(endpoint)["properties"]) == set(TABLES[endpoint])


@pytest.mark.parametrize("endpoint", Endpoint)
def test_examples_of_each_field_are_taken(endpoint: Endpoint) -> None:
    """Whatever value a schema names, or its first, is one that the reader takes."""
    least: dict[str, Any] = {"model": "esper-t0"}
    is_list = endpoint in (Endpoint.CHAT, Endpoint.OLLAMA_CHAT)
    turn = {"role": "user", "content": "x"}
    least[INPUT_FIELDS[endpoint]] = [turn] if is_list else "x"
    schema = body_schema(endpoint)
    for name, field in schema["properties"].items():
        for value in examples(field):
            body = {**least, name: value}
            for needed in schema["dependentRequired"].get(name, ()):
                body[needed] = ["message.output_text.logprobs"] if needed == "include" else True
            try:
                read_request(endpoint, json.dumps(body).encode())
            except Refused as refused:
                raise AssertionError(f"{name}: {value!r}: {refused}") from refused


def examples(schema: dict[str, Any]) -> list[Any]:
    if "enum" in schema:
        return list(schema["enum"])
    if "anyOf" in schema:
        return [value for one in schema["anyOf"] for value in examples(one)]
    kind = schema.get("type")
    if isinstance(kind, list):
        assert kind[1:] == ["null"]
        return [None, *examples({**schema, "type": kind[0]})]
    match kind:
        case "boolean":
            return [True, False]
        case "integer":
            return [schema["minimum"]]
        case "string":
            return ["x"]
        case "array":
            return [[value] for value in examples(schema["items"])[:1]]
        case "object":
            properties = schema["properties"]
            needed = {name: examples(properties[name])[0] for name in schema.get("required", ())}
            return [needed, *({**needed, n: v} for n, p in properties.items() for v in examples(p))]
        case _:
            return [None]


def test_the_model_of_the_example_is_one() -> None:
    assert isinstance(MODEL, EngineModel)
    example = FOUND["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    named = example["application/json"]["schema"]["properties"]["model"]["examples"]
    assert named == [f"esper-t{MODEL.tier}"]
