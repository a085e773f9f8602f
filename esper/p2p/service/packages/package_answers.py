"""Answers to requests about packages: whose turn it is comes from ``packages.serving``."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import trio

from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.packages.serving import PackageTurn, Serving
from esper.p2p.peer import PeerNumber
from esper.p2p.service.answering import LOOK_AGAIN_S, NotHere, end_slow_reader
from esper.p2p.service.connection import Connection
from esper.p2p.transport.link import LinkClosed
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import PackageAnswer
from esper.saying import complain

LOG: Final = logging.getLogger("esper.network")


class ChunkSource(Protocol):
    """Chunks of this node's packages, read beside the event loop."""

    async def read(self, root: bytes, index: int) -> bytes:
        """A chunk. Raises NotHere."""


class PackageAnswering:
    """Answers what peers ask about packages."""

    def __init__(
        self, serving: Serving, source: ChunkSource | None, steady: Callable[[], int]
    ) -> None:
        """``source``: None where nothing is ever offered."""
        self._serving = serving
        self._source = source
        self._steady = steady
        self._wanted = trio.Event()

    def wake(self) -> None:
        """Somebody asked, or a place became free."""
        self._wanted.set()

    async def run(self, connection_of: Callable[[PeerNumber], Connection | None]) -> None:
        """Begin what has its turn, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wanted = trio.Event()
                now = self._steady()
                for turn in self._serving.waited_too_long(now):
                    connection = connection_of(turn.peer)
                    if connection is not None:
                        connection.send(
                            talk.Refuse(turn.request.number, WHOLE_REST, talk.REFUSED_BUSY)
                        )
                for turn in self._serving.turns(now):
                    nursery.start_soon(self._answer, turn, connection_of(turn.peer))
                with trio.move_on_after(self._pause_s()):
                    await self._wanted.wait()

    def _pause_s(self) -> float:
        wait = self._serving.next_ms(self._steady())
        # One whose turn is hindered by places alone is woken.
        return LOOK_AGAIN_S if not wait else min(wait / 1000, LOOK_AGAIN_S)

    async def _answer(self, turn: PackageTurn, connection: Connection | None) -> None:
        number, root = turn.request.number, turn.request.root
        try:
            if connection is not None:
                await self._answer_to(turn, connection)
        except NotHere as refusal:
            if connection is not None:
                await self._send(connection, talk.Refuse(number, root, refusal.code))
        except LinkClosed:
            # Its connection says so itself.
            return
        except Exception as error:
            complain(
                LOG,
                "answer_failed",
                "an answer to a peer failed by an error of this node: {reason}",
                reason=f"{type(error).__name__}: {error}",
            )
            if connection is not None:
                busy = talk.Refuse(number, WHOLE_REST, talk.REFUSED_BUSY)
                await self._send(connection, busy)
        finally:
            self._serving.done(turn)
            self.wake()

    async def _answer_to(self, turn: PackageTurn, connection: Connection) -> None:
        answer = await self._made(turn)
        number = turn.request.number
        if self._serving.is_cancelled(turn):
            refuse = talk.Refuse(number, WHOLE_REST, talk.REFUSED_CANCELLED)
            await connection.send_bulk(frame_bytes(refuse))
            return
        frame = frame_bytes(answer)
        self._serving.sent(turn, len(frame), self._steady())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                end_slow_reader, connection, lambda: self._serving.others_wait(turn), "a package"
            )
            with suppress(LinkClosed):
                await connection.send_bulk(frame)
            nursery.cancel_scope.cancel()

    async def _made(self, turn: PackageTurn) -> PackageAnswer:
        """The answer. Raises NotHere for what was withdrawn meanwhile, or cannot be read."""
        request, offers = turn.request, self._serving.offers
        answer: PackageAnswer | None = None
        match request:
            case packages.GetDigests():
                answer = offers.page(request.number, request.root, request.page)
            case packages.GetHoldings():
                answer = offers.holdings(request.number, request.root)
            case packages.GetChunk():
                if self._source is not None and offers.has(request.root, request.index):
                    data = await self._source.read(request.root, request.index)
                    answer = packages.Chunk(request.number, request.root, request.index, data)
        if answer is None:
            raise NotHere(talk.REFUSED_UNKNOWN)
        return answer

    @staticmethod
    async def _send(connection: Connection, refuse: talk.Refuse) -> None:
        with suppress(LinkClosed):
            await connection.send_bulk(frame_bytes(refuse))
