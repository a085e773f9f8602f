"""Who is let in: keys, scopes, and who counts as sitting at the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gateway.accounts import NOW
from tests.support.gateway.gateway_world import ALICE, BOB, GatewayWorld, gateway_world, named

ASKED = {"model": "esper-t0", "prompt": "x"}
LOCAL = named(BOB, id="local", hash=b"", scopes=frozenset({"infer", "receipts", "prove"}))


def code(world: GatewayWorld, key: str | None, path: str = "/v1/models", **headers: str) -> str:
    with world.http(key, **headers) as client:
        found = client.get(path)
    return "ok" if found.status_code == 200 else found.json()["error"]["code"]


def test_keys(tmp_path: Path) -> None:
    dead = named(ALICE, revoked_ms=NOW)
    with gateway_world(tmp_path, dead, named(BOB)) as world:
        assert code(world, BOB) == "ok"
        for wrong in (ALICE, BOB[:-1] + "_", "esk_", f"{BOB}x", BOB.replace("esk", "esc"), "x"):
            assert code(world, wrong) == "invalid_api_key"
        assert code(world, None) == "invalid_api_key"
        with world.http(None) as client:
            twice = client.get(
                "/v1/models",
                headers=[("authorization", f"Bearer {BOB}"), ("authorization", f"Bearer {BOB}")],
            )
            assert twice.status_code == 401
            assert client.get("/v1/models", auth=("x", BOB)).status_code == 401
            # A revoked one dies at once.
            world.ask(lambda store: store.accounts.revoke(BOB.split("_")[1], NOW))
        assert code(world, BOB) == "invalid_api_key"


def test_an_expired_key(tmp_path: Path) -> None:
    with gateway_world(tmp_path, named(ALICE, expires_ms=1)) as world:
        assert code(world, ALICE) == "invalid_api_key"


def test_scopes(tmp_path: Path) -> None:
    usage = named(ALICE, scopes=frozenset({"usage"}))
    infer = named(BOB, scopes=frozenset({"infer"}))
    with gateway_world(tmp_path, usage, infer) as world:
        assert code(world, ALICE) == "scope"
        assert code(world, ALICE, "/v1/usage") == "ok"
        assert code(world, BOB, "/v1/usage") == "scope"
        assert code(world, BOB, "/v1/receipts/" + "0" * 32) == "scope"
        with world.http(BOB) as client:
            for wish in ("always", "auto"):
                asked = {**ASKED, "esper": {"prove": wish}}
                found = client.post("/v1/completions", json=asked)
                assert found.json()["error"]["code"] == "scope"
            found = client.post("/v1/completions", json=ASKED)
            assert found.json()["esper"]["public"] is False


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-zzz", "X-Real-IP", "Via"],
)
def test_a_proxy_makes_nobody_local(tmp_path: Path, header: str) -> None:
    with gateway_world(tmp_path, LOCAL, is_open=True) as world:
        assert code(world, None) == "ok"
        assert code(world, None, **{header: "1.2.3.4"}) == "invalid_api_key"


def test_local_is_for_open_gateways(tmp_path: Path) -> None:
    with gateway_world(tmp_path, LOCAL, named(ALICE), is_open=True) as world:
        # Clients that must send something send anything; a key is always looked at.
        assert code(world, "ollama") == "ok"
        assert code(world, ALICE) == "ok"
        assert code(world, ALICE[:-1] + "_") == "invalid_api_key"
        assert code(world, "local") == "ok"
        with world.http(None) as client:
            found = client.post("/v1/completions", json=ASKED).json()
            assert found["esper"]["public"] is False
            for wish, public in (("auto", False), ("always", True)):
                asked = {**ASKED, "esper": {"prove": wish}}
                found = client.post("/v1/completions", json=asked).json()
                assert found["esper"]["public"] is public


def test_local_is_for_nobody_else(tmp_path: Path) -> None:
    with gateway_world(tmp_path, LOCAL, is_open=False) as world:
        assert code(world, None) == "invalid_api_key"
        assert code(world, "local") == "invalid_api_key"


def test_a_key_in_a_url_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with gateway_world(tmp_path) as world:
        for path in (
            f"/v1/models?key={ALICE}",
            f"/v1/models/{ALICE}",
            f"/v1/{ALICE}",
            f"/v1/openapi.json?k=esk%5F{ALICE[4:]}",
        ):
            with world.http() as client:
                found = client.get(path)
            assert found.status_code == 400
            assert ALICE not in found.text
    # httpx's own lines are the client's.
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("esper")]
    assert not [line for line in ours if ALICE in line]
