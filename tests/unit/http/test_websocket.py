"""Websockets: the handshake, both sides' messages, and clients that do what they must not."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
from starlette.requests import Request
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from esper.http.routes import RouteLimits
from esper.http.slots import Slots
from esper.http.websocket import CloseSocketError, WebSocket, WebSocketAnswer, WebSocketLimits
from tests.support.http.http_world import (
    App,
    asked_once,
    connected,
    failures,
    go,
    route,
    routed,
    status_of,
    until,
)
from tests.support.http.socket_client import ACCEPTED, UPGRADE, asking, frame, opened, quiet

PAGE = "https://wallet.example"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Echo:
    """A session that says what it hears, and remembers how its sockets ended."""

    def __init__(self, slots: Slots | None = None) -> None:
        self.slots = slots or Slots(4)
        self.open = 0

    async def __call__(self, asked: Request, granted: None) -> WebSocketAnswer:
        return WebSocketAnswer(asked.scope, self.session, WebSocketLimits())

    async def session(self, socket: WebSocket) -> None:
        self.open += 1
        try:
            async for text in socket.messages:
                if text == "enough":
                    return
                if text == "full":
                    raise CloseSocketError(1013, "there is too much")
                if text == "bug":
                    raise ZeroDivisionError
                await socket.send(text)
        finally:
            self.open -= 1

    def app(self, **changes: Any) -> App:
        found = route("/ws", self, limits=RouteLimits(Slots(2), self.slots))
        return routed([found], allowed_origins=frozenset({PAGE}), **changes)


def test_both_sides_send_messages() -> None:
    async def main() -> None:
        echo = Echo()
        async with opened(echo.app(), more=frame(TEXT, b"at once")) as socket:
            assert await socket.text() == "at once"
            await socket.say("é" * 2_000)
            assert await socket.text() == "é" * 2_000
            await socket.client.say(frame(TEXT, b"in ", fin=False))
            await socket.client.say(frame(0, b"parts"))
            assert await socket.text() == "in parts"
            await socket.say("enough")
            assert await socket.closed() == (1000, "")
        assert echo.open == 0
        assert echo.slots.free == 4

    go(main, mocked=True)


def test_it_is_not_compressed_and_says_so() -> None:
    async def main() -> None:
        async with connected(Echo().app()) as client:
            await client.say(asking("/ws", "Sec-WebSocket-Extensions: permessage-deflate"))
            head = await client.hear_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            assert b"sec-websocket-accept: " + ACCEPTED in head
            assert b"connection: Upgrade" in head
            for absent in (b"extensions", b"content-length", b"transfer-encoding", b"close"):
                assert absent not in head
            await client.say(frame(TEXT, b"\xaa\x00", reserved=4))
            assert (await client.hear_all())[2:4] == (1002).to_bytes(2, "big")

    go(main, mocked=True)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (UPGRADE[1:], 426),
        (("Upgrade: h2c", *UPGRADE[1:]), 426),
        ((UPGRADE[0], "Connection: keep-alive", *UPGRADE[2:]), 426),
        ((*UPGRADE[:2], "Sec-WebSocket-Version: 8", UPGRADE[3]), 426),
        ((*UPGRADE[:2], UPGRADE[3]), 426),
        (UPGRADE[:3], 400),
        ((*UPGRADE, UPGRADE[3]), 400),
        ((*UPGRADE[:3], "Sec-WebSocket-Key: short"), 400),
        ((*UPGRADE[:3], "Sec-WebSocket-Key: " + "A" * 24), 400),
        ((*UPGRADE, "Content-Length: 5"), 400),
        ((*UPGRADE, "Transfer-Encoding: chunked"), 400),
        # As of a POST: another site's page, whatever else it says.
        ((*UPGRADE, "Origin: https://a.example"), 403),
        ((*UPGRADE, "Origin: null"), 403),
        ((*UPGRADE, "Origin: http://localhost:81"), 403),
        ((*UPGRADE, "Sec-Fetch-Site: cross-site"), 403),
        ((*UPGRADE, "Sec-Fetch-Site: same-site"), 403),
        ((*UPGRADE, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"), 403),
        ((*UPGRADE, "Origin: http://localhost:80"), 101),
        ((*UPGRADE, "Origin: http://localhost:80", "Sec-Fetch-Site: same-origin"), 101),
        ((*UPGRADE, f"Origin: {PAGE}"), 101),
    ],
)
def test_a_handshake_is_judged(lines: tuple[str, ...], status: int) -> None:
    async def main() -> None:
        answer = await asked_once(Echo().app(), asking(upgrade=lines))
        assert status_of(answer) == status
        if status == 426:
            assert b"upgrade: websocket" in answer.lower()

    go(main, mocked=True)


def test_other_requests_are_no_handshakes() -> None:
    async def main() -> None:
        app = Echo().app()
        assert status_of(await asked_once(app, asking().replace(b"GET", b"HEAD"))) == 400
        assert status_of(await asked_once(app, asking().replace(b"GET", b"POST"))) == 405
        old = asking().replace(b"HTTP/1.1", b"HTTP/1.0")
        assert status_of(await asked_once(app, old)) == 400
        elsewhere = asking().replace(b"localhost:80", b"attacker.example")
        assert status_of(await asked_once(app, elsewhere)) == 421

    go(main, mocked=True)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"hello", masked=False), 1002),
        (frame(TEXT, b"hello", reserved=1), 1002),
        (frame(TEXT, b"hello", reserved=2), 1002),
        (frame(3), 1002),
        (frame(11), 1002),
        (frame(PING, fin=False), 1002),
        (frame(CLOSE, fin=False), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(0, b"of nothing"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, (5).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1006).to_bytes(2, "big")), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(0, b"a"), 1007),
        (frame(BINARY, b"hello"), 1003),
        (frame(TEXT, bytes(4097)), 1009),
        (frame(TEXT, b"a" * 4000, fin=False) + frame(0, b"a" * 97), 1009),
        # What it says of itself decides nothing: what comes does.
        (frame(TEXT, b"a" * 4097, length=1 << 62), 1009),
        (frame(TEXT, b"a", length=(1 << 63) + 5), 1002),
        (frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 40, 1008),
        (frame(PING) * 40, 1008),
        (frame(PONG) * 40, 1008),
        (frame(TEXT, b"a") * 40, 1008),
        (frame(CLOSE), 1000),
        (frame(CLOSE, (1001).to_bytes(2, "big") + b"bye"), 1001),
        (frame(CLOSE, (4321).to_bytes(2, "big")), 4321),
    ],
)
def test_whoever_does_what_it_must_not_is_told_and_let_go(sent: bytes, code: int) -> None:
    async def main() -> None:
        for step in (len(sent), 1):
            echo = Echo()
            async with opened(echo.app()) as socket:
                for at in range(0, len(sent), step):
                    await socket.client.say(sent[at : at + step])
                got, reason = await socket.closed()
                assert got == code
                assert len(reason.encode()) <= 123
                assert await socket.client.hear() == b""
            assert echo.open == 0

    go(main, mocked=True)


def test_messages_come_at_a_rate() -> None:
    async def main() -> None:
        async with opened(Echo().app()) as socket:
            for _ in range(50):
                await socket.say("a")
                assert await socket.text() == "a"
                await trio.sleep(0.11)
            for _ in range(10):
                await socket.say("a")
            for _ in range(10):
                assert await socket.text() == "a"
            await socket.say("a")
            assert (await socket.closed())[0] == 1008

    go(main, mocked=True)


def test_a_client_is_asked_whether_it_is_there() -> None:
    async def main() -> None:
        async with opened(Echo().app()) as socket:
            for turn in range(1, 6):
                event = await socket.hear()
                assert isinstance(event, Ping)
                assert trio.current_time() == pytest.approx(20 * turn)
                await socket.client.say(socket.frames.send(event.response()))
            await socket.client.say(socket.frames.send(Ping(b"and you?")))
            assert await socket.hear() == Pong(b"and you?")

    go(main, mocked=True)


@pytest.mark.parametrize("trickle", [False, True])
def test_one_that_does_not_answer_is_gone(trickle: bool) -> None:
    """Nor does one that sends a byte of a frame now and then."""

    async def main() -> None:
        echo = Echo()
        async with opened(echo.app()) as socket:
            await until(lambda: echo.open == 1)
            data = frame(TEXT, bytes(100))[:99]
            while echo.open:
                await trio.sleep(1)
                if trickle and data and echo.open:
                    await socket.client.say(data[:1])
                    data = data[1:]
            assert trio.current_time() == pytest.approx(41, abs=1.5)
            assert isinstance(await socket.hear(), Ping)
            assert await socket.hear() is None
        assert echo.slots.free == 4

    go(main, mocked=True)


def test_one_that_takes_nothing_is_cut() -> None:
    async def main() -> None:
        echo = Echo()
        async with connected(echo.app(), lockstep=True) as client:
            await client.say(asking())
            await client.hear_until(b"\r\n\r\n")
            await client.say(frame(TEXT, b"a"))
            await until_ended(client.ended)
            assert trio.current_time() == pytest.approx(10)
        assert echo.open == 0

    go(main, mocked=True)


@pytest.mark.parametrize("patient", [True, False])
def test_the_last_word_stands_behind_a_whole_frame_or_is_not_said(patient: bool) -> None:
    async def main() -> None:
        async with connected(Echo().app(), lockstep=True) as client:
            await client.say(asking())
            await client.hear_until(b"\r\n\r\n")
            await client.say(frame(TEXT, b"a"))
            await trio.sleep(0.1)
            # The answer is being sent, and nobody has taken it yet.
            await client.say(frame(BINARY, b"b"))
            await trio.sleep(0.1 if patient else 1)
            heard = await client.hear_all()
            close = (1003).to_bytes(2, "big")
            assert heard.startswith(b"\x81\x01a\x88") if patient else close not in heard
            assert (close in heard) == patient

    go(main, mocked=True)


async def until_ended(ended: trio.Event) -> None:
    with trio.fail_after(1_000):
        await ended.wait()


def test_sessions_close_with_a_word_of_their_own() -> None:
    async def main() -> None:
        async with opened(Echo().app()) as socket:
            await socket.say("full")
            assert await socket.closed() == (1013, "there is too much")

    go(main, mocked=True)


def test_a_session_that_fails_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with opened(Echo().app()) as socket:
            await socket.say("bug")
            assert (await socket.closed())[0] == 1011

    with caplog.at_level(logging.ERROR):
        go(main, mocked=True)
    assert len(failures(caplog.records)) == 1


def test_nothing_is_logged_of_clients_that_go(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        echo = Echo()
        async with opened(echo.app()):
            pass
        async with opened(echo.app()) as socket:
            await socket.client.stream.send_eof()
            assert await socket.hear() is None
        assert echo.open == 0

    with caplog.at_level(logging.WARNING):
        go(main, mocked=True)
    assert not failures(caplog.records)


def test_the_server_says_that_it_ends() -> None:
    async def main() -> None:
        closing = trio.Event()
        async with opened(Echo().app(), closing=closing) as socket:
            assert await quiet(socket, 1)
            closing.set()
            assert (await socket.closed())[0] == 1001

    go(main, mocked=True)


def test_sockets_have_slots_and_an_address_some_of_them() -> None:
    async def main() -> None:
        echo = Echo(Slots(3, per_client=2))
        app = echo.app()
        async with (
            opened(app, address="10.0.0.1"),
            opened(app, address="10.0.0.1"),
        ):
            refused = await asked_once(app, asking(), address="10.0.0.1")
            assert status_of(refused) == 503
            assert b"2 streams are open to your address" in refused
            async with opened(app, address="10.0.0.2"):
                refused = await asked_once(app, asking(), address="10.0.0.3")
                assert status_of(refused) == 503
                assert b"3 streams are open" in refused
        await until(lambda: echo.slots.free == 3)
        async with opened(app, address="10.0.0.1") as socket:
            await socket.say("again")
            assert await socket.hear() == TextMessage("again")
            await socket.client.say(socket.frames.send(CloseConnection(1000)))
            assert (await socket.closed())[0] == 1000

    go(main, mocked=True)
