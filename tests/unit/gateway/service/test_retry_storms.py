"""A gateway that says 503 for ten seconds: clients come back apart, seldom, and are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai import _base_client

from esper.gateway.ports import Serving
from esper.gateway.requests.asked import Endpoint
from esper.gateway.service.refusing import refusal_shape, refused_of
from esper.gateway.service.replying import _farewell
from esper.http.routes import RefusedError
from tests.support.gateway.gateway_world import GatewayWorld, gateway_world
from tests.support.gateway.standin_engine import ANSWER, MODEL

CLIENTS = 8
UNREADY_S = 10.0
MOST_TRIES = 10
"""Of a client: one at once, and one after each wait of a second or more."""

Switch = Callable[[GatewayWorld, bool], None]


def model(world: GatewayWorld, is_there: bool) -> None:
    world.inside(lambda: setattr(world.engine, "models", (MODEL,) if is_there else ()))


def node(world: GatewayWorld, is_ready: bool) -> None:
    now = Serving.READY if is_ready else Serving.NOT_READY
    world.inside(lambda: setattr(world.chain, "now", now))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorld]:
    with gateway_world(tmp_path_factory.mktemp("gateway")) as found:
        yield found


def waits_of_a_client(
    world: GatewayWorld, switch: Switch, patch: pytest.MonkeyPatch, prompt: str
) -> Sequence[float]:
    """Seconds between a client's tries, on a clock of its own, until it is answered."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if sum(waits) >= UNREADY_S:
            switch(world, True)

    patch.setattr(_base_client, "time", SimpleNamespace(sleep=sleep))
    switch(world, False)
    client: Any = world.client().with_options(max_retries=MOST_TRIES)
    made = client.completions.create(model="esper-t0", prompt=prompt)
    assert made.choices[0].text == ANSWER
    return waits


@pytest.mark.parametrize("switch", [model, node])
def test_clients_of_an_unready_gateway_come_back_apart_and_seldom(
    world: GatewayWorld, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(world.engine.jobs)
    # Each asks its own: equal ones that come again are one request.
    prompts = [f"{switch.__name__} {number}" for number in range(CLIENTS)]
    waits = [waits_of_a_client(world, switch, monkeypatch, one) for one in prompts]
    # Asked for by the server: the SDK's own first wait is half a second at most.
    assert all(1 <= wait <= 60 for one in waits for wait in one)
    assert all(len(one) < MOST_TRIES for one in waits)
    assert len({one[0] for one in waits}) > CLIENTS // 2
    assert len(world.engine.jobs) == before + CLIENTS


def test_what_was_refused_is_neither_kept_nor_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway_world(tmp_path) as world:
        waits = waits_of_a_client(world, model, monkeypatch, "The little dog")
        assert waits
        with world.http() as client:
            days = client.get("/v1/usage").json()["data"]
    assert [day["requests"] for day in days] == [1]


@pytest.mark.parametrize(("chance", "wait_ms"), [(0.0, 1_000), (0.25, 1_250), (0.9, 1_900)])
def test_who_finds_no_place_comes_back_apart(chance: float, wait_ms: int) -> None:
    refused = refused_of(RefusedError(503, "too many"), chance)
    assert (refused.code, refused.retry_ms) == ("not_ready", wait_ms)
    shaped = refusal_shape(ollama=False, chance=lambda: chance)(RefusedError(503, "too many"))
    assert shaped.headers["retry-after-ms"] == str(wait_ms)
    assert shaped.headers["retry-after"] == str(-(-wait_ms // 1000))
    # Others are not told to come back at all.
    assert refused_of(RefusedError(404, "nothing"), chance).retry_ms is None


@pytest.mark.parametrize("endpoint", list(Endpoint))
@pytest.mark.parametrize(("chance", "seconds"), [(0.0, b"1.0 s"), (0.5, b"1.5 s")])
def test_streams_that_the_node_s_end_cuts_off_come_back_apart(
    endpoint: Endpoint, chance: float, seconds: bytes
) -> None:
    assert b"the node stops: send it again in " + seconds in _farewell(endpoint, chance)
