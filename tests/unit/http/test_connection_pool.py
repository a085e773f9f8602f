"""All connections of a server, on real sockets within one event loop."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import trio
import trio.testing

from esper.http import connection_pool
from esper.http.connection import LINGER_S
from esper.http.connection_pool import REST_S, TURNED_AWAY, ConnectionPool
from tests.support.http.http_world import (
    GET,
    HELLO,
    LAST,
    LONG_S,
    Greeter,
    asked,
    failures,
    go,
    http_settings,
    serving,
    status_of,
    told,
    until,
)

BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)


def test_only_so_many_at_once_and_a_place_that_came_free_is_given_again() -> None:
    async def main() -> None:
        async with serving(Greeter(), max_connections=2) as (pool, port, _):
            clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
            await until(lambda: len(pool) == 2)
            assert status_of(await asked(port, b"")) == 503
            assert len(pool) == 2
            await clients[0].aclose()
            await until(lambda: len(pool) == 1)
            assert (await asked(port, LAST)).endswith(HELLO)
            await clients[1].aclose()

    go(main)


def test_one_address_has_so_many_places_and_leaves_the_rest_to_others() -> None:
    async def main() -> None:
        async with serving(Greeter(), max_connections_per_address=2) as (pool, port, _):
            clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
            await until(lambda: len(pool) == 2)
            assert b"from your address" in await asked(port, b"")
            other = await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2")
            await other.send_all(LAST)
            assert (await told(other)).endswith(HELLO)
            await clients[0].aclose()
            await until(lambda: len(pool) < 3)
            await until(lambda: pool._from["127.0.0.1"] < 2)
            assert (await asked(port, LAST)).endswith(HELLO)
            await clients[1].aclose()
            await other.aclose()
            await until(lambda: len(pool) == 0)
            assert not pool._from

    go(main)


def test_the_last_places_are_kept_for_what_is_essential() -> None:
    async def main() -> None:
        app = Greeter()
        async with serving(app, max_connections=4, kept_connections=9) as (_, port, _):
            clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
            for client in clients:
                await client.send_all(GET)
                await client.receive_some()
            await asked(port, LAST)
            kept = [scope["extensions"]["esper.connection"].is_kept for scope in app.asked]
            # A quarter of the places, where more would be kept than there are.
            assert kept == [False, False, False, True]
            for client in clients:
                await client.aclose()

    go(main)


def test_one_too_many_who_is_still_sending_is_told_so() -> None:
    async def main() -> None:
        async with serving(Greeter(), max_connections=1) as (pool, port, _):
            first = await trio.open_tcp_stream("127.0.0.1", port)
            await until(lambda: len(pool) == 1)
            for _ in range(30):
                # A reset would overtake the word if what is sent were not read.
                async with await trio.open_tcp_stream("127.0.0.1", port) as client:
                    await client.send_all(BODY)
                    assert status_of(await told(client)) == 503
            await first.aclose()

    go(main)


async def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a connection."""
    ours, theirs = trio.socket.socketpair()
    return trio.SocketStream(ours), trio.SocketStream(theirs)


def test_one_too_many_is_not_waited_for_for_long() -> None:
    async def main() -> None:
        pool = ConnectionPool(Greeter(), http_settings())
        # One who says nothing and does not go.
        ours, theirs = await pair()
        began = trio.current_time()
        await pool._turn_away(ours, "here")
        assert trio.current_time() - began == pytest.approx(LINGER_S)
        assert status_of(await told(theirs)) == 503
        await theirs.aclose()
        # One who went away meanwhile is no failure.
        ours, theirs = await pair()
        await theirs.aclose()
        await pool._turn_away(ours, "here")
        assert ours.socket.fileno() == -1
        # One who takes nothing.
        slow, _ = trio.testing.lockstep_stream_pair()
        began = trio.current_time()
        await pool._turn_away(slow, "here")
        assert trio.current_time() - began == pytest.approx(REST_S)
        # One of very many is told, and cut off.
        pool._leaving = TURNED_AWAY
        ours, theirs = await pair()
        began = trio.current_time()
        await pool._turn_away(ours, "here")
        assert trio.current_time() == began
        assert status_of(await told(theirs)) == 503
        await theirs.aclose()
        assert pool._leaving == TURNED_AWAY

    go(main, mocked=True)


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


def test_an_accept_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        pool = ConnectionPool(Greeter(), http_settings())
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


def test_a_client_that_is_gone_before_it_has_a_place_gets_none() -> None:
    async def main() -> None:
        pool = ConnectionPool(Greeter(), http_settings())
        listener = await trio.open_tcp_listeners(0, host="127.0.0.1")
        knock = await trio.open_tcp_stream(*listener[0].socket.getsockname()[:2])
        stream = await listener[0].accept()
        stream.socket.shutdown(trio.socket.SHUT_RDWR)
        await knock.aclose()
        stream.socket.close()
        pool._welcome(stream)
        assert len(pool) == 0
        await listener[0].aclose()

    go(main)


class FakeConnection:
    """Fails while it runs, or ends."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def run(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, ValueError("unforeseen")])
def test_a_failing_connection_fails_alone(
    caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    async def main() -> None:
        pool = ConnectionPool(Greeter(), http_settings())
        found: Any = FakeConnection(error)
        for closes in (False, True):
            pool._open.add(found)
            pool._from["here"] = 1
            if closes:
                pool._closing.set()
            await pool._run(found, "here")
            assert len(pool) == 0
            assert not pool._from
            # The last one of a pool that closes says that it was.
            assert pool._empty.is_set() == closes

    go(main)
    assert len(failures(caplog.records)) == (0 if error is None else 2)


def test_the_end_waits_for_nobody_who_is_idle() -> None:
    async def main() -> None:
        for clients in (0, 2):
            async with serving(Greeter(), shutdown_s=10) as (pool, port, scope):
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


def test_an_end_while_it_begins_is_an_end() -> None:
    async def main() -> None:
        async with serving(Greeter()) as (pool, _, scope):
            scope.cancel()
        assert len(pool) == 0

    go(main)


def test_the_end_lets_answers_end_and_cuts_what_does_not() -> None:
    async def main() -> None:
        app = Greeter(0.2)
        async with serving(app, shutdown_s=10) as (pool, port, scope):
            client = await trio.open_tcp_stream("127.0.0.1", port)
            await client.send_all(GET)
            await until(lambda: bool(app.asked))
            scope.cancel()
        assert (await told(client)).endswith(HELLO)
        await client.aclose()

        endless = Greeter(LONG_S)
        async with serving(endless, shutdown_s=0.05) as (pool, port, scope):
            client = await trio.open_tcp_stream("127.0.0.1", port)
            await client.send_all(GET)
            await until(lambda: bool(endless.asked))
            scope.cancel()
        assert await told(client) == b""
        await client.aclose()
        assert len(pool) == 0

    go(main)


def test_places_are_no_more_than_the_process_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(connection_pool, "room_for", lambda wanted: 1)
        async with serving(Greeter(), max_connections=9) as (pool, port, _):
            first = await trio.open_tcp_stream("127.0.0.1", port)
            await until(lambda: len(pool) == 1)
            assert status_of(await asked(port, b"")) == 503
            await first.aclose()

    go(main)
