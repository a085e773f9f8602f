"""Answers that last: each part when it is sent, for as long as both sides want it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from esper.http.access_log import ACCESS_LOG
from esper.http.routes import RouteLimits
from esper.http.slots import Slots
from esper.http.streams import StreamedAnswer, Write
from tests.support.http.http_world import (
    HELLO,
    LONG_S,
    App,
    body_of,
    connected,
    failures,
    go,
    request,
    route,
    routed,
    serving,
    status_of,
    until,
)

TEN_MINUTES = 600
PAGE = "https://wallet.example"
GOODBYE = b"data: the node ends\n\n"


class Ticker:
    """A route that streams a part each second, and remembers how each of its streams ended."""

    def __init__(self, seconds: int = TEN_MINUTES, part: bytes = b"", **how: Any) -> None:
        self.seconds = seconds
        self.part = part
        self.how = how
        self.begun = 0
        self.ends: list[tuple[str, Any]] = []
        self.wrong: Exception | None = None
        """Raised in the middle."""

    async def __call__(self, asked: Request, granted: None) -> StreamedAnswer:
        return StreamedAnswer(self._produce, media_type="text/event-stream", **self.how)

    async def _produce(self, write: Write) -> None:
        self.begun += 1
        began = trio.current_time()
        ended = "cancelled"
        try:
            for second in range(self.seconds):
                await write(self.part or b"%d\n" % second)
                await trio.sleep(1)
                if self.wrong is not None and second > self.seconds // 2:
                    raise self.wrong
            ended = "done"
        except OSError:
            ended = "gone"
            raise
        finally:
            self.ends.append((ended, trio.current_time() - began))


async def hello(asked: Request, granted: None) -> Any:
    return PlainTextResponse(HELLO)


def site(ticker: Ticker, streams: int = 4, slots: int = 4, **changes: Any) -> App:
    """A stream, by GET and by POST, and a page."""
    shared, lasting = Slots(slots), Slots(streams)
    return routed(
        [
            route("/events", ticker, limits=RouteLimits(shared, lasting)),
            route(
                "/chat",
                ticker,
                methods=frozenset({"POST"}),
                media_type="application/json",
                limits=RouteLimits(shared, lasting, body_bytes=100),
            ),
            route("/", hello, limits=RouteLimits(shared)),
        ],
        **changes,
    )


EITHER = pytest.mark.parametrize(
    "asking",
    [request("/events"), request("/chat", method="POST", body=b'{"a": 1}')],
    ids=["GET", "POST"],
)


@EITHER
def test_a_stream_of_ten_minutes_is_neither_cut_nor_held_back(asking: bytes) -> None:
    ticker = Ticker()

    async def main() -> None:
        async with connected(site(ticker), lockstep=True) as client:
            began = trio.current_time()
            await client.say(asking)
            head = await client.hear_until(b"\r\n\r\n")
            assert trio.current_time() == began
            assert status_of(head) == 200
            assert b"content-type: text/event-stream" in head
            assert b"transfer-encoding: chunked" in head
            assert b"content-length" not in head
            assert b"connection: close" not in head
            for second in range(TEN_MINUTES):
                part = b"%d\n" % second
                assert await client.hear() == b"%x\r\n%b\r\n" % (len(part), part)
                # At the moment when it was sent, and before the next one was.
                assert trio.current_time() - began == pytest.approx(second)
            assert await client.hear() == b"0\r\n\r\n"
            assert trio.current_time() - began == pytest.approx(TEN_MINUTES)
            assert ticker.ends == [("done", pytest.approx(TEN_MINUTES))]
            # The connection goes on, as after any answer.
            await client.say(request("/"))
            assert (await client.hear_until(HELLO)).startswith(b"HTTP/1.1 200")

    go(main, mocked=True)


def test_a_stream_in_the_older_version_ends_with_its_connection() -> None:
    async def main() -> None:
        async with connected(site(Ticker(3))) as client:
            await client.say(b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n")
            await trio.sleep(10)
            answer = await client.hear_all()
        assert b"transfer-encoding" not in answer
        assert b"connection: close" in answer
        assert answer.endswith(b"\r\n\r\n0\n1\n2\n")

    go(main, mocked=True)


@EITHER
def test_the_task_of_a_stream_ends_at_once_when_its_client_goes(asking: bytes) -> None:
    ticker = Ticker()

    async def main() -> None:
        async with connected(site(ticker)) as client:
            await client.say(asking)
            await trio.sleep(100.25)
            await client.stream.send_eof()
            await trio.sleep(0.01)
            assert ticker.ends == [("cancelled", pytest.approx(100.25))]
            await client.ended.wait()

    go(main, mocked=True)


def test_a_client_that_takes_nothing_is_given_up() -> None:
    ticker = Ticker(farewell=GOODBYE)

    async def main() -> None:
        async with connected(site(ticker), lockstep=True, send_timeout_s=7) as client:
            await client.say(request("/events"))
            await client.hear_until(b"0\n\r\n")
            # It stays, and takes no more: the part of the first second waits for seven.
            with trio.fail_after(LONG_S):
                await client.ended.wait()
            assert trio.current_time() == pytest.approx(8)
            assert ticker.ends == [("gone", pytest.approx(8))]

    go(main, mocked=True)


def test_requests_behind_a_stream_wait_for_it_and_a_flood_of_them_ends_it() -> None:
    async def main() -> None:
        ticker = Ticker(5)
        async with connected(site(ticker)) as client:
            await client.say(request("/events") + request("/"))
            assert (await client.hear_until(HELLO)).count(b"HTTP/1.1 200") == 2
        assert ticker.ends == [("done", pytest.approx(5))]
        ticker = Ticker()
        async with connected(site(ticker)) as client:
            await client.say(request("/events"))
            await trio.sleep(2.5)
            await client.say(request("/") * 4000)
            await client.ended.wait()
        assert ticker.ends == [("cancelled", pytest.approx(2.5))]

    go(main, mocked=True)


def test_streams_have_slots_of_their_own() -> None:
    async def main() -> None:
        ticker = Ticker()
        app = site(ticker, streams=2, slots=1)
        async with (
            connected(app) as first,
            connected(app) as second,
            connected(app) as third,
        ):
            for client in (first, second):
                await client.say(request("/events"))
            await trio.sleep(1.5)
            await third.say(request("/events"))
            answer = await third.hear_all()
            assert status_of(answer) == 503
            assert b"retry-after: " in answer
            assert ticker.begun == 2
            # The one slot of requests is free all the while.
            async with connected(app) as fourth:
                await fourth.say(request("/"))
                assert status_of(await fourth.hear_until(HELLO)) == 200
            # A slot that came free is given again, however its stream ended.
            await first.stream.send_eof()
            await first.ended.wait()
            async with connected(app) as fifth:
                await fifth.say(request("/events"))
                assert status_of(await fifth.hear_until(b"\r\n\r\n")) == 200

    go(main, mocked=True)


@pytest.mark.parametrize("farewell", [b"", GOODBYE])
def test_a_stream_that_fails_is_not_taken_for_whole(
    farewell: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        ticker = Ticker(4, farewell=farewell)
        ticker.wrong = KeyError("inner")
        async with connected(site(ticker)) as client:
            await client.say(request("/events"))
            answer = await client.hear_all()
        assert answer.endswith(b"0\r\n\r\n") == bool(farewell)
        assert b"inner" not in answer
        if farewell:
            assert body_of(answer).endswith(b"3\n" + farewell)

    go(main, mocked=True)
    assert len(failures(caplog.records)) == 1


@pytest.mark.parametrize("farewell", [b"", GOODBYE])
def test_a_clean_stop_ends_open_streams(farewell: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ticker = Ticker(farewell=farewell)
        async with serving(site(ticker), shutdown_s=1.5) as (pool, port, scope):
            clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
            for client in clients:
                await client.send_all(request("/events"))
            await until(lambda: ticker.begun == 3)
            began = trio.current_time()
            scope.cancel()
        assert trio.current_time() - began < 1.4
        assert len(pool) == 0
        assert [end for end, _ in ticker.ends] == ["cancelled"] * 3
        for client in clients:
            answer = b""
            with trio.fail_after(5):
                try:
                    while part := await client.receive_some():
                        answer += part
                except trio.BrokenResourceError:
                    assert not farewell
            assert answer.endswith(b"0\r\n\r\n") == bool(farewell)
            assert (GOODBYE in answer) == bool(farewell)
            await client.aclose()

    go(main)
    assert failures(caplog.records) == []


def test_a_stream_whose_client_takes_nothing_does_not_delay_the_end() -> None:
    async def main() -> None:
        ticker = Ticker(part=bytes(1 << 24), farewell=GOODBYE)
        async with serving(site(ticker), shutdown_s=0.2, send_timeout_s=LONG_S) as found:
            pool, port, scope = found
            client = await trio.open_tcp_stream("127.0.0.1", port)
            await client.send_all(request("/events"))
            await client.receive_some(10)
            scope.cancel()
        assert len(pool) == 0
        assert [end for end, _ in ticker.ends] == ["cancelled"]
        await client.aclose()

    go(main)


Leave = Callable[[Any], Awaitable[None]]


@pytest.mark.parametrize("stays", [True, False])
def test_the_log_of_requests_says_how_a_stream_ended(
    stays: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        ticker = Ticker(3)
        async with connected(site(ticker, access_log=True)) as client:
            await client.say(request("/events?SECRET"))
            await trio.sleep(1.5)
            assert caplog.records == []
            if stays:
                await client.hear_until(b"0\r\n\r\n")

    with caplog.at_level(logging.INFO, ACCESS_LOG.name):
        go(main, mocked=True)
    [record] = caplog.records
    said = record.getMessage()
    assert said.startswith("GET '/events' 200 ")
    assert ("ended after" in said) == stays
    assert ("broken off after" in said) != stays
    assert said.endswith("6 bytes" if stays else "4 bytes")
    assert "SECRET" not in said


def test_a_configured_page_may_read_a_stream() -> None:
    async def main() -> None:
        app = site(Ticker(2), allowed_origins=frozenset({PAGE}))
        async with connected(app) as client:
            await client.say(request("/events", f"Origin: {PAGE}", "Sec-Fetch-Site: cross-site"))
            answer = await client.hear_until(b"0\r\n\r\n")
        assert f"access-control-allow-origin: {PAGE}".encode() in answer
        assert b"vary: Origin" in answer

    go(main, mocked=True)


def test_a_head_alone_is_asked_for_and_nothing_more_is_said() -> None:
    async def main() -> None:
        ticker = Ticker()
        async with connected(site(ticker)) as client:
            await client.say(request("/events", method="HEAD") + request("/"))
            answer = await client.hear_until(HELLO)
            assert trio.current_time() == 0
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert answer.count(b"\r\n\r\n") == 2
        assert ticker.begun == 0

    go(main, mocked=True)


def test_a_body_that_goes_wrong_behind_a_stream_that_began_ends_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        ticker = Ticker()
        async with connected(site(ticker)) as client:
            await client.say(request("/events", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
            await trio.sleep(2.5)
            assert ticker.ends == []
            await client.say(b"no chunk\r\n")
            await client.ended.wait()
        assert ticker.ends == [("cancelled", pytest.approx(2.5))]

    go(main, mocked=True)
    assert failures(caplog.records) == []


def test_what_is_returned_leaves_with_the_end_in_one_message() -> None:
    sent: list[Any] = []

    async def produce(write: Write) -> bytes:
        await write(b"first")
        return b"last"

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        answer = StreamedAnswer(produce, media_type="text/plain", farewell=GOODBYE)
        await answer({"type": "http", "method": "GET"}, trio.sleep_forever, send)

    trio.run(main)
    assert [message.get("body") for message in sent] == [None, b"", b"first", b"last"]
    assert not sent[-1].get("more_body", False)
