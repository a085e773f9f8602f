"""Connections of the RPC server, check by check, on real sockets within one event loop."""

from __future__ import annotations

import errno
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from esper.rpc import connections
from esper.rpc.connections import (
    HEAD_BYTES,
    HTTP_LOG,
    QUEUED_PARTS,
    REST_S,
    ClientStream,
    Connection,
    ConnectionPool,
)
from tests.support.fake_node import settings

PATIENCE_S = 20.0
LONG_S = 3_600.0
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HELLO = b"hello"

App = Callable[[Any, Any, Any], Awaitable[None]]


class Greeter:
    """An application that says hello, after ``seconds``, and remembers what it was asked."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self.asked: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope)
        await trio.sleep(self.seconds)
        head = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": HELLO})


def go(test: Callable[[], Awaitable[None]], *, mocked: bool = False) -> None:
    """Run a test's task, with a clock that jumps to the next deadline if ``mocked``."""

    async def main() -> None:
        with trio.fail_after(math.inf if mocked else PATIENCE_S):
            await test()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0) if mocked else None)


async def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a connection."""
    ours, theirs = trio.socket.socketpair()
    return trio.SocketStream(ours), trio.SocketStream(theirs)


@asynccontextmanager
async def serving(
    app: App, folder: Path, **changes: Any
) -> AsyncIterator[tuple[ConnectionPool, int, trio.CancelScope]]:
    """A pool, its port, and the scope that ends it; it has ended when this is left."""
    chosen = settings(folder, **{"header_timeout_s": LONG_S, **changes})
    pool = ConnectionPool(app, chosen)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    scope = trio.CancelScope()

    async def serve() -> None:
        with scope:
            await pool.serve(listeners)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield pool, listeners[0].socket.getsockname()[1], scope
        scope.cancel()


async def told(stream: trio.SocketStream) -> bytes:
    """All until the other side ends it."""
    data = b""
    with suppress(trio.BrokenResourceError):
        while part := await stream.receive_some(65_536):
            data += part
    return data


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await trio.sleep(0.005)


async def asked(port: int, request: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as client:
        await client.send_all(request)
        return await told(client)


# --- a client's socket ---


def test_what_ends_or_breaks_a_client_has_the_names_that_are_known() -> None:
    async def main() -> None:
        ours, theirs = await pair()
        client = ClientStream(ours, 1)
        await theirs.send_all(b"abc")
        assert await client.receive(2) == b"ab"
        assert await client.receive(2) == b"c"
        await theirs.aclose()
        with pytest.raises(anyio.EndOfStream):
            await client.receive(2)
        with pytest.raises(anyio.BrokenResourceError):
            await client.send(b"x")
        await client.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await client.receive(2)
        with pytest.raises(anyio.ClosedResourceError):
            await client.send(b"x")
        # Nothing more to say to one who is gone.
        await client.send_eof()

    go(main)


def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def main() -> None:
        ours, theirs = await pair()
        client = ClientStream(ours, 7)
        began = trio.current_time()
        with pytest.raises(anyio.BrokenResourceError):
            await client.send(bytes(1 << 24))
        assert trio.current_time() == began + 7
        # Closed, so that whoever receives does not wait for it either.
        assert ours.socket.fileno() == -1
        await theirs.aclose()

    go(main, mocked=True)


def test_an_end_is_told_to_the_other_side_and_an_abort_to_ours() -> None:
    async def main() -> None:
        ours, theirs = await pair()
        client = ClientStream(ours, 1)
        await client.send_eof()
        assert await theirs.receive_some() == b""

        async def receives() -> None:
            with pytest.raises((anyio.ClosedResourceError, anyio.BrokenResourceError)):
                await client.receive(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receives)
            await trio.testing.wait_all_tasks_blocked()
            client.abort()
        await theirs.aclose()

    go(main)


def test_one_too_many_is_told_and_never_waited_for() -> None:
    async def main() -> None:
        ours, theirs = await pair()
        await connections._turn_away(ours)
        assert (await told(theirs)).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert ours.socket.fileno() == -1
        await theirs.aclose()
        # One who went away meanwhile is no failure.
        ours, theirs = await pair()
        await theirs.aclose()
        await connections._turn_away(ours)
        assert ours.socket.fileno() == -1
        # One who takes nothing is not waited for.
        ours, theirs = await pair()
        with suppress(BlockingIOError):
            while True:
                ours.socket._sock.send(bytes(65_536))  # type: ignore[attr-defined]
        began = trio.current_time()
        await connections._turn_away(ours)
        assert trio.current_time() == began + REST_S
        assert ours.socket.fileno() == -1
        await theirs.aclose()

    go(main, mocked=True)


# --- one connection ---


@pytest.mark.parametrize("version", [b"1.0", b"1.1", b"1.9", b"9.9", b"2.0"])
def test_two_versions_are_spoken_and_others_told_so(tmp_path: Path, version: bytes) -> None:
    async def main() -> None:
        app = Greeter()
        async with serving(app, tmp_path) as (_, port, _):
            answer = await asked(port, LAST.replace(b"1.1", version))
        spoken = version in (b"1.0", b"1.1")
        assert answer.startswith(b"HTTP/1.1 200" if spoken else b"HTTP/1.1 505"), answer
        assert len(app.asked) == spoken

    go(main)


def test_a_wish_to_upgrade_is_ignored(tmp_path: Path) -> None:
    async def main() -> None:
        app = Greeter()
        request = GET.replace(b"\r\n\r\n", b"\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        async with serving(app, tmp_path) as (_, port, _):
            client = await trio.open_tcp_stream("127.0.0.1", port)
            await client.send_all(request)
            assert (await client.receive_some()).startswith(b"HTTP/1.1 200")
            await client.aclose()
        [scope] = app.asked
        assert scope["type"] == "http"
        assert b"upgrade" not in dict(scope["headers"])

    go(main)


def test_a_connection_is_kept_for_the_next_request_and_ends_when_the_client_says_no_more(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with serving(Greeter(0.05), tmp_path) as (pool, port, _):
            async with await trio.open_tcp_stream("127.0.0.1", port) as client:
                for _ in range(2):
                    await client.send_all(GET)
                    answer = b""
                    while not answer.endswith(HELLO):
                        answer += await client.receive_some()
                await client.send_all(GET)
                await client.send_eof()
                # The last answer, then the end, and not the idle time.
                assert (await told(client)).endswith(HELLO)
            await until(lambda: len(pool) == 0)
            # Nor is it waited for where nothing was asked.
            await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            await until(lambda: len(pool) == 0)

    go(main)


def test_a_silent_connection_is_ended(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Greeter(), tmp_path, header_timeout_s=0.1) as (pool, port, _):
            assert await asked(port, b"") == b""
            assert await asked(port, b"GET / HT") == b""
            # The time of an answer is the application's.
        async with serving(Greeter(0.3), tmp_path, header_timeout_s=0.1) as (pool, port, _):
            assert (await asked(port, GET)).endswith(HELLO)
            await until(lambda: len(pool) == 0)

    go(main)


def test_a_client_that_is_gone_before_its_connection_begins_is_no_failure(tmp_path: Path) -> None:
    async def main() -> None:
        pool = ConnectionPool(Greeter(), settings(tmp_path))
        ours, theirs = await pair()
        await theirs.aclose()
        ours.socket.close()
        await Connection(Greeter(), pool._config, pool._context, ours, 1).run()

    go(main)


# --- all connections ---


def test_only_so_many_at_once_and_a_place_that_came_free_is_given_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Greeter(), tmp_path, max_connections=2) as (pool, port, _):
            clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
            await until(lambda: len(pool) == 2)
            assert (await asked(port, b"")).startswith(b"HTTP/1.1 503")
            assert len(pool) == 2
            await clients[0].aclose()
            await until(lambda: len(pool) == 1)
            assert (await asked(port, LAST)).endswith(HELLO)
            await clients[1].aclose()

    go(main)


class FailingListener:
    """Fails to accept with these numbers, then waits for ever."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.times: list[float] = []

    async def __aenter__(self) -> FailingListener:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def accept(self) -> trio.SocketStream:
        self.times.append(trio.current_time())
        if not self.numbers:
            await trio.sleep_forever()
        raise OSError(self.numbers.pop(0), "said the system")


def test_an_accept_that_fails_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        pool = ConnectionPool(Greeter(), settings(tmp_path))
        listener = FailingListener(errno.EMFILE, errno.ENOMEM, errno.ECONNABORTED, errno.EPERM)
        async with trio.open_nursery() as nursery:
            listeners: list[Any] = [listener]
            nursery.start_soon(pool.serve, listeners)
            await trio.sleep(LONG_S / 2)
            nursery.cancel_scope.cancel()
        began, *later = listener.times
        # It rests where the machine has no more to give, and not where a client went away.
        assert [round((time - began) / REST_S) for time in later] == [1, 2, 2, 2]

    go(main, mocked=True)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["cannot accept: said the system; raise the limit of open files"] * 2


class FakeConnection:
    """Fails while it runs, or waits."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.aborted = False

    async def run(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize("error", [None, ValueError("unforeseen")])
def test_a_failing_connection_fails_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    async def main() -> None:
        pool = ConnectionPool(Greeter(), settings(tmp_path))
        found: Any = FakeConnection(error)
        pool._open.add(found)
        await pool._run(found)
        assert found.aborted
        assert len(pool) == 0
        assert not pool._empty.is_set()
        # The last one of a pool that closes says that it was.
        pool._open.add(found)
        pool._closing.set()
        await pool._run(found)
        assert pool._empty.is_set()

    go(main)
    failures = [record for record in caplog.records if record.exc_info]
    assert len(failures) == (0 if error is None else 2)


def test_the_end_waits_for_nobody_who_is_idle(tmp_path: Path) -> None:
    async def main() -> None:
        for clients in (0, 2):
            async with serving(Greeter(), tmp_path, shutdown_s=10) as (pool, port, scope):
                assert (await asked(port, LAST)).endswith(HELLO)
                idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(clients)]
                await until(lambda clients=clients: len(pool) == clients)  # type: ignore[misc]
                began = trio.current_time()
                scope.cancel()
            assert trio.current_time() - began < 5
            for client in idle:
                assert await told(client) == b""
                await client.aclose()

    go(main)


def test_an_end_while_it_begins_is_an_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Greeter(), tmp_path) as (pool, _, scope):
            scope.cancel()
        assert len(pool) == 0

    go(main)


def test_the_end_lets_answers_end_and_cuts_what_does_not(tmp_path: Path) -> None:
    async def main() -> None:
        app = Greeter(0.2)
        async with serving(app, tmp_path, shutdown_s=10) as (pool, port, scope):
            client = await trio.open_tcp_stream("127.0.0.1", port)
            await client.send_all(GET)
            await until(lambda: bool(app.asked))
            scope.cancel()
        assert (await told(client)).endswith(HELLO)
        await client.aclose()

        endless = Greeter(LONG_S)
        async with serving(endless, tmp_path, shutdown_s=0.05) as (pool, port, scope):
            client = await trio.open_tcp_stream("127.0.0.1", port)
            await client.send_all(GET)
            await until(lambda: bool(endless.asked))
            scope.cancel()
        assert await told(client) == b""
        await client.aclose()
        assert len(pool) == 0

    go(main)


def test_what_is_said_of_the_server_and_kept_of_a_request_is_little(tmp_path: Path) -> None:
    config = connections._config(settings(tmp_path, header_timeout_s=4.5))
    assert config.h11_max_incomplete_size == HEAD_BYTES
    assert config.max_app_queue_size == QUEUED_PARTS
    assert config.keep_alive_timeout == 4.5
    assert config.accesslog is None
    assert config.errorlog is HTTP_LOG
    assert config.response_headers("h11") == []


def test_refused_requests_are_not_logged_with_their_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connections._config(settings(tmp_path))
    with caplog.at_level(logging.DEBUG, HTTP_LOG.name):
        HTTP_LOG.info("Rejecting request with a token in it")
        HTTP_LOG.warning("a failure")
    assert [record.getMessage() for record in caplog.records] == ["a failure"]
