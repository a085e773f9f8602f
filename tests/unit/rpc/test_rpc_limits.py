"""Who may ask from where, how much, how slowly, how many at once: no sockets, no waiting."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
from starlette.types import Message
from trio.testing import MockClock

from esper.http.application import application
from esper.http.settings import HttpSettingsError
from esper.rpc import errors as e
from esper.rpc.auth import token_hash
from esper.rpc.routes import rpc_routes
from esper.rpc.settings import RpcSettings, RpcSettingsError
from tests.support.node.fake_node import SECRET, TOKEN, FakeNode, settings

STATUS = b'{"jsonrpc":"2.0","method":"get_status","id":1}'
STOP = b'{"jsonrpc":"2.0","method":"stop","id":1}'
PAGE = "https://wallet.example"


@dataclass
class Answer:
    """What an application sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> int | None:
        found: int | None = json.loads(self.body).get("error", {}).get("code")
        return found


class Site:
    """The application of a fake node, on a clock of its own."""

    def __init__(self, **changes: Any) -> None:
        self.node = FakeNode()
        self.read_bytes = 0
        """Of bodies, by the application."""
        chosen = settings(Path("nowhere"), **changes)
        self.app = application(rpc_routes(self.node, chosen), chosen)

    async def send(
        self,
        *parts: bytes | float,
        method: str = "POST",
        path: str = "/",
        client: str = "127.0.0.1",
        **headers: str | list[str],
    ) -> Answer:
        """Ask. Parts are bytes of the body, or seconds to wait before the next."""
        given: dict[str, str | list[str]] = {
            "host": "localhost:1",
            "content_type": "application/json",
            **headers,
        }
        pairs = [
            (name.replace("_", "-").encode(), value.encode("latin-1"))
            for name, values in given.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        rest = list(parts)
        answer = Answer()

        async def receive() -> dict[str, Any]:
            while rest:
                part = rest.pop(0)
                if isinstance(part, bytes):
                    self.read_bytes += len(part)
                    return {"type": "http.request", "body": part, "more_body": bool(rest)}
                await trio.sleep(part)
            return {"type": "http.disconnect"}

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer.body += message["body"]

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": pairs,
            "scheme": "http",
            "client": (client, 5),
        }
        await self.app(scope, receive, reply)
        return answer

    def ask(self, *parts: bytes | float, **how: Any) -> Answer:
        async def main() -> Answer:
            return await self.send(*(parts or (STATUS,)), **how)

        return trio.run(main, clock=MockClock(autojump_threshold=0))


def test_an_honest_request_is_answered() -> None:
    answer = Site().ask()
    assert answer.status == 200
    assert json.loads(answer.body)["result"]["height"] == 1
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_a_notification_gets_no_content() -> None:
    answer = Site().ask(b'{"jsonrpc":"2.0","method":"get_status"}')
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 405),
        ("PUT", "/", 405),
        ("HEAD", "/", 405),
        ("TRACE", "/", 405),
        ("CONNECT", "/", 405),
        ("OPTIONS", "/", 405),
        ("POST", "/health", 405),
        ("GET", "/health", 200),
        ("GET", "/health/", 404),
        ("GET", "/other", 404),
        ("POST", "/other", 404),
        ("POST", "//", 404),
    ],
)
def test_there_is_one_address_and_a_health_check(method: str, path: str, status: int) -> None:
    site = Site()
    assert site.ask(method=method, path=path).status == status
    assert site.node.asked == []


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:9334", "[::1]:5", "[::1]"]
)
def test_names_of_this_machine_are_served(host: str) -> None:
    assert Site().ask(host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:9334",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "localhost@attacker.example",
        "localhost:80:80",
        "localhost:x",
        "[::1",
        "[::1]x",
        "",
        "192.168.0.7",
    ],
)
def test_a_page_that_turned_its_name_towards_this_machine_is_refused(host: str) -> None:
    for method, path in (("POST", "/"), ("GET", "/health")):
        site = Site()
        assert site.ask(host=host, method=method, path=path).status == 421
        assert site.node.asked == []


def test_a_configured_host_is_served() -> None:
    assert Site(allowed_hosts=frozenset({"node.lan"})).ask(host="Node.LAN:9334").status == 200


@pytest.mark.parametrize(
    "origin", ["https://attacker.example", "null", "", "http://localhost:2", "https://localhost:1"]
)
def test_pages_may_not_ask(origin: str) -> None:
    site = Site(allowed_origins=frozenset({PAGE}))
    answer = site.ask(origin=origin)
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers
    assert site.ask(origin=[PAGE, origin]).status == 403
    assert site.node.asked == []


def test_a_configured_page_may_ask_and_preflights_are_answered() -> None:
    site = Site(allowed_origins=frozenset({PAGE}))
    answer = site.ask(origin=PAGE)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers
    flight = site.ask(b"", method="OPTIONS", origin=PAGE, content_type=[])
    assert flight.status == 204
    assert flight.headers["access-control-allow-origin"] == PAGE
    allowed = "authorization, content-type, idempotency-key"
    assert flight.headers["access-control-allow-headers"] == allowed
    assert Site().ask(b"", method="OPTIONS", origin=PAGE).status == 403


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "",
        [],
        ["application/json", "text/plain"],
    ],
)
def test_what_a_form_can_send_is_refused(kind: Any) -> None:
    site = Site()
    assert site.ask(content_type=kind).status == 415
    assert site.node.asked == []
    assert site.ask(content_type="Application/JSON; charset=utf-8").status == 200


def test_a_body_is_counted_as_it_comes() -> None:
    site = Site(max_body_bytes=100)
    fits = STATUS + b" " * (100 - len(STATUS))
    assert site.ask(fits).status == 200
    assert site.ask(fits[:30], fits[30:]).status == 200
    for parts in ((fits + b" ",), (fits, b" "), (fits, b"", b" ", b"")):
        answer = site.ask(*parts, content_length="5")
        assert (answer.status, answer.code) == (413, e.LIMITED)
        assert answer.headers["connection"] == "close"
    assert len(site.node.asked) == 2


def test_a_token_brings_proofs_and_a_body_may_be_longer() -> None:
    site = Site(max_body_bytes=100, max_token_body_bytes=200)
    longer = STATUS + b" " * (200 - len(STATUS))
    known = f"Bearer {TOKEN}"
    assert site.ask(longer).status == 413
    assert site.ask(longer, authorization=known).status == 200
    assert site.ask(longer, b" ", authorization=known).status == 413


def test_an_endless_body_is_not_read_for_ever() -> None:
    site = Site(max_body_bytes=100)
    part = bytes(65_536)
    assert site.ask(*[part] * 1000).status == 413
    # What still comes is the connection's to throw away, once the refusal is said.
    assert site.read_bytes <= 100 + len(part)


def test_a_slow_body_is_not_waited_for() -> None:
    site = Site(body_timeout_s=10.0)
    assert site.ask(STATUS[:9], 9.0, STATUS[9:]).status == 200
    slow = [part for byte in STATUS for part in (bytes([byte]), 1.0)]
    answer = site.ask(*slow)
    assert (answer.status, answer.code) == (408, e.LIMITED)
    assert answer.headers["connection"] == "close"
    assert len(site.node.asked) == 1


def test_a_body_that_breaks_off_is_no_request() -> None:
    site = Site()
    site.ask(STATUS, 1.0)
    assert site.node.asked == []
    assert site.ask(STATUS, 1.0, b"").status == 200


def test_only_so_many_are_answered_at_once() -> None:
    site = Site(max_requests=3)
    site.node.behave = lambda name: trio.sleep(5)
    answers: list[Answer] = []

    async def main() -> None:
        async def one() -> None:
            answers.append(await site.send(STATUS))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
        site.node.behave = None
        await one()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 200, 503, 503]
    busy = next(answer for answer in answers if answer.status == 503)
    assert 1 <= int(busy.headers["retry-after"]) <= 3
    assert answers[-1].status == 200


def test_bodies_that_come_slowly_take_no_place() -> None:
    site = Site(max_requests=1)
    answers: list[Answer] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(site.send, STATUS[:5], 9.0, STATUS[5:])
            await trio.sleep(1)
            answers.append(await site.send(STATUS))

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert answers[0].status == 200


def test_a_token_lets_one_steer_and_a_wrong_one_lets_one_do_nothing() -> None:
    further = "a token of the operator"
    site = Site(token_hashes=frozenset({token_hash(further)}))
    basic = base64.b64encode(b"__cookie__:" + TOKEN.encode()).decode()
    for good in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", f"Basic {basic}", f"Bearer {further}"):
        assert site.ask(STOP, authorization=good).code is None
    other_user = base64.b64encode(b"root:" + TOKEN.encode()).decode()
    asked = len(site.node.asked)
    for bad in (
        "Bearer wrong",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {token_hash(TOKEN)}",
        f"Basic {other_user}",
        "Basic !!!",
        "Basic",
        "Bearer",
        "",
        "Digest x",
        "\xff\xfe",
        "Bearer " + "x" * 5000,
        [f"Bearer {TOKEN}", "Bearer wrong"],
    ):
        answer = site.ask(STATUS, authorization=bad)
        assert (answer.status, answer.code) == (401, e.UNAUTHORIZED)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["connection"] == "close"
        assert TOKEN.encode() not in answer.body
    assert len(site.node.asked) == asked


def test_a_guess_costs_time() -> None:
    site = Site(wrong_token_delay_s=0.2)

    async def main() -> tuple[float, float]:
        begun = trio.current_time()
        await site.send(STATUS, authorization=f"Bearer {TOKEN}")
        right = trio.current_time() - begun
        await site.send(STATUS, authorization="Bearer wrong")
        return right, trio.current_time() - begun - right

    right, wrong = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert right == 0
    assert wrong == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("how", "status"),
    [({"client": "10.0.0.9"}, 401), ({"authorization": "Bearer wrong"}, 401)],
)
def test_access_is_refused_before_a_byte_of_the_body_is_read(
    how: dict[str, str], status: int
) -> None:
    site = Site(host="0.0.0.0")
    assert site.ask(STATUS, **how).status == status
    assert site.read_bytes == 0


def test_strangers_from_other_machines_need_a_token_to_read() -> None:
    site = Site(host="0.0.0.0")
    answer = site.ask(client="10.0.0.9")
    assert (answer.status, answer.code) == (401, e.UNAUTHORIZED)
    assert site.node.asked == []
    assert site.ask(client="10.0.0.9", authorization=f"Bearer {TOKEN}").code is None
    assert site.ask(client="::1").code is None


def test_the_log_of_requests_is_off_unless_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Site().ask(authorization=f"Bearer {TOKEN}")
        assert caplog.records == []
        Site(access_log=True).ask(authorization=f"Bearer {TOKEN}")
    assert "POST '/' 200" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": b"short"},
        {"port": 65_536},
        {"port": -1},
        {"token_hashes": frozenset({"token"})},
        {"token_hashes": frozenset({"G" * 64})},
        {"allowed_origins": frozenset({"*"})},
        {"allowed_hosts": frozenset({"*"})},
        {"max_connections": 0},
        {"max_connections_per_address": 0},
        {"kept_connections": -1},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((RpcSettingsError, HttpSettingsError), match=next(iter(wrong))):
        settings(Path("nowhere"), **wrong)


def test_settings_keep_their_secrets_to_themselves() -> None:
    shown = repr(RpcSettings(Path("d"), SECRET, token_hashes=frozenset({"ab" * 32})))
    assert TOKEN not in shown
    assert repr(SECRET) not in shown
    assert "ab" * 32 not in shown
