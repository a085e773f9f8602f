"""One connection, check by check, over streams in memory."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

from esper.http.connection import (
    AHEAD_BYTES,
    HEAD_BYTES,
    LINGER_BYTES,
    LINGER_S,
    Connection,
    ConnectionFacts,
)
from tests.support.http.http_world import (
    GET,
    HELLO,
    LAST,
    Greeter,
    Reader,
    asked_once,
    body_of,
    connected,
    failures,
    go,
    http_settings,
    request,
    status_of,
)

POST = request(method="POST", body=HELLO)
CHUNKED = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
)


# --- heads ---


def test_an_application_is_told_what_was_asked() -> None:
    async def main() -> None:
        app = Greeter()
        await asked_once(app, request("/a%20b?c=d", "X-Y: z", method="put"))
        [scope] = app.asked
        assert scope["type"] == "http"
        assert scope["method"] == "put"
        assert scope["path"] == "/a b"
        assert scope["raw_path"] == b"/a%20b"
        assert scope["query_string"] == b"c=d"
        assert scope["headers"] == [(b"host", b"localhost"), (b"x-y", b"z")]
        assert scope["client"] == ("127.0.0.1", 5)
        assert scope["server"] == ("::1", 6)

    go(main, mocked=True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xc8", 400),
        (b"\rGET / HTTP/1.1\r\n\r\n", 400),
        (b" GET / HTTP/1.1\r\n\r\n", 400),
        (CHUNKED.replace(b"chunked", b"gzip"), 501),
        (CHUNKED.replace(b"llo", b"lloo"), 400),
        (CHUNKED.replace(b"2\r\nhe", b"2;\r\nhe"), 400),
    ],
)
def test_what_is_no_request_is_told_so_and_ends_the_connection(data: bytes, status: int) -> None:
    async def main() -> None:
        async with connected(Reader()) as client:
            await client.say(data + GET)
            answer = await client.hear_all()
        assert status_of(answer) == status
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"\r\nconnection: close\r\n" in answer
        assert body_of(answer).strip()

    go(main, mocked=True)


@pytest.mark.parametrize("begin", [b"\x16\x03\x01", b" ", b"\x00", b"\xff", b"(", b"\rX"])
def test_what_cannot_begin_a_request_is_not_waited_for(begin: bytes) -> None:
    async def main() -> None:
        async with connected(Greeter()) as client:
            await client.say(begin)
            assert status_of(await client.hear_all()) == 400
            assert trio.current_time() == 0

    go(main, mocked=True)


def test_the_limit_of_a_head_is_what_it_says() -> None:
    async def main() -> None:
        for cut in (b"\r\n\r\n", b"\n\n"):
            begin = b"GET / HTTP/1.1\r\nHost: localhost\r\nA: "
            fits = begin + b"b" * (HEAD_BYTES - len(begin) - len(cut)) + cut
            assert len(fits) == HEAD_BYTES
            for parts in ((fits,), (fits[:-1], fits[-1:])):
                assert status_of(await asked_once(Greeter(), *parts)) == 200
            for more in (begin + b"b" + fits[len(begin) :], fits[: -len(cut)] + b"b" * 9):
                app = Greeter()
                assert status_of(await asked_once(app, more)) == 431
                assert app.asked == []
        assert status_of(await asked_once(Greeter(), b"GET /" + b"a" * HEAD_BYTES)) == 414

    go(main, mocked=True)


@pytest.mark.parametrize("ends", [b"\r\n", b"\n", b"\r\n\r\n\n", b"\r\n" * 500])
def test_line_ends_before_a_request_are_skipped(ends: bytes) -> None:
    async def main() -> None:
        async with connected(Reader()) as client:
            for parts in ((ends + POST,), (ends, POST), (ends[:1], ends[1:] + POST)):
                for part in parts:
                    await client.say(part)
                    await trio.testing.wait_all_tasks_blocked()
                assert status_of(await client.hear_until(HELLO)) == 200

    # With a clock of its own, what waits for all to rest would wait for the timeouts too.
    go(main)


def test_a_silent_client_is_left_and_one_that_was_answered_gets_longer() -> None:
    async def main() -> None:
        app = Greeter(seconds=100)
        for said in (b"", b"\r\n", b"\r", b"G", GET[:-1]):
            async with connected(app, header_timeout_s=5, idle_timeout_s=30) as client:
                began = trio.current_time()
                await client.say(said)
                assert await client.hear_all() == b""
                assert trio.current_time() - began == pytest.approx(5)
        for said, seconds in ((b"", 30), (b"\r\n", 30), (GET[:-1], 5)):
            async with connected(app, header_timeout_s=5, idle_timeout_s=30) as client:
                await client.say(GET)
                await client.hear_until(HELLO)
                began = trio.current_time()
                await client.say(said)
                assert await client.hear_all() == b""
                assert trio.current_time() - began == pytest.approx(seconds)

    go(main, mocked=True)


def test_a_head_that_drips_is_not_waited_for() -> None:
    async def main() -> None:
        async with connected(Greeter(), header_timeout_s=5) as client:
            with suppress(trio.BrokenResourceError):
                for byte in GET[:-1]:
                    await client.say(bytes([byte]))
                    await trio.sleep(1)
            assert trio.current_time() <= 6

    go(main, mocked=True)


# --- bodies ---


@pytest.mark.parametrize("data", [POST, CHUNKED])
def test_a_body_is_handed_over_as_it_comes(data: bytes) -> None:
    async def main() -> None:
        app = Reader()
        for cut in range(data.index(b"\r\n\r\n") + 4, len(data)):
            answer = await asked_once(app, data[:cut], data[cut:])
            assert body_of(answer) == HELLO
            assert b"".join(app.parts) == HELLO

    go(main, mocked=True)


def test_a_body_that_breaks_off_is_told_to_the_application(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        for data in (POST[:-1], CHUNKED[:-1]):
            app = Reader()
            assert await asked_once(app, data) == b""
            assert app.last == {"type": "http.disconnect"}

    go(main, mocked=True)
    assert failures(caplog.records) == []


def test_after_a_body_the_application_hears_of_nothing_but_the_client_s_end() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert not (await receive())["more_body"]
        heard.append((await receive(), trio.current_time()))
        heard.append((await receive(), trio.current_time()))
        await Greeter()(scope, receive, send)

    async def main() -> None:
        async with connected(app) as client:
            await client.say(POST)
            await trio.sleep(1000)
            assert heard == []
            # What belongs to the next request is none of its business.
            await client.say(GET)
            await trio.sleep(1)
            assert heard == []
            await client.stream.send_eof()
            # Who has said all there is to say may still listen.
            assert HELLO in await client.hear()
        assert heard[:2] == [({"type": "http.disconnect"}, 1001)] * 2

    go(main, mocked=True)


def test_a_client_that_waits_for_a_word_before_its_body_gets_it_once_it_is_wanted() -> None:
    async def main() -> None:
        head, _, body = POST.partition(b"\r\n\r\n")
        waiting = head + b"\r\nExpect: 100-continue\r\n\r\n"
        async with connected(Reader()) as client:
            await client.say(waiting)
            assert await client.hear() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.say(body)
            assert body_of(await client.hear_until(HELLO)) == HELLO
            # Not where it is there already.
            await client.say(waiting + body)
            assert (await client.hear_until(HELLO)).startswith(b"HTTP/1.1 200")
        # Nor where nobody wants it; it does not come then, and what comes is no body.
        async with connected(Greeter()) as client:
            await client.say(waiting)
            assert b"100" not in (answer := await client.hear_all())
            assert b"connection: close" in answer

    go(main, mocked=True)


# --- the connection afterwards ---


def test_a_connection_is_kept_until_the_client_says_no_more() -> None:
    async def main() -> None:
        async with connected(Greeter(0.5)) as client:
            for _ in range(2):
                await client.say(GET)
                assert b"connection" not in await client.hear_until(HELLO)
            await client.say(GET + GET)
            await client.stream.send_eof()
            began = trio.current_time()
            assert (await client.hear_all()).count(HELLO) == 2
            assert trio.current_time() - began == pytest.approx(1)

    go(main, mocked=True)


@pytest.mark.parametrize(
    "data",
    [
        POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        POST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1),
    ],
)
@pytest.mark.parametrize("behind", [b"", b"x", b"\r\n", GET, b"\x00" * 100_000])
def test_what_follows_the_last_request_is_thrown_away_and_its_answer_is_not(
    data: bytes, behind: bytes
) -> None:
    async def main() -> None:
        async with connected(Reader()) as client:
            await client.say(data + behind)
            answer = await client.hear_all()
            assert status_of(answer) == 200
            assert body_of(answer) == HELLO
            assert b"\r\nconnection: close\r\n" in answer
            assert answer.count(b"HTTP/1.1") == 1

    go(main, mocked=True)


def test_the_server_listens_a_while_after_its_last_word() -> None:
    async def main() -> None:
        # The client sees the end at once, and is not cut off while it still sends.
        async with connected(Greeter()) as client:
            await client.say(LAST)
            began = trio.current_time()
            await client.hear_all()
            assert trio.current_time() == began
            await trio.sleep(LINGER_S / 2)
            assert not client.ended.is_set()
            await client.ended.wait()
            assert trio.current_time() - began == pytest.approx(LINGER_S)
        # Nor is it listened to for ever.
        async with connected(Greeter()) as client:
            await client.say(LAST)
            await client.hear_all()
            began = trio.current_time()
            for _ in range(2 * LINGER_BYTES // 65_536):
                if not client.ended.is_set():
                    await client.say(bytes(65_536))
                    await trio.testing.wait_all_tasks_blocked()
            assert client.ended.is_set()
            assert trio.current_time() == began

    go(main, mocked=True)


def test_a_body_that_nobody_read_ends_the_connection() -> None:
    async def main() -> None:
        app = Greeter()
        async with connected(app) as client:
            await client.say(POST + GET)
            answer = await client.hear_all()
        assert answer.count(HELLO) == 1
        assert b"\r\nconnection: close\r\n" in answer
        assert len(app.asked) == 1

    go(main, mocked=True)


def test_on_a_kept_place_one_request_is_answered() -> None:
    async def main() -> None:
        async with connected(Greeter(), is_kept=True) as client:
            await client.say(GET + GET)
            answer = await client.hear_all()
        assert answer.count(HELLO) == 1
        assert b"\r\nconnection: close\r\n" in answer

    go(main, mocked=True)


def test_a_client_that_takes_no_answer_is_given_up() -> None:
    async def main() -> None:
        async with connected(Greeter(), lockstep=True, send_timeout_s=7) as client:
            await client.say(GET + GET)
            await client.ended.wait()
            assert trio.current_time() == 7

    go(main, mocked=True)


def test_a_client_that_is_gone_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app = Greeter(1)
        async with connected(app) as client:
            await client.say(GET * 100)
            await trio.sleep(0.5)
            await client.stream.aclose()
            await client.ended.wait()
        assert len(app.asked) == 1

    go(main, mocked=True)
    assert failures(caplog.records) == []


# --- the end of the server ---


def test_an_idle_connection_ends_with_the_server_and_an_answer_is_waited_for() -> None:
    async def main() -> None:
        closing = trio.Event()
        for said in (b"", b"GET / HT"):
            async with connected(Greeter(), closing=closing) as client:
                await client.say(said)
                await trio.sleep(1)
                began = trio.current_time()
                client.connection.let_go()
                assert await client.hear_all() == b""
                assert trio.current_time() == began
        async with connected(Greeter(5), closing=closing) as client:
            began = trio.current_time()
            await client.say(GET + GET)
            await trio.sleep(1)
            closing.set()
            client.connection.let_go()
            answer = await client.hear_all()
            assert answer.count(HELLO) == 1
            assert b"\r\nconnection: close\r\n" in answer
            # It does not linger then.
            await client.ended.wait()
            assert trio.current_time() - began == pytest.approx(5)

    go(main, mocked=True)


# --- applications that are wrong ---


async def _silent(scope: Any, receive: Any, send: Any) -> None:
    pass


async def _failing(scope: Any, receive: Any, send: Any) -> None:
    raise KeyError("inner")


async def _half(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": HELLO, "more_body": True})
    raise KeyError("inner")


async def _splitting(scope: Any, receive: Any, send: Any) -> None:
    head = [(b"a", b"b\r\nSet-Cookie: c")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": HELLO})


async def _short(scope: Any, receive: Any, send: Any) -> None:
    head = [(b"content-length", b"6")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": HELLO})


async def _long(scope: Any, receive: Any, send: Any) -> None:
    head = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": HELLO})


async def _twice(scope: Any, receive: Any, send: Any) -> None:
    for _ in range(2):
        await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize("app", [_silent, _failing, _splitting, _twice])
def test_an_application_that_fails_is_told_as_500(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connected(app) as client:
            await client.say(GET + GET)
            answer = await client.hear_all()
        assert status_of(answer) == 500
        assert answer.count(b"HTTP/1.1") == 1
        assert b"inner" not in answer
        assert b"Cookie" not in answer

    go(main, mocked=True)
    assert len(failures(caplog.records)) == 1


@pytest.mark.parametrize("app", [_half, _short, _long])
def test_an_answer_that_fails_is_cut_so_that_nobody_takes_it_for_whole(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connected(app) as client:
            await client.say(GET)
            answer = await client.hear_all()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"\r\n0\r\n" not in body
        assert b"content-length: 5" not in head

    go(main, mocked=True)
    assert len(failures(caplog.records)) == 1


# --- framing of answers ---


@pytest.mark.parametrize(
    ("asking", "status", "body"),
    [
        (GET, 200, HELLO),
        (GET, 404, HELLO),
        (GET, 204, b""),
        (GET, 304, b""),
        (GET.replace(b"GET", b"HEAD"), 200, b""),
    ],
)
def test_an_answer_has_a_body_where_the_standard_has_one(
    asking: bytes, status: int, body: bytes
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": HELLO})

    async def main() -> None:
        async with connected(app) as client:
            await client.say(asking + LAST)
            answer = await client.hear_all()
        first = answer.partition(b"HTTP/1.1 ")[2].partition(b"HTTP/1.1 ")[0]
        assert first.startswith(b"%d " % status)
        assert first.endswith(b"\r\n\r\n" + body)
        assert (b"content-length: 5" in first) == bool(body)

    go(main, mocked=True)


def test_what_comes_ahead_is_bounded_while_a_request_is_answered() -> None:
    async def main() -> None:
        async with connected(Greeter(10)) as client:
            await client.say(GET)
            await client.say(bytes(1 << 24))
            await trio.sleep(1)
            # The rest waits with the client: it was not read.
            assert len(client.connection.data) <= AHEAD_BYTES

    go(main, mocked=True)


def test_a_client_that_is_gone_before_its_connection_begins_is_no_failure() -> None:
    async def main() -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        await trio.aclose_forcefully(ours)
        await trio.aclose_forcefully(theirs)
        facts = ConnectionFacts(trio.Event())
        await Connection(Greeter(), theirs, http_settings(), facts).run()

    go(main, mocked=True)


def test_refused_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        for broken in (b"GET /SECRET HTTP/x\r\n\r\n", b"GET / HTTP/1.1\r\nSECRET\r\n\r\n"):
            assert b"SECRET" not in await asked_once(Greeter(), broken)

    with caplog.at_level(logging.DEBUG):
        go(main, mocked=True)
    assert caplog.records == []
