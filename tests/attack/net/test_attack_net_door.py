"""Connections that come to nothing: none keeps a slot or a socket, and none keeps others out."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from esper.p2p.transport.door import SLOTS
from esper.p2p.transport.link import Ending, LinkClosed
from esper.p2p.transport.listener import RETRY_S
from esper.p2p.transport.negotiation import message
from tests.support.net.transport_world import SELECTION, TALK, RawPeer, World, open_sockets, world


async def says_nothing(stream: trio.SocketStream) -> None:
    pass


async def says_half(stream: trio.SocketStream) -> None:
    await stream.send_all(SELECTION[:7])


async def begins_noise(stream: trio.SocketStream) -> None:
    await stream.send_all(SELECTION + message("/noise") + b"\x00\x20" + bytes(31))


async def ends_noise(stream: trio.SocketStream) -> None:
    await RawPeer.noise(stream)


async def opens_one_stream(stream: trio.SocketStream) -> None:
    await (await RawPeer.yamux(stream)).open_stream(1, TALK)


STAGES = [says_nothing, says_half, begins_noise, ends_noise, opens_one_stream]


async def nothing_left(made: World, before: int) -> None:
    while made.listener.statistics().door.shaking or open_sockets() != before:
        await trio.sleep(0.01)


@pytest.mark.serial
@pytest.mark.parametrize("stage", STAGES)
def test_300_connections_in_a_row_leave_no_slot_and_no_socket(
    stage: Callable[[trio.SocketStream], Awaitable[None]],
) -> None:
    """libp2p's Swarm loses a slot for each that ends in its handshake."""

    async def main() -> None:
        async with world() as made:
            before = open_sockets()
            for _ in range(300 if stage in (says_nothing, says_half) else 60):
                stream = await made.connect()
                await stage(stream)
                stream.socket.close()
                while made.listener.statistics().door.shaking > SLOTS // 2:
                    await trio.sleep(0)
            await nothing_left(made, before)
            assert made.links == []
            link = await made.dial()
            link.close()

    trio.run(main)


@pytest.mark.serial
def test_300_links_in_a_row_leave_no_socket() -> None:
    async def main() -> None:
        async with world() as made:
            before = open_sockets()
            for number in range(100):
                link = await made.dial()
                (await made.link(number)).close() if number % 2 else link.close()
                with pytest.raises(LinkClosed):
                    await link.talk.receive_some(1)
            await nothing_left(made, before)

    trio.run(main)


def test_sleepers_make_room_after_two_seconds_and_go_after_ten() -> None:
    clock = trio.testing.MockClock()

    async def main() -> None:
        async with world() as made:
            sleepers = [await made.connect() for _ in range(SLOTS)]
            while made.listener.statistics().door.shaking < SLOTS:
                await trio.testing.wait_all_tasks_blocked(0.01)
            with pytest.raises(LinkClosed):
                await made.dial()
            assert made.listener.statistics().door.refused == 1
            clock.jump(2.1)
            link = await made.dial()
            assert link.closed is None
            assert made.listener.statistics().door.evicted == 1
            assert await sleepers[0].receive_some(1) == b""
            clock.jump(8)
            for sleeper in sleepers:
                assert await sleeper.receive_some(1) == b""
                sleeper.socket.close()
            assert made.listener.statistics().door.shaking == 0
            assert made.listener.statistics().endings == {Ending.DEADLINE: SLOTS - 1}
            assert link.closed is None

    trio.run(main, clock=clock)


@pytest.mark.parametrize("stage", STAGES[1:])
def test_ten_seconds_are_for_the_whole_handshake(
    stage: Callable[[trio.SocketStream], Awaitable[None]],
) -> None:
    clock = trio.testing.MockClock()

    async def main() -> None:
        async with world() as made:
            stream = await made.connect()
            await trio.testing.wait_all_tasks_blocked(0.01)
            clock.jump(9)
            await stage(stream)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert made.listener.statistics().door.shaking == 1
            clock.jump(1.1)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert made.listener.statistics().endings == {Ending.DEADLINE: 1}
            stream.socket.close()

    trio.run(main, clock=clock)


def test_an_address_keeps_nobody_else_out() -> None:
    async def main() -> None:
        async with world(local=False) as made:
            held = [await made.connect("127.0.0.2") for _ in range(2)]
            while made.listener.statistics().door.shaking < 2:
                await trio.sleep(0.01)
            with pytest.raises(LinkClosed):
                await made.dial("127.0.0.2")
            link = await made.dial("127.0.0.3")
            assert link.closed is None
            for stream in held:
                stream.socket.close()
            for _ in range(7):
                link = await made.dial("127.0.0.3")
                assert link.closed is None
            with pytest.raises(LinkClosed):
                await made.dial("127.0.0.3")

    trio.run(main)


def test_those_who_are_barred_are_closed_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with world() as made:
            monkeypatch.setattr(made.listener, "_may_enter", lambda ip: ip != "127.0.0.2")
            with pytest.raises(LinkClosed):
                await made.dial("127.0.0.2")
            assert made.listener.statistics().door.entered == 0
            assert (await made.dial("127.0.0.3")).closed is None

    trio.run(main)


def test_a_node_without_descriptors_accepts_again_when_it_has_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = [errno.EMFILE, errno.ECONNABORTED, errno.ENFILE]
    real = trio.SocketListener.accept

    async def failing(self: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise OSError(failures.pop(), "no")
        return await real(self)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)

    async def main() -> None:
        async with world() as made:
            began = trio.current_time()
            assert (await made.dial()).closed is None
            assert failures == []
            # It does not try again at once for ever.
            assert trio.current_time() - began > 1.5 * RETRY_S

    trio.run(main)


def test_a_listener_that_is_closed_lets_nobody_in_and_ends_nothing_else() -> None:
    async def main() -> None:
        async with world() as made:
            link = await made.dial()
            stream = await made.connect()
            while not made.listener.statistics().door.shaking:
                await trio.sleep(0.01)
            made.listener.close()
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", link.remote_address[1])
            await stream.send_all(SELECTION)
            assert await stream.receive_some(len(SELECTION)) == SELECTION
            await link.talk.send_all(b"still there")
            assert await (await made.link()).talk.receive_some(99) == b"still there"

    trio.run(main)


def test_stopping_closes_all_that_shake_hands_and_the_port() -> None:
    async def main() -> None:
        before = open_sockets()
        async with world() as made:
            streams = [await made.connect() for _ in range(5)]
            while made.listener.statistics().door.shaking < 5:
                await trio.sleep(0.01)
        for stream in streams:
            stream.socket.close()
        # One pair is trio's own.
        assert open_sockets() <= before

    trio.run(main)
