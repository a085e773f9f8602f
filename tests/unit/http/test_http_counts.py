"""What a server counts: open connections, and refusals by reasons of a fixed list."""

from __future__ import annotations

from typing import Any

import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from esper.http.connection_pool import ConnectionPool
from esper.http.counts import ALL_REASONS, HttpCounts
from tests.support.http.http_world import (
    GET,
    HELLO,
    Greeter,
    connected,
    go,
    http_settings,
    request,
    route,
    routed,
    told,
    until,
)
from tests.support.http.socket_client import asking


async def hello(asked: Request, granted: Any) -> Response:
    return PlainTextResponse(HELLO)


def test_refused_requests_are_counted_by_what_was_wrong() -> None:
    async def main() -> None:
        app = routed([route("/", hello)])
        counts = HttpCounts()
        asked = [
            (request(), None),
            (request("/", "Origin: https://a.example"), "origin"),
            (request().replace(b"localhost", b"a.example"), "host"),
            (request("/elsewhere"), "path"),
            (request(method="POST", body=b""), "method"),
            (b"\x16\x03\x01\r\n\r\n", "form"),
            (b"GET / HTTP/1.1\r\n\r\n", "form"),
        ]
        for data, reason in asked:
            async with connected(app) as client:
                before = client.connection.facts.counts.refused
                await client.say(data)
                await client.stream.send_eof()
                await client.hear_all()
                after = client.connection.facts.counts.refused
            changed = {name for name in after if after[name] != before[name]}
            assert changed == ({reason} if reason else set())
        assert counts.refused == dict.fromkeys(ALL_REASONS, 0)

    go(main, mocked=True)


def test_every_status_has_a_word() -> None:
    counts = HttpCounts()
    for status in range(400, 600):
        counts.refuse_with(status)
    assert counts.refused["busy"] == counts.refused["size"] == 1
    assert counts.refused["other"] == 200 - 9
    assert sum(counts.refused.values()) == 200


def test_a_pool_counts_who_is_there_and_who_was_turned_away() -> None:
    async def main() -> None:
        counts = HttpCounts()
        chosen = http_settings(max_connections=3, max_connections_per_address=2, kept_connections=0)
        pool = ConnectionPool(Greeter(), chosen, counts)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.serve, listeners)
            held = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
            await until(lambda: counts.connections == 2)
            async with await trio.open_tcp_stream("127.0.0.1", port) as third:
                assert b" 503 " in await told(third)
            assert counts.refused["address"] == 1
            for one in held:
                await one.aclose()
            await until(lambda: counts.connections == 0)
            nursery.cancel_scope.cancel()

    go(main)


def test_on_a_kept_place_no_socket_is_opened() -> None:
    async def main() -> None:
        app = routed([route("/ws", hello)])
        async with connected(app, is_kept=True) as client:
            await client.say(asking())
            assert b" 503 " in await client.hear()
            assert client.connection.facts.counts.refused["busy"] == 1
        async with connected(app) as client:
            await client.say(GET)
            assert b" 404 " in await client.hear()

    go(main, mocked=True)
