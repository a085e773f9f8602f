"""Sockets and streams of events, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from esper.events import routes
from esper.events.log import EventLog
from esper.events.routes import event_routes
from esper.http.routes import RefusedError, everyone
from tests.support.http.http_world import (
    App,
    Client,
    asked_once,
    body_of,
    connected,
    go,
    request,
    routed,
    status_of,
    until,
)
from tests.support.http.socket_client import SocketClient, asking, opened, quiet

BOOT = "5f3c"
PAGE = "http://localhost"


def world(count: int = 0, **how: Any) -> tuple[EventLog, App]:
    log = EventLog(BOOT, **how)
    for number in range(count):
        log.append("block", {"n": number})
    return log, routed(event_routes(log, everyone))


async def subscribe(socket: SocketClient, **asked: Any) -> dict[str, Any]:
    """The answer to a wish."""
    await socket.say(json.dumps(asked))
    found: dict[str, Any] = json.loads(await socket.text())
    return found


async def numbers(socket: SocketClient, count: int) -> list[int]:
    return [json.loads(await socket.text())["seq"] for _ in range(count)]


# --- sockets ---


def test_a_socket_tells_how_it_stands_and_then_what_happens() -> None:
    async def main() -> None:
        log, app = world(3)
        async with opened(app) as socket:
            assert await subscribe(socket, subscribe=["block"]) == {"boot": BOOT, "next": 4}
            log.append("tx_in", {"a": 1})
            log.append("block", {"b": 2})
            said = json.loads(await socket.text())
            assert said == {"seq": 5, "topic": "block", "data": {"b": 2}}
            assert await quiet(socket, 5)
        await until(lambda: log.counts().subscribers == 0)

    go(main, mocked=True)


def test_a_socket_begins_with_what_was_missed() -> None:
    async def main() -> None:
        log, app = world(300)
        async with opened(app) as socket:
            found = await subscribe(socket, **{"subscribe": ["block"], "boot": BOOT, "from": 2})
            assert found == {"boot": BOOT, "next": 2}
            assert await numbers(socket, 299) == list(range(2, 301))
            log.append("block", {})
            assert await numbers(socket, 1) == [301]

    go(main, mocked=True)


@pytest.mark.parametrize(("boot", "start"), [(BOOT, 3), ("aaaa", 5)])
def test_a_socket_is_told_a_gap_and_goes_on(boot: str, start: int) -> None:
    async def main() -> None:
        _, app = world(10, entries=4)
        async with opened(app) as socket:
            found = await subscribe(socket, **{"subscribe": ["block"], "boot": boot, "from": start})
            assert found == {"boot": BOOT, "next": 7}
            assert await socket.text() == '{"gap":7}'
            assert await numbers(socket, 4) == [7, 8, 9, 10]

    go(main, mocked=True)


def test_errors_are_sentences_and_the_socket_stays_open() -> None:
    async def main() -> None:
        log, app = world()
        async with opened(app) as socket:
            for wrong in ("hello", '{"subscribe": ["everything"]}'):
                await socket.say(wrong)
                said = json.loads(await socket.text())
                assert said.keys() == {"error"}
            await subscribe(socket, subscribe=["block"])
            said = await subscribe(socket, subscribe=["tx_in"])
            assert "subscribed already" in said["error"]
            log.append("block", {})
            assert await numbers(socket, 1) == [1]

    go(main, mocked=True)


def test_whoever_asks_for_nothing_is_let_go() -> None:
    async def main() -> None:
        _, app = world()
        async with opened(app) as socket:
            assert await socket.closed() == (1008, "say what to subscribe to")
            assert trio.current_time() == pytest.approx(10)

    go(main, mocked=True)


def test_a_socket_that_is_slow_is_closed_with_1013() -> None:
    async def main() -> None:
        log, app = world()
        async with opened(app) as socket:
            await subscribe(socket, subscribe=["block"])
            await trio.sleep(1)
            for _ in range(257):
                log.append("block", {})
            code, reason = await socket.closed()
            assert code == 1013
            assert "256 events wait" in reason
        await until(lambda: log.counts().dropped == 1)

    go(main, mocked=True)


def test_a_socket_that_keeps_up_is_not_slow_whatever_comes() -> None:
    async def main() -> None:
        log, app = world()
        async with opened(app) as socket:
            await subscribe(socket, subscribe=["block"])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(numbers, socket, 3_200)
                for _ in range(100):
                    await trio.sleep(0.01)
                    for _ in range(32):
                        log.append("block", {})

    go(main, mocked=True)


def test_the_end_of_the_node_is_told() -> None:
    async def main() -> None:
        log, app = world()
        async with opened(app) as socket:
            await subscribe(socket, subscribe=["block"])
            log.append("block", {})
            log.close()
            assert await numbers(socket, 1) == [1]
            assert await socket.closed() == (1001, "the node ends")

    go(main, mocked=True)


# --- streams ---


async def events(client: Client, count: int) -> list[dict[str, str]]:
    """The next events of a stream, comments apart; chunks are taken as they are sent."""
    found: list[dict[str, str]] = []
    data = b""
    while len(found) < count:
        part = await client.hear()
        assert part, data
        size, _, part = part.partition(b"\r\n")
        assert len(part) == int(size, 16) + 2
        data += part[:-2]
        *whole, data = data.split(b"\n\n")
        for one in whole:
            lines = one.decode("ascii").split("\n")
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            if fields.keys() - {"retry"}:
                found.append(fields)
    assert len(found) == count
    return found


async def begun(client: Client, path: str = "/events?topics=block", *headers: str) -> bytes:
    await client.say(request(path, *headers))
    return await client.hear_until(b"\r\n\r\n")


def test_a_stream_tells_how_it_stands_and_then_what_happens() -> None:
    async def main() -> None:
        log, app = world(3)
        async with connected(app, lockstep=True) as client:
            head = await begun(client)
            assert status_of(head) == 200
            assert b"content-type: text/event-stream" in head
            assert b"cache-control: no-store" in head
            [start] = await events(client, 1)
            assert start == {
                "retry": "3000",
                "id": "5f3c-3",
                "event": "start",
                "data": '{"boot":"5f3c","next":4}',
            }
            log.append("block", {"text": "\n\ndata: [DONE]\r"})
            [event] = await events(client, 1)
            assert event["id"] == "5f3c-4"
            assert json.loads(event["data"])["data"]["text"] == "\n\ndata: [DONE]\r"
            began = trio.current_time()
            chunk = await client.hear()
            assert chunk.endswith(b": still here\n\n\r\n")
            assert trio.current_time() == began + 15

    go(main, mocked=True)


def test_a_browser_that_comes_again_misses_nothing() -> None:
    async def main() -> None:
        log, app = world(5)
        async with connected(app, lockstep=True) as client:
            await begun(client, "/events?topics=block", "Last-Event-ID: 5f3c-2")
            [start] = await events(client, 1)
            assert start["id"] == "5f3c-2"
            assert [one["id"] for one in await events(client, 3)] == ["5f3c-3", "5f3c-4", "5f3c-5"]
        async with connected(app, lockstep=True) as client:
            await begun(client, "/events", "Last-Event-ID: aaaa-2")
            _, gap = await events(client, 1) + await events(client, 1)
            assert (gap["event"], gap["data"], gap["id"]) == ("gap", '{"gap":1}', "5f3c-0")
            assert next(one["id"] for one in await events(client, 5)) == "5f3c-1"
        await until(lambda: log.counts().subscribers == 0)

    go(main, mocked=True)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/events?topics=everything", ()),
        ("/events?other=1", ()),
        ("/events", ("Last-Event-ID: x",)),
        ("/events", ("Last-Event-ID: 5f-1", "Last-Event-ID: 5f-2")),
    ],
)
def test_a_stream_that_makes_no_sense_is_refused(path: str, headers: tuple[str, ...]) -> None:
    async def main() -> None:
        _, app = world()
        answer = await asked_once(app, request(path, *headers))
        assert status_of(answer) == 400
        assert json.loads(body_of(answer)).keys() == {"error"}

    go(main, mocked=True)


def test_a_stream_that_is_slow_or_ends_says_so() -> None:
    async def main() -> None:
        log, app = world()
        async with connected(app, lockstep=True) as client, connected(app) as other:
            await begun(client)
            await events(client, 1)
            await begun(other)
            await trio.sleep(1)
            for _ in range(257):
                log.append("block", {})
            [end] = await events(client, 1)
            assert end["event"] == "end"
            assert "256 events wait" in end["data"]
        async with connected(app, lockstep=True) as client:
            await begun(client)
            await events(client, 1)
            log.close()
            [end] = await events(client, 1)
            assert end["data"] == '{"error":"the node ends"}'

    go(main, mocked=True)


# --- both ---


def test_pages_of_others_hear_nothing() -> None:
    async def main() -> None:
        _, app = world()
        for asked in (asking(), request("/events")):
            for header in (
                "Origin: https://a.example",
                "Sec-Fetch-Site: cross-site",
                "Sec-Fetch-Site: same-site",
            ):
                data = asked[:-2] + header.encode() + b"\r\n\r\n"
                assert status_of(await asked_once(app, data)) == 403
            rebound = asked.replace(b"Host: localhost", b"Host: attacker.example")
            assert status_of(await asked_once(app, rebound)) == 421

    go(main, mocked=True)


def test_an_authority_judges_both() -> None:
    async def nobody(asked: Any) -> None:
        raise RefusedError(401, "a token is needed")

    async def main() -> None:
        app = routed(event_routes(EventLog(BOOT), nobody))
        for asked in (asking(), request("/events")):
            assert status_of(await asked_once(app, asked)) == 401

    go(main, mocked=True)


def test_an_address_has_some_of_the_places_and_sockets_and_streams_share_them() -> None:
    assert (routes.SUBSCRIBERS, routes.SUBSCRIBERS_PER_ADDRESS) == (64, 8)

    async def main() -> None:
        log, app = world()
        async with trio.open_nursery() as nursery:

            async def hold(address: str) -> None:
                if held % 2:
                    async with opened(app, address=address) as socket:
                        await subscribe(socket, subscribe=["block"])
                        await done.wait()
                else:
                    async with connected(app, address=address) as client:
                        await begun(client)
                        await done.wait()

            done = trio.Event()
            for held in range(64):
                nursery.start_soon(hold, f"10.0.0.{held // 8}")
                await until(lambda: log.counts().subscribers > held)  # noqa: B023
                if held == 7:
                    for asked in (asking(), request("/events")):
                        refused = await asked_once(app, asked, address="10.0.0.0")
                        assert status_of(refused) == 503
                        assert b"8 streams are open to your address" in refused
            refused = await asked_once(app, asking(), address="10.0.0.99")
            assert b"64 streams are open" in refused
            done.set()

    go(main, mocked=True)
