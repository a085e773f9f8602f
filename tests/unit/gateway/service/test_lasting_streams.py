"""Streams of receipts, and replies that wait for a proof: so many of a key, and of all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from esper.gateway.ports import CallState
from esper.gateway.refusals import Refused
from esper.gateway.service.desks.lasting import FULL_MS, LastingStream, check_place
from esper.gateway.service.refusing import GatewayRefusedError
from esper.http.slots import Slots
from tests.support.gateway.gateway_world import (
    ALICE,
    BOB,
    SETTINGS,
    GatewayWorld,
    gateway_world,
    named,
)

OF_KEY, OF_ALL = 2, 3
ASKED: dict[str, Any] = {"model": "esper-t0", "prompt": "x", "esper": {"prove": "always"}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GatewayWorld]:
    settings = replace(SETTINGS, lasting=OF_ALL, lasting_of_key=OF_KEY)
    with gateway_world(tmp_path, named(ALICE), named(BOB), settings=settings) as found:
        yield found


def asked(client: httpx.Client, **more: Any) -> Any:
    made = client.post("/v1/completions", json={**ASKED, **more})
    assert made.status_code == 200, made.text
    return made.json()["esper"]


def places(world: GatewayWorld) -> Slots:
    assert world.service.receipts is not None
    return world.service.receipts.lasting


def opened(stack: ExitStack, client: httpx.Client, path: str) -> httpx.Response:
    got = stack.enter_context(client.stream("GET", path))
    assert got.status_code == 200
    lines = got.iter_lines()
    next(lines)
    # Without its iterator the stream would be closed.
    stack.callback(lines.close)  # type: ignore[attr-defined]
    return got


def check_refused(got: httpx.Response, whose: str) -> None:
    assert got.status_code == 429
    error = got.json()["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"].startswith(f"{whose} streams of receipts open: close one")
    assert FULL_MS <= int(got.headers["retry-after-ms"]) <= 2 * FULL_MS
    assert int(got.headers["retry-after"]) >= FULL_MS // 1000


def test_a_key_has_so_many_and_all_have_so_many(world: GatewayWorld) -> None:
    with world.http() as alice, world.http(BOB) as bob, ExitStack() as stack:
        path = f"{asked(alice)['receipt']}/events"
        other = f"{asked(bob)['receipt']}/events"
        first = opened(stack, alice, path)
        opened(stack, alice, path)
        check_refused(alice.get(path), f"this key has {OF_KEY}")
        # Another key has places of its own, until there are none at all.
        opened(stack, bob, other)
        check_refused(bob.get(other), f"there are {OF_ALL}")
        counts = world.service.counts.requests
        assert counts["receipts.events", "rate_limit_exceeded"] == 2
        # What lasts for nobody is asked as before.
        assert alice.get(path.removesuffix("/events")).status_code == 200
        first.close()
        world.wait_for(lambda: places(world).free == 1)
        opened(stack, alice, path)
        stack.close()
        world.wait_for(lambda: places(world).free == OF_ALL)


def test_a_stream_that_ends_gives_its_place_back(world: GatewayWorld) -> None:
    with world.http() as alice:
        for _ in range(2 * OF_KEY):
            note = asked(alice)
            world.inside(partial(world.proving.put, note["id"], CallState("final")))
            assert alice.get(f"{note['receipt']}/events").status_code == 200
        world.wait_for(lambda: places(world).free == OF_ALL)


def test_what_is_refused_takes_none(world: GatewayWorld) -> None:
    with world.http() as alice:
        for _ in range(2 * OF_ALL):
            assert alice.get(f"/v1/receipts/{'0' * 32}/events").status_code == 404
            head = alice.head(f"{asked(alice)['receipt']}/events")
            assert head.status_code == 200
        world.wait_for(lambda: places(world).free == OF_ALL)


@pytest.mark.parametrize("stream", [True, False])
def test_replies_that_wait_for_a_proof_have_places_too(world: GatewayWorld, stream: bool) -> None:
    wish = {"esper": {"prove": "always", "wait": "proven"}, "stream": stream}
    with world.http() as alice, ThreadPoolExecutor(OF_KEY) as pool:
        waiting = [
            pool.submit(alice.post, "/v1/completions", json={**ASKED, **wish})
            for _ in range(OF_KEY)
        ]
        world.wait_for(lambda: places(world).free == OF_ALL - OF_KEY)
        # It is answered and signed: it is told as it stands.
        got = alice.post("/v1/completions", json={**ASKED, **wish})
        for row in list(world.proving.rows):
            world.inside(partial(world.proving.put, row.call, CallState("proven")))
        assert all('"status":"proven"' in one.result().text for one in waiting)
        assert got.status_code == 200
        assert '"proven"' not in got.text
        assert '"reason"' not in got.text
        world.wait_for(lambda: places(world).free == OF_ALL)


def test_the_last_place_is_one_stream_s() -> None:
    """Both had passed the check; the second is refused before its first byte."""

    async def produce(write: Any) -> None:
        raise AssertionError("it has no place")

    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent")

    async def receive() -> Any:
        await trio.sleep_forever()

    async def main() -> None:
        slots = Slots(1)
        with slots.taken("other"):
            stream = LastingStream(produce, slots, "key", lambda: 0.5, media_type="text/plain")
            with pytest.raises(GatewayRefusedError) as told:
                await stream({"type": "http", "method": "GET"}, receive, send)
            assert told.value.status == 429
            assert told.value.refused.retry_ms == 1.5 * FULL_MS
            assert slots.free == 0
        assert slots.free == 1

    trio.run(main)


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_those_refused_together_come_apart(chance: float) -> None:
    with pytest.raises(Refused) as told:
        check_place(Slots(0), "key", chance)
    assert told.value.retry_ms == FULL_MS + int(FULL_MS * chance)
