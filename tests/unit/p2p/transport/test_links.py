"""Links over real sockets: what they carry, and how they end."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from esper.p2p.faults import Offence
from esper.p2p.transport.dialler import dial
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Ending, LinkClosed
from esper.p2p.transport.multiplexer import MuxStream
from esper.p2p.transport.mux_link import MuxLink
from esper.p2p.transport.yamux import DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, head
from tests.support.net.transport_world import (
    HOST,
    NODE,
    PEER,
    PROTOCOLS,
    RawPeer,
    new_frames,
    open_sockets,
    world,
)


def test_both_ends_know_each_other_and_bytes_go_both_ways_on_both_streams() -> None:
    async def main() -> None:
        async with world() as made:
            ours = await made.dial()
            theirs = await made.link()
            assert (ours.remote_id, ours.outbound) == (NODE.node_id, True)
            assert (theirs.remote_id, theirs.outbound) == (PEER.node_id, False)
            assert ours.remote_address == (HOST, made.listener.port)
            assert theirs.remote_address[0] == HOST
            for name in ("talk", "bulk"):
                one, other = getattr(ours, name), getattr(theirs, name)
                await one.send_all(b"to the node " + name.encode())
                assert await other.receive_some(99) == b"to the node " + name.encode()
                await other.send_all(b"back")
                assert await one.receive_some(2) == b"ba"
                assert await one.receive_some(2) == b"ck"
            statistics = ours.statistics()
            assert statistics.streams == 2
            assert statistics.bytes_in == theirs.statistics().bytes_out
            assert statistics.buffered == 0

    trio.run(main)


def test_much_more_than_the_windows_goes_both_ways_at_once_and_arrives_whole() -> None:
    size = 3 << 20
    data = bytes(range(256)) * (size // 256)

    async def main() -> None:
        async with world() as made:
            ours, theirs = await made.dial(), await made.link()
            received: dict[str, bytearray] = {}

            async def receive(name: str, link: MuxLink) -> None:
                got = received[name] = bytearray()
                while len(got) < size:
                    got += await link.bulk.receive_some(50_000)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.bulk.send_all, data)
                nursery.start_soon(theirs.bulk.send_all, data)
                nursery.start_soon(receive, "ours", ours)
                nursery.start_soon(receive, "theirs", theirs)
                # Talk does not wait behind it.
                await ours.talk.send_all(b"hello")
                assert await theirs.talk.receive_some(5) == b"hello"
                assert len(received["theirs"]) < size
            assert received["ours"] == received["theirs"] == data
            assert ours.statistics().held_back_ms == theirs.statistics().held_back_ms == 0

    trio.run(main)


def test_closing_wakes_everybody_on_both_ends_and_closes_the_sockets() -> None:
    async def main() -> None:
        async with world() as made:
            before = open_sockets()
            ours, theirs = await made.dial(), await made.link()
            endings: list[tuple[str, Ending]] = []

            async def receive(name: str, link: MuxLink) -> None:
                with pytest.raises(LinkClosed) as raised:
                    await link.talk.receive_some(1)
                endings.append((name, raised.value.ending))

            async def send() -> None:
                with pytest.raises(LinkClosed):
                    await ours.bulk.send_all(bytes(8 << 20))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive, "ours", ours)
                nursery.start_soon(receive, "theirs", theirs)
                nursery.start_soon(send)
                await trio.sleep(0.05)
                ours.close()
                ours.close()
            assert dict(endings) == {"ours": Ending.OURS, "theirs": Ending.PEERS}
            assert open_sockets() == before
            with pytest.raises(LinkClosed):
                await ours.talk.send_all(b"x")

    trio.run(main)


def test_what_came_before_the_peer_closed_can_still_be_read() -> None:
    async def main() -> None:
        async with world() as made:
            ours, theirs = await made.dial(), await made.link()
            await ours.talk.send_all(b"farewell")
            await trio.sleep(0.02)
            ours.close()
            while theirs.closed is None:
                await trio.sleep(0.01)
            assert await theirs.talk.receive_some(99) == b"farewell"
            with pytest.raises(LinkClosed):
                await theirs.talk.receive_some(99)

    trio.run(main)


def test_what_came_before_we_closed_is_not_wanted_any_more() -> None:
    async def main() -> None:
        async with world() as made:
            ours, theirs = await made.dial(), await made.link()
            await ours.talk.send_all(b"too late")
            while not theirs.statistics().buffered:
                await trio.sleep(0.01)
            theirs.close()
            with pytest.raises(LinkClosed) as raised:
                await theirs.talk.receive_some(99)
            assert raised.value.ending is Ending.OURS

    trio.run(main)


@pytest.mark.parametrize(
    "frame", [head(GO_AWAY, 0, 0, 0), head(WINDOW_UPDATE, RST, 1, 0), head(DATA, RST, 3, 0)]
)
def test_a_farewell_or_a_reset_ends_the_link_and_is_no_fault(frame: bytes) -> None:
    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            await peer.send(frame)
            with pytest.raises(LinkClosed) as raised:
                await link.talk.receive_some(1)
            assert raised.value.ending is Ending.PEERS
            assert raised.value.fault is None

    trio.run(main)


def test_a_stream_that_the_peer_ends_is_read_to_its_end_and_may_be_written_on() -> None:
    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            await peer.send(head(DATA, FIN, 1, 4) + b"last")
            assert await link.talk.receive_some(99) == b"last"
            assert await link.talk.receive_some(99) == b""
            await link.talk.send_all(b"answer")
            assert await peer.read_until(b"answer")

    trio.run(main)


def test_cancelling_run_closes_the_link() -> None:
    async def main() -> None:
        async with world() as made:
            link = await dial(HOST, made.listener.port, NODE.node_id, PEER, PROTOCOLS, new_frames())
            with trio.move_on_after(0.02) as scope:
                await link.run()
            assert scope.cancelled_caught
            assert link.closed is not None

    trio.run(main)


def test_a_cancelled_send_is_finished_first() -> None:
    size = 2 << 20

    async def main() -> None:
        async with world() as made:
            ours, theirs = await made.dial(), await made.link()
            scope = trio.CancelScope()

            async def send() -> None:
                with scope:
                    await ours.bulk.send_all(b"a" * size)
                await ours.bulk.send_all(b"b")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.sleep(0.02)
                scope.cancel()
                got = bytearray()
                while len(got) <= size:
                    got += await theirs.bulk.receive_some(1 << 16)
            assert got == b"a" * size + b"b"

    trio.run(main)


def test_a_peer_that_does_not_take_what_we_send_is_left_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HAZARDS of libp2p: its sender gives up after 5 s, here the peer is given its time."""
    monkeypatch.setattr("esper.p2p.transport.mux_link.send_deadline_s", lambda size: 0.2)

    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            with pytest.raises(LinkClosed) as raised:
                await link.bulk.send_all(bytes(4 << 20))
            assert raised.value.ending is Ending.DEADLINE
            assert raised.value.fault is not None
            assert raised.value.fault.offence is Offence.LATE
            peer.stream.socket.close()

    trio.run(main)


def test_a_peer_that_takes_no_answers_is_left_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = trio.testing.MockClock()

    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            # The way back is full.
            monkeypatch.setattr(link._channel, "write", lambda data: trio.sleep_forever())
            await peer.send(head(PING, SYN, 0, 1))
            await trio.testing.wait_all_tasks_blocked(0.01)
            clock.jump(19)
            await trio.testing.wait_all_tasks_blocked(0.01)
            link.check_open()
            clock.jump(1.1)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert link.closed is not None
            assert link.closed.ending is Ending.DEADLINE

    trio.run(main, clock=clock)


def test_dials_that_come_to_nothing_say_why_and_leave_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stranger = Identity.from_seed(b"s" * 32)

    async def main() -> None:
        async with world() as made:
            before = open_sockets()

            async def ending(
                port: int, node_id: bytes = NODE.node_id, protocols: tuple[str, str] = PROTOCOLS
            ) -> Ending:
                with pytest.raises(LinkClosed) as raised:
                    await dial(HOST, port, node_id, PEER, protocols, new_frames())
                return raised.value.ending

            port = made.listener.port
            assert await ending(port, stranger.node_id) is Ending.WRONG_ID
            assert await ending(port, protocols=("/esper/ff/talk/1", "/x")) is Ending.REFUSED
            with socket.socket() as silent:
                silent.bind((HOST, 0))
                assert await ending(silent.getsockname()[1]) is Ending.UNREACHABLE
                silent.listen()
                monkeypatch.setattr("esper.p2p.transport.dialler.HANDSHAKE_S", 0.1)
                assert await ending(silent.getsockname()[1]) is Ending.DEADLINE
            await trio.sleep(0.05)
            assert open_sockets() == before

    trio.run(main)


def test_what_follows_the_agreement_at_once_is_no_stranger_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A listener may greet and announce as soon as it has agreed."""
    real = MuxLink._agree

    def greeting(link: MuxLink, stream: MuxStream, name: str, window: int) -> None:
        real(link, stream, name, window)
        if not link.outbound:
            # In one message with the agreement, and after it.
            link._mux._answers += link._mux.frame(stream, memoryview(bytes(3000)))

    monkeypatch.setattr(MuxLink, "_agree", greeting)

    async def main() -> None:
        async with world() as made:
            ours = await made.dial()
            for stream in (ours.talk, ours.bulk):
                got = b""
                while len(got) < 3000:
                    got += await stream.receive_some(3000)

    trio.run(main)


def test_any_id_is_taken_where_none_is_expected() -> None:
    async def main() -> None:
        async with world() as made:
            link = await dial(HOST, made.listener.port, None, PEER, PROTOCOLS, new_frames())
            assert link.remote_id == NODE.node_id
            link.close()

    trio.run(main)
