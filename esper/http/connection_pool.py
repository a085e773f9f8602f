"""All connections of a server: who gets a place, and how they end."""

import errno
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Final

import trio
from starlette.types import ASGIApp

from esper.http.addresses import subscriber
from esper.http.again import Chance, again_s, of_the_machine
from esper.http.answers import plain_answer
from esper.http.connection import Connection, ConnectionFacts, linger
from esper.http.counts import ADDRESS, PLACE, HttpCounts
from esper.http.descriptors import room_for
from esper.http.settings import HttpSettings
from esper.saying import complain

LOG: Final = logging.getLogger("esper.http")

REST_S: Final = 0.05
"""Before the next accept when the process has no descriptors or memory left."""
TURNED_AWAY: Final = 64
"""Clients beyond the last place that are listened to until they have seen so; more are told, and
cut off at once."""

KEPT_PART: Final = 4
"""At most one place of so many is kept for what is essential, where there are few."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ConnectionPool:
    """All connections of a server."""

    def __init__(
        self,
        app: ASGIApp,
        settings: HttpSettings,
        counts: HttpCounts | None = None,
        chance: Chance = of_the_machine,
    ) -> None:
        """``chance`` spreads those who are turned away."""
        self._chance = chance
        self._app = app
        self._counts = HttpCounts() if counts is None else counts
        self._settings = settings
        self._places = settings.max_connections
        self._open: set[Connection] = set()
        self._from: Counter[str] = Counter()
        self._leaving = 0
        self._closing = trio.Event()
        self._empty = trio.Event()
        self._nursery: trio.Nursery

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, listeners: Sequence[trio.SocketListener]) -> None:
        """Accept until cancelled; requests that are being answered get ``shutdown_s`` to end."""
        self._places = room_for(self._settings.max_connections)
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
                for connection in self._open:
                    connection.let_go()
                if self._open:
                    with trio.move_on_after(self._settings.shutdown_s):
                        await self._empty.wait()
                self._nursery.cancel_scope.cancel()

    async def _accept(self, listener: trio.SocketListener) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    # Others: the client went away between its knock and this answer.
                    if error.errno in _EXHAUSTED:
                        complain(
                            LOG,
                            "cannot_accept",
                            "cannot accept: {reason}; raise the limit of open files",
                            reason=error.strerror,
                        )
                        await trio.sleep(REST_S)
                    continue
                self._welcome(stream)

    def _welcome(self, stream: trio.SocketStream) -> None:
        """Give the client a place, or let it be told that there is none."""
        try:
            client, server = stream.socket.getpeername()[:2], stream.socket.getsockname()[:2]
        except OSError:
            # It is gone already.
            stream.socket.close()
            return
        place = subscriber(client[0])
        crowd = self._from[place] >= self._settings.max_connections_per_address
        if len(self._open) < self._places and not crowd:
            kept = min(self._settings.kept_connections, self._places // KEPT_PART)
            is_kept = len(self._open) >= self._places - kept
            facts = ConnectionFacts(self._closing, is_kept, self._counts)
            connection = Connection(
                self._app, stream, self._settings, facts, client=client, server=server
            )
            self._open.add(connection)
            self._from[place] += 1
            self._counts.connections = len(self._open)
            self._nursery.start_soon(self._run, connection, place)
        else:
            self._counts.refuse(ADDRESS if crowd else PLACE)
            self._nursery.start_soon(
                self._turn_away, stream, "from your address" if crowd else "here"
            )

    async def _run(self, connection: Connection, place: str) -> None:
        try:
            await connection.run()
        except Exception:
            LOG.exception("a connection failed")
        finally:
            self._open.discard(connection)
            self._counts.connections = len(self._open)
            self._from[place] -= 1
            if not self._from[place]:
                del self._from[place]
            if self._closing.is_set() and not self._open:
                self._empty.set()

    async def _turn_away(self, stream: trio.abc.HalfCloseableStream, whose: str) -> None:
        """Say "busy", and read what the client sends, that a reset does not overtake the word."""
        why = f"too many connections are open {whose}: try again"
        word = plain_answer(503, why, again_s(self._chance()))
        self._leaving += 1
        try:
            # It fits into a fresh socket's buffer.
            with trio.move_on_after(REST_S) as patience:
                await stream.send_all(word)
            if not patience.cancelled_caught and self._leaving <= TURNED_AWAY:
                await linger(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except Exception:
            LOG.exception("a connection failed")
        finally:
            self._leaving -= 1
            await trio.aclose_forcefully(stream)
