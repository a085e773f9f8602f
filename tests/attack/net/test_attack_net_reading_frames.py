"""Frames of the bulk stream that nobody asked for are refused at their head, and never held."""

from __future__ import annotations

import random

import pytest
import trio

from esper.p2p.actions import Ask
from esper.p2p.faults import Offence
from esper.p2p.flow.open_requests import Owner
from esper.p2p.limits import ANSWER_HEAD_BYTES
from esper.p2p.service.peer_table import Connected
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.yamux import FIN, WINDOW_UPDATE, head
from esper.p2p.wire.talk_messages import PART_PROOF, GetBlocks
from tests.support.net.bare_network import (
    LIMITS,
    Stranger,
    bare_network,
    hello_of,
    running,
)
from tests.support.net.memory_link import MemoryNetwork, seeded_run
from tests.support.sim.sim_endpoint import MemoryEndpoint

COMPACT, PROOF, TXS, HEADERS, BODY, BLOCK_TXS = range(32, 38)
BLOCK = b"b" * 64


class _World:
    """A node, and a stranger that is connected to it."""

    stranger: Stranger

    def __init__(self) -> None:
        self.network = MemoryNetwork(random.Random(1))
        self.node = bare_network(3, MemoryEndpoint(self.network, "20.1.1.1", _id(3)))

    async def begin(self, nursery: trio.Nursery, hello: bool) -> Connected:
        link = await self.network.dial("21.1.1.1", ("20.1.1.1", 9333), _id(9))
        nursery.start_soon(link.run)
        self.stranger = Stranger(link)
        if hello:
            await self.stranger.say(hello_of(9))
            (one,) = await self.node.peers(1)
            return one
        while not self.node.table.all():
            await trio.sleep(0.01)
        return next(iter(self.node.table.all()))

    async def bulk(self, data: bytes) -> None:
        await self.stranger.link.bulk.send_all(data)
        await trio.sleep(1)


def _id(seed: int) -> bytes:
    return Identity.from_seed(bytes([seed]) * 32).node_id


def _begin(kind: int, length: int) -> bytes:
    return (1 + length).to_bytes(4, "big") + bytes([kind]) + bytes(length // 2)


@pytest.mark.parametrize("hello", [False, True])
@pytest.mark.parametrize("kind", [COMPACT, PROOF, TXS, HEADERS, BODY, BLOCK_TXS])
def test_a_large_frame_that_nobody_asked_for_is_not_held(kind: int, hello: bool) -> None:
    async def main() -> None:
        world = _World()
        async with running(world.node) as nursery:
            one = await world.begin(nursery, hello)
            await world.bulk(_begin(kind, 400_000))
            assert one.connection.statistics().frames_held <= 5
            fault = one.connection.fault
            assert fault is not None
            assert fault.offence is (Offence.UNASKED if hello else Offence.ORDER)

    seeded_run(main, seed=1)


def test_what_was_asked_for_may_come_and_nothing_else() -> None:
    async def main() -> None:
        world = _World()
        async with running(world.node) as nursery:
            one = await world.begin(nursery, True)
            request = GetBlocks(0, (BLOCK,), PART_PROOF)
            world.node.room.perform(Owner.SYNC, [Ask(one.connection.number, "a", request)])
            await world.bulk(_begin(PROOF, LIMITS.proof + ANSWER_HEAD_BYTES))
            assert one.connection.statistics().frames_held > 100_000
            assert not one.connection.why

    seeded_run(main, seed=1)


def test_another_kind_than_was_asked_for_is_not_held() -> None:
    async def main() -> None:
        world = _World()
        async with running(world.node) as nursery:
            one = await world.begin(nursery, True)
            request = GetBlocks(0, (BLOCK,), PART_PROOF)
            world.node.room.perform(Owner.SYNC, [Ask(one.connection.number, "a", request)])
            await world.bulk(_begin(BODY, 400_000))
            assert one.connection.fault is not None
            assert one.connection.statistics().frames_held <= 5

    seeded_run(main, seed=1)


def test_a_push_that_was_asked_for_may_come() -> None:
    async def main() -> None:
        world = _World()
        world.node.machine.may_push = lambda number: True  # type: ignore[method-assign]
        async with running(world.node) as nursery:
            one = await world.begin(nursery, True)
            await world.bulk(_begin(COMPACT, 400_000))
            assert not one.connection.why

    seeded_run(main, seed=1)


def test_short_frames_of_types_to_come_are_passed_over() -> None:
    async def main() -> None:
        world = _World()
        async with running(world.node) as nursery:
            one = await world.begin(nursery, True)
            await world.bulk(b"\0\0\0\3\x80\x91\1")
            assert not one.connection.why

    seeded_run(main, seed=1)


def test_the_end_of_a_stream_ends_the_connection() -> None:
    """A talk stream that ends gives no bytes; the link must not stay for the other."""

    async def main() -> None:
        node = bare_network(1)
        async with running(node) as nursery:
            stranger = await Stranger.dial(nursery, node)
            await node.peers(1)
            await stranger.link._secured.write(head(WINDOW_UPDATE, FIN, 1, 0))  # type: ignore[attr-defined]
            await node.peers(0)
            assert node.table.left[0].why == "the peer closed the connection"
            await stranger.drain()

    trio.run(main)
