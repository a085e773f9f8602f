"""What strangers ask for: it neither ends the service nor stays in memory when they leave."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import trio
import trio.testing

from esper.p2p.flow.served import Served
from esper.p2p.limits import ANSWERS_HELD, MIB, SERVED_BURST
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.service.answering import Answering
from esper.p2p.service.connection import Connection
from esper.p2p.transport.link import Ending, LinkClosed, LinkStatistics
from esper.p2p.transport.mux_link import now_ms
from esper.p2p.wire.messages import FrameLimits
from esper.p2p.wire.talk_messages import (
    PART_BODY,
    PART_PROOF,
    GetBlocks,
    GetHeaders,
)
from tests.support.net.bare_network import LIMITS, NoBlocks

BLOCK = b"b" * 64


class _Link:
    """Takes what is sent until it is gone."""

    def __init__(self) -> None:
        self.gone = False
        self.sent: list[bytes] = []

    @property
    def bulk(self) -> _Link:
        return self

    def statistics(self) -> LinkStatistics:
        return LinkStatistics(0, sum(map(len, self.sent)), 0, 0, 2, 0)

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.gone:
            raise LinkClosed(Ending.PEERS)
        self.sent.append(data)


class _World:
    """Answers, and peers that come and go."""

    def __init__(self, blocks: NoBlocks, upload_per_s: int) -> None:
        self.served = Served(now_ms(), upload_per_s)
        self.answering = Answering(self.served, blocks, blocks, blocks, now_ms)
        self.connections: dict[PeerNumber, Connection] = {}

    def join(self, number: int) -> _Link:
        link = _Link()
        peer = Peer(PeerNumber(number), bytes(38), False, b"g")
        self.connections[peer.number] = Connection(
            peer.number,
            link,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            FrameLimits(LIMITS),
            now_ms,
            random.Random(1),
        )
        self.served.joined(peer, now_ms())
        return link

    def ask(self, number: int, request: GetBlocks | GetHeaders) -> None:
        assert self.served.asked(PeerNumber(number), request, now_ms()) is None
        self.answering.wake()

    def leave(self, number: int, link: _Link) -> None:
        link.gone = True
        del self.connections[PeerNumber(number)]
        self.served.left(PeerNumber(number))
        self.answering.wake()


def _run(main: Callable[[_World, NoBlocks], object], upload_per_s: int = 16 * MIB) -> None:
    async def all_of_it() -> None:
        blocks = NoBlocks()
        world = _World(blocks, upload_per_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.answering.run, world.connections.get)
            await main(world, blocks)  # type: ignore[misc]
            nursery.cancel_scope.cancel()

    trio.run(all_of_it, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("parts", [PART_BODY, PART_PROOF])
def test_who_asks_and_leaves_again_and_again_has_nothing_read_for_him(parts: int) -> None:
    """With little upload allowed each left a block in memory for minutes, any number of them."""

    async def main(world: _World, blocks: NoBlocks) -> None:
        blocks.kept[BLOCK] = bytes(MIB)
        for number in range(1, 101):
            link = world.join(number)
            world.ask(number, GetBlocks(1, (BLOCK,), parts))
            await trio.testing.wait_all_tasks_blocked()
            world.leave(number, link)
        assert blocks.reads <= SERVED_BURST // MIB + ANSWERS_HELD
        await trio.sleep(2)
        waiting = [
            task
            for nursery in trio.lowlevel.current_task().child_nurseries
            for child in nursery.child_tasks
            for inner in child.child_nurseries
            for task in inner.child_tasks
        ]
        assert waiting == []

    _run(main, upload_per_s=64 * 1024)


def test_headers_are_not_read_either_for_who_left() -> None:
    reads = 0

    async def main(world: _World, blocks: NoBlocks) -> None:
        async def count(locator: tuple[bytes, ...], most: int) -> tuple[bytes, tuple[bytes, ...]]:
            nonlocal reads
            reads += 1
            return locator[0], (bytes(4096),) * most

        blocks.headers_after = count  # type: ignore[method-assign]
        world.served.sent_history(SERVED_BURST, now_ms())
        for number in range(1, 11):
            link = world.join(number)
            world.ask(number, GetHeaders(1, (BLOCK,), 128))
            await trio.testing.wait_all_tasks_blocked()
            world.leave(number, link)
        await trio.sleep(600)
        assert reads == 0

    _run(main, upload_per_s=64 * 1024)
