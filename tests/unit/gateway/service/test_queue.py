"""Who waits: keys in turn, and limits of the minute."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from esper.gateway.service.waiting.fair_queue import FairQueue, QueueFullError
from esper.gateway.service.waiting.minute_limits import MinuteLimits
from tests.support.gateway.gateway_world import ALICE, BOB, GatewayWorld, gateway_world, named

ASKED = {"model": "esper-t0", "prompt": "x", "max_tokens": 2}


def everyone(key: str, ticket: int) -> bool:
    return True


def test_keys_take_turns() -> None:
    queue: FairQueue[int] = FairQueue(10, 8)
    for ticket in range(5):
        queue.join("hog", ticket)
    queue.join("other", 10)
    queue.join("third", 20)
    assert [queue.before("hog", ticket) for ticket in range(5)] == [0, 3, 4, 5, 6]
    assert queue.before("other", 10) == 1
    assert [queue.next(everyone) for _ in range(8)] == [0, 10, 20, 1, 2, 3, 4, None]
    assert len(queue) == 0


def test_who_may_not_go_is_passed_over() -> None:
    queue: FairQueue[int] = FairQueue(10, 8)
    queue.join("a", 1)
    queue.join("b", 2)
    assert queue.next(lambda key, ticket: key == "b") == 2
    assert queue.next(lambda key, ticket: key == "b") is None
    assert queue.leave("a", 1)
    assert not queue.leave("a", 1)
    assert len(queue) == 0


def test_places_are_counted() -> None:
    queue: FairQueue[int] = FairQueue(3, 2)
    queue.join("a", 1)
    queue.join("a", 2)
    with pytest.raises(QueueFullError) as full:
        queue.join("a", 3)
    assert full.value.of_key
    queue.join("b", 4)
    with pytest.raises(QueueFullError) as full:
        queue.join("c", 5)
    assert not full.value.of_key
    queue.leave("a", 1)
    queue.join("c", 5)


def test_a_minute_refills() -> None:
    limits = MinuteLimits()
    assert limits.take_request("a", 2, 60, 0) is None
    assert limits.take_request("a", 2, 60, 0) is None
    short = limits.take_request("a", 2, 60, 0)
    assert short is not None
    assert (short.what, short.limit, short.wait_ms) == ("requests", 2, 30_001)
    assert limits.take_request("b", 2, 60, 0) is None
    assert limits.take_request("a", 2, 60, 30_001) is None
    assert limits.take_request("a", 2, 60, 30_001) is not None
    # A clock that goes back gives nothing.
    assert limits.take_request("a", 2, 60, 0) is not None


def test_tokens_of_a_minute() -> None:
    limits = MinuteLimits()
    limits.take_request("a", 9, 60, 0)
    assert limits.take_tokens("a", 50, 0) is None
    short = limits.take_tokens("a", 20, 0)
    assert short is not None
    assert (short.what, short.wait_ms) == ("tokens", 10_001)
    limits.give_back("a", 30)
    assert limits.take_tokens("a", 20, 0) is None
    limits.give_back("a", 1_000)
    assert limits.headers("a")["x-ratelimit-remaining-tokens"] == "60"
    # More than a minute has: alone, rather than never.
    assert limits.take_tokens("a", 100, 0) is None
    assert limits.take_tokens("a", 1, 0) is not None


def test_a_key_cannot_hog_the_engine(tmp_path: Path) -> None:
    """Of two slots one key has one at most; its queue is bounded, and others are served."""
    hog, other = named(ALICE, streams=1), named(BOB)
    with gateway_world(tmp_path, hog, other, waiting_of_key=3) as world:
        world.inside(lambda: world.engine.with_slots(2))
        gate = world.hold()
        with ThreadPoolExecutor(20) as pool:
            first = [pool.submit(status, world, ALICE) for _ in range(10)]
            # One runs and three wait, in whatever order they came.
            world.wait_for(lambda: world.service.desk.waiting == 3)
            # The others are refused before the gate opens: one that came later would find a place.
            world.wait_for(lambda: sum(one.done() for one in first) == 6)
            assert world.engine.running == 1
            second = [pool.submit(status, world, BOB)]
            world.wait_for(lambda: world.engine.running == 2)
            world.let_go(gate)
            found = Counter(one.result() for one in first)
            assert found == {200: 4, 429: 6}
            assert second[0].result() == 200
        assert world.engine.most_running == 2


def status(world: GatewayWorld, key: str) -> int:
    with world.http(key) as client:
        found = client.post("/v1/completions", json=ASKED)
    if found.status_code == 429:
        assert found.json()["error"]["code"] == "engine_overloaded"
        assert int(found.headers["retry-after-ms"]) > 0
    return found.status_code


def test_who_waits_in_a_stream_is_told_so(tmp_path: Path) -> None:
    with gateway_world(tmp_path, told_every_s=0.01) as world:
        world.inside(lambda: world.engine.with_slots(1))
        gate = world.hold()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(status, world, ALICE)
            world.wait_for(lambda: world.engine.running == 1)
            body = {"model": "esper-t0", "messages": [{"role": "user", "content": "x"}]}
            with (
                world.http() as client,
                client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as got,
            ):
                lines = got.iter_lines()
                # The role comes at admission, before any slot.
                assert '"role":"assistant"' in next(lines)
                while not (line := next(lines)):
                    pass
                assert line == ": queued 0"
                world.let_go(gate)
                assert [line for line in lines if line][-1] == "data: [DONE]"
            assert first.result() == 200


@pytest.mark.parametrize("stream", [True, False])
def test_nobody_waits_for_ever(tmp_path: Path, stream: bool) -> None:
    with gateway_world(tmp_path, wait_s=0.05) as world:
        world.inside(lambda: world.engine.with_slots(1))
        gate = world.hold()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(status, world, ALICE)
            world.wait_for(lambda: world.engine.running == 1)
            with world.http() as client:
                found = client.post("/v1/completions", json={**ASKED, "stream": stream})
            if stream:
                assert found.status_code == 200
                error = json.loads(found.text.removeprefix("data: "))["error"]
            else:
                assert found.status_code == 429
                error = found.json()["error"]
            assert error["code"] == "engine_overloaded"
            world.let_go(gate)
            assert first.result() == 200
        assert world.service.desk.used == world.service.desk.waiting == 0
        assert len(world.signer.given) == 1
