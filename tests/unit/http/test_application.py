"""Routes, and what stands before them: no sockets."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response

from esper.http.origins import host_name
from esper.http.routes import JSON, RefusedError, RouteLimits, RouteTable
from esper.http.slots import Slots
from tests.support.http.http_world import (
    HELLO,
    App,
    body_of,
    connected,
    go,
    request,
    route,
    routed,
    status_of,
)

PAGE = "https://wallet.example"


async def hello(asked: Request, granted: Any) -> Response:
    return PlainTextResponse(HELLO)


def ask(app: App, data: bytes, *, is_kept: bool = False) -> bytes:
    """The answer to one request on a connection of its own."""
    found: list[bytes] = []

    async def main() -> None:
        async with connected(app, is_kept=is_kept) as client:
            await client.say(data)
            await client.stream.send_eof()
            found.append(await client.hear_all())

    go(main, mocked=True)
    return found[0]


def asked_with(app: App, *headers: str, path: str = "/", method: str = "GET") -> int:
    """The status of an answer to a request with these headers; Host comes first among them."""
    host = [] if any(header.startswith("Host:") for header in headers) else ["Host: localhost:80"]
    lines = [f"{method} {path} HTTP/1.1", *host, *headers]
    return status_of(ask(app, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"))


# --- paths ---


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/v1/models", 200),
        ("/v1/models/a", 200),
        ("/v1/models/a?b", 200),
        ("http://localhost/v1/models", 200),
        ("/v1/models/", 404),
        ("/v1/models/a/b", 404),
        ("/v1/models%0a", 404),
        ("/v1/models/..%2f", 404),
        ("/v1/models/../models", 404),
        ("/V1/models", 404),
        ("//", 404),
        ("/%00", 404),
        ("*", 404),
        ("/%2e", 404),
    ],
)
def test_paths_are_a_fixed_table(path: str, status: int) -> None:
    app = routed([route(found, hello) for found in ("/", "/v1/models", "/v1/models/{id}")])
    assert asked_with(app, path=path) == status


def test_a_route_is_told_what_stands_in_its_path() -> None:
    async def echo(asked: Request, granted: Any) -> Response:
        return PlainTextResponse(repr(asked.path_params))

    app = routed([route("/a/{name}/{number:int}", echo)])
    assert body_of(ask(app, request("/a/b%20c/7"))) == b"{'name': 'b c', 'number': 7}"
    assert status_of(ask(app, request("/a/b/x"))) == 404


def test_the_first_route_of_a_path_is_the_one() -> None:
    table = RouteTable([route("/a", hello), route("/{any}", hello)])
    found = table.find("/a", "GET")
    assert found is not None
    assert found[0].path == "/a"
    assert found[1] == {}


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 200), ("HEAD", 200), ("POST", 405), ("get", 405), ("Get", 405), ("OPTIONS", 405)],
)
def test_methods_are_those_of_the_route(method: str, status: int) -> None:
    answer = ask(routed([route("/", hello)]), request(method=method))
    assert status_of(answer) == status
    assert (b"allow: GET" in answer) == (status == 405)


# --- hosts ---


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:9334", "[::1]:5", "[::1]", "[0:0::1]"]
)
def test_names_of_this_machine_are_served(host: str) -> None:
    assert asked_with(routed([route("/", hello)]), f"Host: {host}") == 200


@pytest.mark.parametrize("host", ["127.0.0.2", "node.lan", "NODE.lan"])
def test_the_host_that_is_listened_on_is_served(host: str) -> None:
    app = routed([route("/", hello)], host=host)
    assert asked_with(app, f"Host: {host}:9334") == 200
    assert asked_with(app, "Host: other.lan") == 421


def test_a_request_without_a_host_is_served_where_the_version_has_none() -> None:
    # A browser speaks no such version; the health checks of some proxies do.
    for host in ("", "127.0.0.1"):
        app = routed([route("/", hello)], host=host)
        assert status_of(ask(app, b"GET / HTTP/1.0\r\n\r\n")) == 200
        assert status_of(ask(app, b"GET / HTTP/1.1\r\n\r\n")) == 400
        for wrong in (b"Host:", b"Host: a.example"):
            for version in (b"1.0", b"1.1"):
                said = b"GET / HTTP/%b\r\n%b\r\n\r\n" % (version, wrong)
                assert status_of(ask(app, said)) == 421
        assert status_of(ask(app, b"GET http://a.example/ HTTP/1.0\r\n\r\n")) == 421
        assert status_of(ask(app, b"GET http://localhost/ HTTP/1.0\r\n\r\n")) == 200


def test_the_address_that_a_client_connected_to_is_served_and_no_other() -> None:
    # On all addresses a client calls one of them; no page's name can be an address.
    async def main() -> None:
        app = routed([route("/", hello)], host="0.0.0.0")

        async def come_to(address: str, host: str) -> int:
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {
                "type": "http",
                "method": "GET",
                "path": "/",
                "scheme": "http",
                "headers": [(b"host", host.encode())],
                "server": (address, 9334),
                "client": ("10.0.0.9", 5),
            }
            await app(scope, trio.sleep_forever, send)
            return int(sent[0]["status"])

        assert await come_to("10.0.0.1", "10.0.0.1:9334") == 200
        assert await come_to("2001:db8::1", "[2001:DB8:0::1]") == 200
        assert await come_to("10.0.0.1", "10.0.0.2:9334") == 421
        assert await come_to("10.0.0.1", "a.example") == 421

    go(main)


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
    app = routed([route("/", hello)])
    # First of all: neither a path nor an origin that is its own changes it.
    assert asked_with(app, f"Host: {host}") == 421
    assert asked_with(app, f"Host: {host}", path="/other") == 421
    assert asked_with(app, f"Host: {host}", f"Origin: http://{host}") == 421
    assert asked_with(app, f"Host: {host}", path="http://localhost/") == 421
    assert asked_with(app, path=f"http://{host}/") in (400, 421)


def test_the_name_in_a_host_is_found() -> None:
    assert host_name("[FE80::1]:9") == "fe80::1"
    assert host_name(" Node.LAN:1 ") == "node.lan"


# --- origins ---


SITES = routed(
    [
        route("/", hello, is_page=True),
        route("/api", hello, methods=frozenset({"GET", "POST"})),
    ],
    allowed_origins=frozenset({PAGE}),
)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        # Programs, and Node's fetch, which names a mode and no origin.
        ((), 200),
        (("Sec-Fetch-Mode: cors",), 200),
        # The page itself, to the port and the scheme.
        (("Origin: http://localhost:80", "Sec-Fetch-Site: same-origin"), 200),
        (("Origin: http://LOCALHOST:80",), 200),
        (("Origin: http://localhost",), 403),
        (("Origin: http://localhost:81",), 403),
        (("Origin: https://localhost:80",), 403),
        (("Origin: http://127.0.0.1:80",), 403),
        (("Origin: null",), 403),
        (("Origin:",), 403),
        (("Origin: http://localhost:80", "Origin: https://a.example"), 403),
        # Browsers that say where a request comes from, with or without an origin.
        (("Sec-Fetch-Site: same-origin",), 200),
        (("Sec-Fetch-Site: none",), 200),
        (("Sec-Fetch-Site: same-site",), 403),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"), 403),
        (("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"), 403),
        (("Sec-Fetch-Site: Same-Origin",), 403),
        (("Sec-Fetch-Site: unknown",), 403),
        (("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"), 403),
        (("Origin: http://localhost:80", "Sec-Fetch-Site: cross-site"), 403),
        # A page that the configuration names.
        ((f"Origin: {PAGE}", "Sec-Fetch-Site: cross-site"), 200),
        ((f"Origin: {PAGE}",), 200),
        ((f"Origin: {PAGE}", "Origin: https://a.example"), 403),
    ],
)
def test_requests_of_other_sites_are_refused(
    headers: tuple[str, ...], status: int, method: str
) -> None:
    assert asked_with(SITES, *headers, path="/api", method=method) == status


@pytest.mark.parametrize(
    ("mode", "method", "path", "status"),
    [
        ("navigate", "GET", "/", 200),
        ("no-cors", "GET", "/", 403),
        ("cors", "GET", "/", 403),
        ("navigate", "POST", "/", 403),
        ("navigate", "GET", "/api", 403),
        ("navigate", "GET", "/other", 403),
    ],
)
def test_a_link_of_another_site_leads_to_pages_alone(
    mode: str, method: str, path: str, status: int
) -> None:
    headers = ("Sec-Fetch-Site: cross-site", f"Sec-Fetch-Mode: {mode}")
    assert asked_with(SITES, *headers, method=method, path=path) == status


def test_a_configured_page_is_told_what_it_may_do() -> None:
    flight = ask(
        SITES,
        request("/api", f"Origin: {PAGE}", "Sec-Fetch-Site: cross-site", method="OPTIONS"),
    )
    assert status_of(flight) == 204
    assert f"access-control-allow-origin: {PAGE}".encode() in flight
    assert b"access-control-allow-methods: GET, POST" in flight
    assert b"access-control-allow-credentials" not in flight
    refused = ask(SITES, request("/api", "Origin: https://a.example", method="OPTIONS"))
    assert status_of(refused) == 403
    assert b"access-control" not in refused


def allowed_of(asked: str, origin: str = PAGE) -> str | None:
    """What a preflight that asks for these headers is told that it may send."""
    flight = ask(
        SITES,
        request(
            "/api",
            f"Origin: {origin}",
            f"Access-Control-Request-Headers: {asked}",
            method="OPTIONS",
        ),
    )
    found = re.search(rb"access-control-allow-headers: ([^\r]*)\r", flight)
    return None if found is None else found[1].decode()


def test_what_sdks_say_of_themselves_may_be_sent_by_a_configured_page() -> None:
    always = "authorization, content-type, idempotency-key"
    asked = "authorization,content-type,idempotency-key,x-stainless-arch, X-Stainless-Retry-Count"
    allowed = f"{always}, x-stainless-arch, x-stainless-retry-count"
    assert allowed_of(asked) == allowed
    assert allowed_of(asked, "https://a.example") is None
    assert (
        allowed_of("x-forwarded-for,cookie,x-stainless-,x-stainless-a b,x-stainless-\u00e9")
        == always
    )
    many = ",".join(f"x-stainless-{number}" for number in range(100))
    assert allowed_of(many) == f"{always}, {', '.join(many.split(',')[:16])}"


def test_a_configured_page_may_read_when_to_ask_again() -> None:
    told = ask(SITES, request("/api", f"Origin: {PAGE}"))
    assert b"access-control-expose-headers: retry-after, " in told
    assert b"x-esper-receipt" in told
    assert b"expose-headers" not in ask(SITES, request("/api"))


# --- authority, limits, slots ---


class Gate:
    """An authority that grants what a header says, and remembers when it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, asked: HTTPConnection) -> str:
        self.asked += 1
        found = asked.headers.get("authorization", "")
        if not found:
            raise RefusedError(401, "a key is needed", {"www-authenticate": "Bearer"})
        return found


def test_each_route_has_its_own_authority_limits_and_words() -> None:
    async def echo(asked: Request, granted: str) -> Response:
        return PlainTextResponse(granted + str(len(await asked.body())))

    def odd(refused: RefusedError) -> Response:
        return PlainTextResponse(f"odd: {refused.message}", refused.status)

    gate = Gate()
    limits = RouteLimits(Slots(1), body_bytes=5)
    posting = frozenset({"POST"})
    app = routed(
        [
            route("/a", echo, methods=posting, authority=gate, limits=limits, refusal=odd),
            route("/b", hello, methods=posting, media_type=JSON),
        ]
    )
    good = ask(app, request("/a", "Authorization: x", method="POST", body=HELLO))
    assert body_of(good) == b"x5"
    large = ask(app, request("/a", "Authorization: x", method="POST", body=HELLO + b"!"))
    assert status_of(large) == 413
    assert body_of(large).startswith(b"odd: the body is larger than 5 bytes")
    nobody = ask(app, request("/a", method="POST", body=HELLO))
    assert status_of(nobody) == 401
    assert b"www-authenticate: Bearer" in nobody
    assert b"connection: close" in nobody
    asked = gate.asked
    assert status_of(ask(app, request("/b", method="POST", body=HELLO))) == 200
    assert status_of(ask(app, request("/b", method="POST"))) == 415
    assert gate.asked == asked


def test_a_body_is_not_asked_for_before_its_sender_may_send_it() -> None:
    app = routed(
        [
            route(
                "/",
                hello,
                methods=frozenset({"POST"}),
                authority=Gate(),
                limits=RouteLimits(Slots(1), body_bytes=5),
            )
        ]
    )
    waiting = request("/", "Expect: 100-continue", "Content-Length: 5", method="POST")
    answer = ask(app, waiting)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"100 Continue" not in answer


def test_a_body_has_its_time() -> None:
    async def main() -> None:
        limits = RouteLimits(Slots(1), body_bytes=100, body_timeout_s=3)
        app = routed([route("/", hello, methods=frozenset({"POST"}), limits=limits)])
        data = request("/", method="POST", body=HELLO)
        async with connected(app) as client:
            await client.say(data[:-1])
            answer = await client.hear_all()
            assert status_of(answer) == 408
            assert trio.current_time() == pytest.approx(3)
        async with connected(app) as client:
            await client.say(data[:-1])
            await trio.sleep(2)
            await client.say(data[-1:])
            assert status_of(await client.hear_until(HELLO)) == 200

    go(main, mocked=True)


def test_a_slot_is_held_until_the_client_has_taken_the_answer() -> None:
    async def main() -> None:
        slots = Slots(1)
        app = routed([route("/", hello, limits=RouteLimits(slots))])
        async with connected(app, lockstep=True) as slow, connected(app) as quick:
            await slow.say(request())
            await trio.sleep(1)
            assert slots.free == 0
            await quick.say(request())
            answer = await quick.hear_all()
            assert status_of(answer) == 503
            assert b"retry-after: " in answer
            await slow.hear_until(HELLO)
            await trio.sleep(1)
            assert slots.free == slots.limit == 1

    go(main, mocked=True)


def test_on_a_kept_place_essential_routes_alone_are_answered() -> None:
    app = routed([route("/", hello), route("/health", hello, is_essential=True)])
    assert status_of(ask(app, request("/health"), is_kept=True)) == 200
    answer = ask(app, request("/"), is_kept=True)
    assert status_of(answer) == 503
    assert b"retry-after: " in answer
    assert status_of(ask(app, request("/"))) == 200


def test_what_a_route_refuses_while_it_answers_is_told() -> None:
    async def full(asked: Request, granted: Any) -> Response:
        raise RefusedError(429, "too many tokens", {"retry-after": "7"})

    answer = ask(routed([route("/", full)]), request())
    assert status_of(answer) == 429
    assert b"retry-after: 7" in answer
    assert body_of(answer) == b'{"error":"too many tokens"}'
