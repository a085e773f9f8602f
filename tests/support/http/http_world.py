"""A client and a server's connection in one event loop, over streams in memory."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import trio
import trio.testing

from esper.http.application import application
from esper.http.connection import ClientGoneError, Connection, ConnectionFacts
from esper.http.connection_pool import ConnectionPool
from esper.http.routes import JSON, Route, RouteLimits, everyone
from esper.http.settings import HttpSettings
from esper.http.slots import Slots

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


class Reader:
    """An application that reads a whole body and says it back, and nothing to half of one."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.last: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.parts.clear()
        while True:
            self.last = await receive()
            if self.last["type"] == "http.disconnect":
                raise ClientGoneError
            self.parts.append(self.last["body"])
            if not self.last["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"".join(self.parts)})


def go(test: Callable[[], Awaitable[None]], *, mocked: bool = False) -> None:
    """Run a test's task, with a clock that jumps to the next deadline if ``mocked``."""

    async def main() -> None:
        with trio.fail_after(math.inf if mocked else PATIENCE_S):
            await test()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0) if mocked else None)


def http_settings(**changes: Any) -> HttpSettings:
    """Settings of a server on any port."""
    return replace(HttpSettings(port=0), **changes)


class Client:
    """The other end of a connection."""

    def __init__(self, stream: trio.StapledStream[Any, Any], connection: Connection) -> None:
        self.stream = stream
        self.connection = connection
        self.ended = trio.Event()
        """Set once the server's side has ended."""

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def hear(self) -> bytes:
        """What comes next; empty at the end."""
        with suppress(trio.BrokenResourceError):
            return bytes(await self.stream.receive_some())
        return b""

    async def hear_until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            part = await self.hear()
            assert part, data
            data += part
        return data

    async def hear_all(self) -> bytes:
        data = b""
        while part := await self.hear():
            data += part
        return data


@asynccontextmanager
async def connected(
    app: App,
    *,
    lockstep: bool = False,
    closing: trio.Event | None = None,
    is_kept: bool = False,
    address: str = "127.0.0.1",
    **changes: Any,
) -> AsyncIterator[Client]:
    """A client of ``app``. ``lockstep``: nothing is sent before the other side takes it."""
    make = trio.testing.lockstep_stream_pair if lockstep else trio.testing.memory_stream_pair
    ours, theirs = make()
    facts = ConnectionFacts(trio.Event() if closing is None else closing, is_kept)
    connection = Connection(
        app, theirs, http_settings(**changes), facts, client=(address, 5), server=("::1", 6)
    )
    client = Client(ours, connection)

    async def run() -> None:
        await connection.run()
        client.ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield client
        await trio.aclose_forcefully(ours)
        with trio.move_on_after(LONG_S) as patience:
            await client.ended.wait()
        assert not patience.cancelled_caught, "the connection did not end with its client"


async def asked_once(app: App, *parts: bytes, **changes: Any) -> bytes:
    """What a client is told who sends these and then says no more."""
    async with connected(app, **changes) as client:
        for part in parts:
            await client.say(part)
        await client.stream.send_eof()
        return await client.hear_all()


@asynccontextmanager
async def serving(
    app: App, **changes: Any
) -> AsyncIterator[tuple[ConnectionPool, int, trio.CancelScope]]:
    """A pool on a socket, its port, and the scope that ends it; it has ended when this is left."""
    chosen = http_settings(
        **{"header_timeout_s": LONG_S, "idle_timeout_s": LONG_S, **changes},
    )
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


def routed(routes: Sequence[Route[Any]], **changes: Any) -> App:
    """The application of some routes."""
    return application(routes, http_settings(**changes))


def route(path: str, answer: Any, **changes: Any) -> Route[Any]:
    """A route that answers everyone, with limits of its own unless they are given."""
    found: dict[str, Any] = {
        "methods": frozenset({"GET"}),
        "authority": everyone,
        "limits": RouteLimits(Slots(4), Slots(4)),
        **changes,
    }
    return Route(path=path, answer=answer, **found)


def request(
    path: str = "/", *headers: str, method: str = "GET", body: bytes | None = None
) -> bytes:
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body is not None:
        lines += [f"Content-Type: {JSON}", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def status_of(answer: bytes) -> int:
    """The status of the first answer, 0 without one."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def body_of(answer: bytes) -> bytes:
    """What stands after the head of one answer, its chunks put together."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head:
        return body
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        found += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return found


def failures(records: Sequence[logging.LogRecord]) -> list[logging.LogRecord]:
    return [record for record in records if record.exc_info]
