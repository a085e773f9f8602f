"""Budgets, minutes and repeats: nobody gets more than the key has, nobody pays twice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from esper.gateway.counts import GatewayCounts
from tests.support.gateway.gateway_world import ALICE, BOB, GatewayWorld, gateway_world, named
from tests.support.gateway.standin_engine import ANSWER

ID = ALICE.split("_")[1]
ASKED = {"model": "esper-t0", "prompt": "x", "max_tokens": 2}
COST = 2 + 4 * 2
"""Of ``ASKED`` at a rate of 1: BOS, x, and two tokens of answer."""


def spent(world: GatewayWorld) -> tuple[int, int]:
    """Of the current period."""
    period = int(time.time() * 1000) // named(ALICE).period_ms
    found = world.ask(lambda store: store.budget.state(ID, period))
    return found.spent, found.reserved


def post(world: GatewayWorld, key: str = ALICE, /, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    with world.http(key, **headers) as client:
        return client.post("/v1/completions", json={**ASKED, **more})


def test_a_raced_budget_holds(tmp_path: Path) -> None:
    """50 streams at once with budget for 3."""
    account = named(ALICE, budget=3 * COST + 9, streams=64, scopes=frozenset({"infer"}))
    with gateway_world(tmp_path, account, waiting_of_key=64) as world:
        with ThreadPoolExecutor(50) as pool:
            found = list(pool.map(lambda _: post(world, stream=True), range(50)))
        assert sorted(one.status_code for one in found) == [200] * 3 + [429] * 47
        for one in found:
            if one.status_code == 429:
                assert one.json()["error"]["code"] == "insufficient_quota"
                assert one.headers["x-should-retry"] == "false"
        assert spent(world) == (3 * COST, 0)
        assert len(world.engine.jobs) == 3


def test_what_is_not_used_is_given_back(tmp_path: Path) -> None:
    with gateway_world(tmp_path, named(ALICE, budget=2 * COST)) as world:
        world.engine.fails_at = 0
        assert post(world).status_code == 500
        assert spent(world) == (0, 0)
        world.engine.fails_at = None
        assert post(world, model="zzz").status_code == 404
        assert post(world, prompt="x" * 300).status_code == 400
        assert spent(world) == (0, 0)
        assert post(world).status_code == 200
        assert spent(world) == (COST, 0)


def test_a_proof_stays_reserved(tmp_path: Path) -> None:
    with gateway_world(tmp_path, named(ALICE, max_price=3)) as world:
        note = post(world, esper={"prove": "always"}).json()["esper"]
        assert note["public"] is True
        assert spent(world) == (COST, 3 * COST)
        (row,) = world.proving.rows
        assert (row.call, row.max_price, row.prompt_tokens) == (note["id"], 3, 2)
        # The request's own ceiling is below the key's, never above it.
        for wish, price in ((1, 1), (9, 3)):
            post(world, esper={"prove": "always", "max_price": wish})
            assert world.proving.rows[-1].max_price == price


def test_auto_proves_what_it_can(tmp_path: Path) -> None:
    account = named(ALICE, budget=3 * COST, max_price=1)
    with gateway_world(tmp_path, account, named(BOB)) as world:
        # Without a word a key made to prove proves; what is left is for the answer alone.
        assert post(world).json()["esper"]["public"] is True
        note = post(world).json()["esper"]
        assert (note["public"], note["reason"]) == (False, "budget")
        assert post(world).status_code == 429
        world.proving.backlog = 5
        note = post(world, BOB).json()["esper"]
        assert (note["public"], note["reason"]) == (False, "backlog")
        assert post(world, BOB, esper={"prove": "always"}).json()["esper"]["public"] is True
        world.proving.backlog = 1_000
        refused = post(world, BOB, esper={"prove": "always"})
        assert refused.json()["error"]["code"] == "proof_backlog"
        assert 0 < int(refused.headers["retry-after-ms"]) <= 60_000
        assert post(world, BOB, esper={"prove": "never"}).json()["esper"]["public"] is False


def test_minutes(tmp_path: Path) -> None:
    account = named(ALICE, requests_per_minute=2)
    with gateway_world(tmp_path, account, named(BOB, tokens_per_minute=9)) as world:
        assert post(world).headers["x-ratelimit-remaining-requests"] == "1"
        assert post(world).status_code == 200
        refused = post(world)
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert 0 < int(refused.headers["retry-after-ms"]) <= 60_000
        assert int(refused.headers["retry-after"]) >= 1
        with pytest.raises(openai.RateLimitError):
            world.client().completions.create(**ASKED)
        # Four tokens each; what is not used is given back.
        assert post(world, BOB).headers["x-ratelimit-remaining-tokens"] == "5"
        assert post(world, BOB).status_code == 200
        assert post(world, BOB).status_code == 429


def test_equal_posts_are_charged_once(tmp_path: Path) -> None:
    """10 at once with one Idempotency-Key."""
    with gateway_world(tmp_path, named(ALICE)) as world:
        gate = world.hold()
        with ThreadPoolExecutor(10) as pool:
            headers = {"idempotency-key": "k"}
            tries = [pool.submit(post, world, headers=headers) for _ in range(10)]
            world.wait_for(lambda: len(world.engine.jobs) == 1)
            world.let_go(gate)
            found = [one.result() for one in tries]
        assert {one.status_code for one in found} == {200}
        assert len({one.content for one in found}) == 1
        assert len({one.headers["x-esper-receipt"] for one in found}) == 1
        assert len(world.engine.jobs) == 1
        assert spent(world)[0] == COST
        # Later ones get it too; another body does not; another endpoint is another body.
        assert post(world, headers=headers).content == found[0].content
        assert post(world, headers=headers, user="y").json()["error"]["code"] == (
            "idempotency_mismatch"
        )


def test_idempotency_is_of_a_key(tmp_path: Path) -> None:
    with gateway_world(tmp_path, named(ALICE), named(BOB)) as world:
        headers = {"idempotency-key": "k"}
        one, two = (post(world, key, headers=headers) for key in (ALICE, BOB))
        assert one.headers["x-esper-receipt"] != two.headers["x-esper-receipt"]
        for name in ("", "x" * 256, "a b"):
            found = post(world, headers={"idempotency-key": name})
            assert found.json()["error"]["code"] == "invalid_value"


def test_streams_are_repeated_as_streams(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        texts = []
        for _ in range(2):
            chunks = world.client().chat.completions.create(
                model="esper-t0",
                messages=[{"role": "user", "content": "x"}],
                stream=True,
                extra_headers={"idempotency-key": "k"},
            )
            texts.append("".join(one.choices[0].delta.content or "" for one in chunks))
        assert texts == [ANSWER] * 2
        assert len(world.engine.jobs) == 1


def test_an_sdk_that_tries_again_is_known(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        first = post(world)
        again = post(world, headers={"x-stainless-retry-count": "1"})
        assert again.content == first.content
        assert post(world).content != first.content
        assert len(world.engine.jobs) == 2
        for odd in ("x", "-1", "9" * 30, "²"):
            assert post(world, headers={"x-stainless-retry-count": odd.encode()}).status_code == 200


def test_a_repeat_of_what_is_long_in_coming(tmp_path: Path) -> None:
    with gateway_world(tmp_path, wait_s=0.05) as world:
        gate = world.hold()
        headers = {"idempotency-key": "k"}
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(post, world, headers=headers)
            world.wait_for(lambda: len(world.engine.jobs) == 1)
            refused = post(world, headers=headers)
            assert refused.status_code == 409
            assert refused.json()["error"]["code"] == "idempotency_in_progress"
            world.let_go(gate)
            assert first.result().status_code == 200


def test_refusals_and_faults_are_not_kept(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        headers = {"idempotency-key": "k"}
        world.engine.fails_at = 0
        assert post(world, headers=headers).status_code == 500
        world.engine.fails_at = None
        assert post(world, headers=headers).status_code == 200
        assert post(world, headers={"idempotency-key": "l"}, prompt="x" * 300).status_code == 400
        assert post(world, headers={"idempotency-key": "l"}).status_code == 200


def test_counts(tmp_path: Path) -> None:
    with gateway_world(tmp_path) as world:
        post(world)
        post(world, stream=True)
        post(world, model="zzz")
        counts: GatewayCounts = world.service.counts
        assert counts.requests == {
            ("completions", "ok"): 2,
            ("completions", "model_not_found"): 1,
        }
        assert (counts.prompt_tokens, counts.answer_tokens) == (4, 4)
        assert sum(counts.queue.steps) == sum(counts.first_token.steps) == 2
        world.wait_for(lambda: counts.streams == 0)
        assert world.service.desk.used == 0
