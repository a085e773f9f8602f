"""Connections: anycorn speaks HTTP/1.1 on each, and no connection can harm another or the server.

anycorn's own ``serve`` is not used, because there one connection's unforeseen error, or an accept
while the process has no descriptors left, ends the server; because what it sends to a client that
does not read can never be cancelled; and because it also speaks HTTP/2 and websockets, which
nothing here needs. The classes below are its own, held to a range of versions in pyproject.toml.
"""

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import anyio
import h11
import trio
from anycorn.app_wrappers import ASGIWrapper
from anycorn.config import Config
from anycorn.events import Closed, Event, Updated
from anycorn.protocol.h11 import H11Protocol
from anycorn.protocol.http_stream import HTTPStream
from anycorn.task_group import TaskGroup
from anycorn.tcp_server import TCPServer
from anycorn.typing import ConnectionState
from anycorn.worker_context import WorkerContext
from starlette.types import ASGIApp

from esper.rpc.settings import RpcSettings

LOG: Final = logging.getLogger("esper.rpc.connections")
HTTP_LOG: Final = logging.getLogger("esper.rpc.http")
"""What anycorn says."""

HEAD_BYTES: Final = 16 * 1024
"""Of a request's line and headers."""
QUEUED_PARTS: Final = 2
"""Of a body, up to 64 KiB each, that wait for the application."""
REST_S: Final = 0.05
"""Before the next accept when the process has no descriptors or memory left."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class UnspokenVersionError(Exception):
    """A request of an HTTP that is not spoken here."""


class ClientGoneError(Exception):
    """A request whose answer nobody would take any more."""


class Http1(H11Protocol):
    """HTTP/1.0 and 1.1 alone: wishes to upgrade are ignored, as the standard allows."""

    _ended = False

    async def handle(self, event: Event) -> None:
        """Take bytes or the end of the connection."""
        if isinstance(event, Closed):
            self._ended = True
        try:
            await super().handle(event)
        except ClientGoneError:
            await self.send(Closed())
        except UnspokenVersionError:
            await self._send_error_response(505)
            await self.send(Closed())

    async def _close_stream(self) -> None:
        stream = self.stream
        if isinstance(stream, HTTPStream) and stream.app_put is not None:
            # The application is told of the end in a task of its own. Its queue is full if it
            # refused a body unread, and where it is the application that finds its client gone, or
            # that is done, it would wait for itself for ever.
            tell, stream.app_put = stream.app_put, None
            self.task_group.spawn(tell, {"type": "http.disconnect"})
        await super()._close_stream()

    async def _check_protocol(self, event: h11.Request) -> None:
        if self._ended:
            # One that lay behind others when its client went: hundreds fit into what was read.
            raise ClientGoneError
        if event.http_version not in (b"1.0", b"1.1"):
            raise UnspokenVersionError

    async def _create_stream(self, request: h11.Request) -> None:
        headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
        await super()._create_stream(
            h11.Request(
                method=request.method,
                target=request.target,
                headers=headers,
                http_version=request.http_version,
            )
        )


class ClientStream:
    """A client's socket, with the methods that anycorn calls and the errors that it knows."""

    def __init__(self, stream: trio.SocketStream, send_timeout_s: float) -> None:
        self._stream = stream
        self._send_timeout_s = send_timeout_s

    async def receive(self, max_bytes: int) -> bytes:
        """At most so many bytes. Raises anyio's errors."""
        with _as_anyio():
            data = await self._stream.receive_some(max_bytes)
        if not data:
            raise anyio.EndOfStream
        return bytes(data)

    async def send(self, data: bytes) -> None:
        """Send all, or give the client up. Raises anyio's errors."""
        with trio.move_on_after(self._send_timeout_s) as patience, _as_anyio():
            await self._stream.send_all(data)
        if patience.cancelled_caught:
            self.abort()
            raise anyio.BrokenResourceError

    async def send_eof(self) -> None:
        """Say that nothing more comes. A task that still sends is told that it is closed."""
        with suppress(OSError):
            self._stream.socket.shutdown(trio.socket.SHUT_WR)

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    def abort(self) -> None:
        """Close at once; whoever sends or receives is woken with an error."""
        self._stream.socket.close()


@contextmanager
def _as_anyio() -> Iterator[None]:
    try:
        yield
    except trio.ClosedResourceError as error:
        raise anyio.ClosedResourceError from error
    except trio.BrokenResourceError as error:
        raise anyio.BrokenResourceError from error


class Connection(TCPServer):
    """One connection."""

    def __init__(
        self,
        app: ASGIApp,
        config: Config,
        context: WorkerContext,
        stream: trio.SocketStream,
        send_timeout_s: float,
    ) -> None:
        client = ClientStream(stream, send_timeout_s)
        wrapped: Any = ASGIWrapper(app)  # type: ignore[arg-type]
        super().__init__(wrapped, config, context, {}, client)  # type: ignore[arg-type]
        self._socket = stream.socket
        self._client = client
        self._all_read = False

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            client, server = self._socket.getpeername()[:2], self._socket.getsockname()[:2]
            async with TaskGroup() as group:
                self._task_group = group
                self.protocol = Http1(  # type: ignore[assignment]
                    self.app,
                    self.config,
                    self.context,
                    group,
                    ConnectionState({}),
                    client,
                    server,
                    self.protocol_send,
                    None,
                )
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
                # The client says no more: nothing is left to wait for but an answer to it.
                self._all_read = True
                await self.idle_task.stop()
        except OSError:
            pass
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        """Send bytes, close, or begin to wait for the next request."""
        if self._all_read and isinstance(event, Updated) and event.idle:
            event = Closed()
        await super().protocol_send(event)

    def abort(self) -> None:
        """End it now, whatever it does."""
        self._client.abort()


class ConnectionPool:
    """All connections of a server."""

    def __init__(self, app: ASGIApp, settings: RpcSettings) -> None:
        self._app = app
        self._settings = settings
        self._config = _config(settings)
        self._context = WorkerContext(None)
        self._open: set[Connection] = set()
        self._closing = trio.Event()
        self._empty = trio.Event()
        self._nursery: trio.Nursery

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, listeners: Sequence[trio.SocketListener]) -> None:
        """Accept until cancelled; requests that are being answered get ``shutdown_s`` to end."""
        async with trio.open_nursery() as nursery:
            # Shielded as well: an end that came while it starts would wait for it for ever.
            with trio.CancelScope(shield=True):
                await nursery.start(self._hold)
            try:
                async with trio.open_nursery() as accepting:
                    for listener in listeners:
                        accepting.start_soon(self._accept, listener)
            finally:
                self._closing.set()

    async def _hold(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Keep connections beyond the cancellation that ends the accepting."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await self._closing.wait()
                await self._context.terminated.set()
                if self._open:
                    with trio.move_on_after(self._settings.shutdown_s):
                        await self._empty.wait()
                for connection in self._open:
                    connection.abort()
                self._nursery.cancel_scope.cancel()

    async def _accept(self, listener: trio.SocketListener) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    # Others: the client went away between its knock and this answer.
                    if error.errno in _EXHAUSTED:
                        LOG.error(
                            "cannot accept: %s; raise the limit of open files", error.strerror
                        )
                        await trio.sleep(REST_S)
                    continue
                if len(self._open) >= self._settings.max_connections:
                    await _turn_away(stream)
                else:
                    connection = Connection(
                        self._app,
                        self._config,
                        self._context,
                        stream,
                        self._settings.send_timeout_s,
                    )
                    self._open.add(connection)
                    self._nursery.start_soon(self._run, connection)

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        except* Exception:
            LOG.exception("a connection failed")
        finally:
            connection.abort()
            self._open.discard(connection)
            if self._closing.is_set() and not self._open:
                self._empty.set()


async def _turn_away(stream: trio.SocketStream) -> None:
    """Say "busy", which fits into the fresh socket's buffer, and close."""
    with trio.move_on_after(REST_S):
        with suppress(trio.BrokenResourceError):
            await stream.send_all(_BUSY)
    stream.socket.close()


def _is_a_failure(record: logging.LogRecord) -> bool:
    """Refused requests are logged by anycorn with their text, in which a token may stand."""
    return record.levelno >= logging.WARNING


def _config(settings: RpcSettings) -> Config:
    HTTP_LOG.addFilter(_is_a_failure)
    config = Config()
    config.errorlog = HTTP_LOG
    config.accesslog = None
    config.include_date_header = False
    config.include_server_header = False
    config.h11_max_incomplete_size = HEAD_BYTES
    config.keep_alive_timeout = settings.header_timeout_s
    config.max_app_queue_size = QUEUED_PARTS
    return config
