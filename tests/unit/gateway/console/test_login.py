"""Signing in: codes once, cookies from our own pages alone, page tokens with each POST."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from esper.gateway.console.session_secrets import (
    CODE_LASTS_MS,
    COOKIE,
    PAGE_HEADER,
    SESSION_LASTS_MS,
    kept_hash,
    page_token,
)
from esper.gateway.keys import CONSOLE_ID
from tests.support.gateway.gateway_world import ALICE, BOB, GatewayWorld, gateway_world, named

CODE = "ab" * 32
ASKED = {"model": "esper-t0", "prompt": "x"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GatewayWorld]:
    console = replace(named(BOB), id=CONSOLE_ID, hash=b"")
    with gateway_world(tmp_path, named(ALICE), console) as found:
        yield found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def offer(world: GatewayWorld, code: str = CODE, lasts_ms: int = CODE_LASTS_MS) -> None:
    now = now_ms()
    world.ask(lambda store: store.sign_ins.add_code(kept_hash(code), now, now + lasts_ms))


def own(world: GatewayWorld) -> str:
    return world.url.rstrip("/")


def login(world: GatewayWorld, code: object = CODE, **headers: str) -> httpx.Response:
    given = headers or {"origin": own(world)}
    with world.http(None, **given) as client:
        return client.post("/console/login", json={"code": code})


def session_of(world: GatewayWorld, code: str = CODE) -> tuple[str, str]:
    offer(world, code)
    found = login(world, code)
    assert found.status_code == 200, found.text
    return found.cookies[COOKIE], found.json()["page"]


def ask(world: GatewayWorld, session: str, page: str | None, **more: str) -> httpx.Response:
    headers = {"origin": own(world), "cookie": f"{COOKIE}={session}", **more}
    if page is not None:
        headers[PAGE_HEADER] = page
    with world.http(None, **headers) as client:
        return client.post("/v1/completions", json=ASKED)


def code_of(found: httpx.Response) -> str:
    return "ok" if found.status_code == 200 else str(found.json()["error"]["code"])


def test_a_code_signs_in(world: GatewayWorld) -> None:
    offer(world)
    found = login(world)
    set_cookie = found.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/", f"max-age={SESSION_LASTS_MS // 1000}"):
        assert part in set_cookie
    assert found.headers["cache-control"] == "no-store"
    answered = ask(world, found.cookies[COOKIE], found.json()["page"])
    assert answered.json()["esper"]["public"] is False


def test_only_hashes_are_kept(world: GatewayWorld, tmp_path: Path) -> None:
    session, page = session_of(world)
    held = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    assert kept_hash(session) in held
    for secret in (CODE, session, page):
        assert secret.encode() not in held
        assert bytes.fromhex(secret) not in held


def test_a_code_is_good_once(world: GatewayWorld) -> None:
    session_of(world)
    assert code_of(login(world)) == "invalid_api_key"


def test_a_code_that_is_over(world: GatewayWorld) -> None:
    offer(world, lasts_ms=0)
    assert code_of(login(world)) == "invalid_api_key"


@pytest.mark.parametrize("wrong", ["", "cd" * 32, 7, None, ["x"]])
def test_a_code_that_nobody_gave(world: GatewayWorld, wrong: object) -> None:
    offer(world)
    assert code_of(login(world, wrong)) in ("invalid_value", "invalid_api_key")
    assert code_of(login(world)) == "ok"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 4000, b"\xff"])
def test_a_body_that_is_none(world: GatewayWorld, body: bytes) -> None:
    headers = {"origin": own(world), "content-type": "application/json"}
    with world.http(None, **headers) as client:
        assert client.post("/console/login", content=body).status_code == 400


def test_who_may_sign_in(world: GatewayWorld) -> None:
    offer(world)
    for headers in (
        {"origin": "http://example.org"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"user-agent": "x"},
    ):
        assert code_of(login(world, **headers)) == "origin"
    assert code_of(login(world, **{"sec-fetch-site": "same-origin"})) == "ok"


def test_a_cookie_from_elsewhere(world: GatewayWorld) -> None:
    session, page = session_of(world)
    for origin in ("http://example.org", "http://127.0.0.1:1", "null"):
        assert code_of(ask(world, session, page, origin=origin)) == "origin"
    with world.http(None, cookie=f"{COOKIE}={session}") as client:
        assert code_of(client.get("/v1/models")) == "origin"
        same = {"sec-fetch-site": "same-origin"}
        assert code_of(client.get("/v1/models", headers=same)) == "ok"
        assert client.get("/console/session", headers=same).json() == {"page": page}


def test_a_post_needs_its_own_page_s_token(world: GatewayWorld) -> None:
    session, page = session_of(world)
    other, other_page = session_of(world, "cd" * 32)
    assert code_of(ask(world, session, None)) == "origin"
    assert code_of(ask(world, session, "x")) == "origin"
    assert code_of(ask(world, session, other_page)) == "origin"
    assert code_of(ask(world, other, page)) == "origin"
    assert code_of(ask(world, other, other_page)) == "ok"


def test_a_session_that_nobody_has(world: GatewayWorld) -> None:
    for session in ("cd" * 32, "x"):
        assert code_of(ask(world, session, page_token(session))) == "invalid_api_key"


def test_a_session_that_is_over(world: GatewayWorld) -> None:
    offer(world)
    session, now = "ef" * 32, now_ms()
    world.ask(lambda store: store.sign_ins.take_code(kept_hash(CODE), kept_hash(session), now, now))
    assert code_of(ask(world, session, page_token(session))) == "invalid_api_key"


def test_revoked(world: GatewayWorld) -> None:
    session, page = session_of(world)
    offer(world, "cd" * 32)
    assert world.ask(lambda store: store.sign_ins.end_all()) == 1
    assert code_of(ask(world, session, page)) == "invalid_api_key"
    assert code_of(login(world, "cd" * 32)) == "invalid_api_key"


def test_a_key_wins_over_a_cookie(world: GatewayWorld) -> None:
    headers = {"cookie": f"{COOKIE}=x", "origin": own(world)}
    with world.http(ALICE, **headers) as client:
        assert code_of(client.get("/v1/models")) == "ok"
        assert code_of(client.get("/console/session")) == "invalid_api_key"


def test_the_console_publishes_with_its_question_alone(world: GatewayWorld) -> None:
    session, page = session_of(world)
    headers = {"origin": own(world), "cookie": f"{COOKIE}={session}", PAGE_HEADER: page}
    with world.http(None, **headers) as client:
        for wish, public in (("auto", False), ("always", True)):
            body = {**ASKED, "esper": {"prove": wish}}
            assert client.post("/v1/completions", json=body).json()["esper"]["public"] is public
        found = client.post("/v1/receipts/" + "0" * 32 + "/prove", json={})
        assert code_of(found) == "scope"
