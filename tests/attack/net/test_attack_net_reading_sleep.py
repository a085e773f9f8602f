"""A node that was stopped for a minute loses no peer whose pong lies unread."""

from __future__ import annotations

import random

import trio
import trio.testing

from esper.p2p.service.peer_table import Connected
from esper.p2p.transport.identity import Identity
from esper.p2p.wire.framing import FrameReader
from esper.p2p.wire.messages import FrameLimits, StreamKind, decode_message
from esper.p2p.wire.talk_messages import Ping, Pong
from tests.support.net.bare_network import LIMITS, Stranger, bare_network, hello_of, running
from tests.support.net.memory_link import MemoryNetwork
from tests.support.sim.sim_endpoint import MemoryEndpoint

SLEPT_S = 60.0


def _lived(slept_s: float, *, answers: bool) -> bool:
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def main() -> bool:
        network = MemoryNetwork(random.Random(1))
        own = Identity.from_seed(b"\3" * 32).node_id
        node = bare_network(3, MemoryEndpoint(network, "20.1.1.1", own))
        async with running(node) as nursery:
            link = await network.dial(
                "21.1.1.1", ("20.1.1.1", 9333), Identity.from_seed(b"\4" * 32).node_id
            )
            nursery.start_soon(link.run)
            stranger = Stranger(link)
            await stranger.say(hello_of(9))
            one: Connected = (await node.peers(1))[0]
            await trio.sleep(0.5)
            reader = FrameReader(StreamKind.TALK, FrameLimits(LIMITS))
            frames = reader.feed(await link.talk.receive_some(1 << 16))
            said = [decode_message(frame.kind, frame.record) for frame in frames]
            (ping,) = [message for message in said if isinstance(message, Ping)]
            clock.jump(slept_s)
            await trio.lowlevel.checkpoint()
            if answers:
                await stranger.say(Pong(ping.nonce, 1, b"\1", b"t" * 64))
            await trio.sleep(25)
            return not one.connection.why

    return trio.run(main, clock=clock)


def test_a_pong_that_lies_unread_after_a_sleep_is_read() -> None:
    assert _lived(SLEPT_S, answers=True)


def test_who_does_not_answer_is_left_all_the_same() -> None:
    assert not _lived(SLEPT_S, answers=False)
    assert not _lived(0.0, answers=False)
