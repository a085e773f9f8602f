"""Peers that send what they like, over real sockets: identities, windows, streams, tiny frames.

Each shows that a defect of libp2p's own stack does not reach us, and that one connection ends by it
and nothing else.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

from esper.p2p.faults import Offence
from esper.p2p.transport.channel import HANDSHAKE_BYTES, SocketChannel
from esper.p2p.transport.dialler import dial
from esper.p2p.transport.guard import FRAMES_BURST, FRAMES_PER_S
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Ending, LinkClosed
from esper.p2p.transport.mux_link import FRAMES_AT_ONCE, MuxLink
from esper.p2p.transport.negotiation import message
from esper.p2p.transport.yamux import (
    DATA,
    FIRST_WINDOW,
    PING,
    SYN,
    WINDOW_UPDATE,
    head,
)
from tests.support.net.transport_world import (
    HOST,
    NODE,
    PEER,
    PROTOCOLS,
    SELECTION,
    TALK,
    RawPeer,
    World,
    new_frames,
    read_until,
    world,
)

VICTIM = Identity.from_seed(b"v" * 32)


async def ended(link: MuxLink) -> LinkClosed:
    """Why the link ends."""
    while link.closed is None:
        await trio.sleep(0.005)
    return link.closed


async def flood(send: Callable[[bytes], Awaitable[None]], data: bytes, times: int) -> None:
    """Send it so many times, or until nobody takes it; that it is taken in the end fails."""
    with suppress(LinkClosed, trio.BrokenResourceError):
        for _ in range(times):
            await send(data)
            await trio.sleep(0)
        pytest.fail("all of it was taken")


async def still_serves(made: World) -> None:
    """The node lets in the next."""
    count = len(made.links)
    link = await made.dial()
    await link.talk.send_all(b"well?")
    theirs = await made.link(count)
    assert await theirs.talk.receive_some(5) == b"well?"
    link.close()


async def all_of(stream: trio.SocketStream) -> bytes:
    """What comes until the other side closes."""
    got = b""
    try:
        async for part in stream:
            got += part
    except trio.BrokenResourceError:
        pass
    return got


# Who the peer is.


@pytest.mark.parametrize("protocol", ["/plaintext/2.0.0", "/tls/1.0.0", "/secio/1.0.0", "ls"])
def test_only_noise_is_spoken(protocol: str) -> None:
    """libp2p's upgrader takes /plaintext/2.0.0, where everybody is who he says."""

    async def main() -> None:
        async with world() as made:
            stream = await made.connect()
            await stream.send_all(SELECTION + message(protocol))
            await stream.send_eof()
            assert await all_of(stream) == SELECTION + message("na")
            assert made.links == []
            await still_serves(made)

    trio.run(main)


def _signing_as(victim: bytes, own: bytes) -> Any:
    """A key that shows the victim's public half."""
    from libp2p.crypto.ed25519 import create_new_key_pair

    public = create_new_key_pair(victim).public_key
    private = create_new_key_pair(own).private_key
    private.get_public_key = lambda: public  # type: ignore[method-assign]
    return private


async def _handshake_with(made: World, private: Any) -> bytes:
    """Shake hands under that key; what the node sends after its part."""
    from libp2p.crypto.x25519 import create_new_key_pair
    from libp2p.peer.id import ID
    from libp2p.security.noise.patterns import PatternXX

    stream = await made.connect()
    channel = SocketChannel(stream)
    await stream.send_all(SELECTION + message("/noise"))
    await read_until(channel, SELECTION + message("/noise"))
    pattern = PatternXX(ID(NODE.node_id), private, create_new_key_pair().private_key)
    await pattern.handshake_outbound(channel, ID(NODE.node_id))  # type: ignore[arg-type]
    return await all_of(stream)


def test_an_identity_cannot_be_stolen() -> None:
    async def main() -> None:
        async with world() as made:
            assert await _handshake_with(made, _signing_as(VICTIM.seed, PEER.seed)) == b""
            assert made.links == []
            assert made.listener.statistics().endings == {Ending.BROKEN: 1}
            await still_serves(made)

    trio.run(main)


def test_a_thief_that_is_dialled_is_found_out_and_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """libp2p tells the log of each."""
    from libp2p.crypto.x25519 import create_new_key_pair
    from libp2p.peer.id import ID
    from libp2p.security.noise.patterns import PatternXX

    caplog.set_level(logging.INFO)
    pattern = PatternXX(
        ID(VICTIM.node_id), _signing_as(VICTIM.seed, PEER.seed), create_new_key_pair().private_key
    )

    async def main() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host=HOST)

        async def steal() -> None:
            stream = await listener.accept()
            await stream.send_all(SELECTION + message("/noise"))
            channel = SocketChannel(stream)
            await read_until(channel, SELECTION + message("/noise"))
            with suppress(LinkClosed):
                await pattern.handshake_inbound(channel)  # type: ignore[arg-type]
            stream.socket.close()

        port = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(steal)
            with pytest.raises(LinkClosed) as raised:
                await dial(HOST, port, VICTIM.node_id, NODE, PROTOCOLS, new_frames())
        assert raised.value.ending is Ending.BROKEN
        listener.socket.close()

    trio.run(main)
    assert caplog.records == []


@pytest.mark.parametrize("kind", ["rsa", "secp256k1"])
def test_ids_of_other_kinds_are_refused_before_their_signature_is_checked(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    from esper.p2p.transport.noise_link import prepare

    prepare()
    module = importlib.import_module(f"libp2p.crypto.{kind}")
    private = module.create_new_key_pair().private_key
    checked: list[bytes] = []
    public = type(private.get_public_key())
    monkeypatch.setattr(public, "verify", lambda self, data, signature: checked.append(data))

    async def main() -> None:
        async with world() as made:
            assert await _handshake_with(made, private) == b""
            assert made.listener.statistics().endings == {Ending.BROKEN: 1}
            assert checked == []

    trio.run(main)


# What is sent before there is a link.


@pytest.mark.parametrize("stage", ["tcp", "noise", "yamux", "streams", "link"])
def test_garbage_at_any_stage_ends_one_connection_and_says_nothing(
    stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """libp2p ends the whole process by an exception in a stream, and logs line by line."""
    caplog.set_level(logging.INFO)

    async def once(made: World, randomness: random.Random) -> None:
        garbage = randomness.randbytes(randomness.randrange(1, 3000))
        stream = await made.connect()
        if stage in ("tcp", "noise"):
            if stage == "noise":
                await stream.send_all(SELECTION + message("/noise"))
            await stream.send_all(garbage)
            await stream.send_eof()
            await all_of(stream)
        elif stage == "yamux":
            peer = await RawPeer.noise(stream)
            await peer.send(garbage)
        else:
            peer = await RawPeer.yamux(stream)
            if stage == "link":
                await peer.open_stream(1, TALK)
            await peer.send(garbage)
        stream.socket.close()

    async def main() -> None:
        async with world() as made:
            for seed in range(20):
                await once(made, random.Random(seed))
            await still_serves(made)
            while made.listener.statistics().door.shaking:
                await trio.sleep(0.01)

    trio.run(main)
    assert caplog.records == []


def test_a_long_message_in_the_handshake_is_refused_by_its_length() -> None:
    async def main() -> None:
        async with world() as made:
            stream = await made.connect()
            size = HANDSHAKE_BYTES
            await stream.send_all(SELECTION + message("/noise") + size.to_bytes(2))
            assert await all_of(stream) == SELECTION + message("/noise")
            assert made.listener.statistics().endings == {Ending.BROKEN: 1}

    trio.run(main)


def test_more_than_16_kib_before_both_streams_are_open_are_refused() -> None:
    async def main() -> None:
        async with world() as made:
            stream = await made.connect()
            await stream.send_all(SELECTION)
            await flood(stream.send_all, message("/tls/1.0.0") * 1000, 1000)
            assert made.listener.statistics().endings == {Ending.BROKEN: 1}
            stream.socket.close()
            peer = await RawPeer.yamux(await made.connect())
            await peer.open_stream(1, TALK)
            await flood(peer.send, head(DATA, 0, 1, 1000) + bytes(1000), 1000)
            assert made.listener.statistics().endings == {Ending.BROKEN: 2}
            assert made.links == []
            peer.stream.socket.close()

    trio.run(main)


@pytest.mark.parametrize("inside", ["feed", "answers"])
def test_an_exception_inside_ends_one_link(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with world() as made:
            dialled = await made.dial()
            link = await made.link()

            def fail(*given: object) -> None:
                raise ExceptionGroup("inside", [ValueError("deep"), KeyError("within")])

            monkeypatch.setattr(link._mux, inside, fail)
            # Read, the node grants more.
            with suppress(LinkClosed):
                await dialled.talk.send_all(bytes(FIRST_WINDOW))
            with suppress(LinkClosed):
                while True:
                    await link.talk.receive_some(FIRST_WINDOW)
            assert (await ended(link)).ending is Ending.BROKEN
            await still_serves(made)

    trio.run(main)


# What is sent on a link.


def test_data_beyond_the_window_ends_the_link_and_is_not_held() -> None:
    """libp2p warns of it and buffers: 300 MB on a stream that nobody reads."""

    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            await flood(peer.send, head(DATA, 0, 1, 32_000) + bytes(32_000), 1000)
            assert link.statistics().buffered <= FIRST_WINDOW + 200_000
            closed = await ended(link)
            assert closed.fault is not None
            assert closed.fault.offence is Offence.GUARD
            assert "beyond the window" in closed.reason
            peer.stream.socket.close()
            await still_serves(made)

    trio.run(main)


def test_a_ninth_stream_ends_the_link() -> None:
    """libp2p takes them all: 4,831 were open at once."""

    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            for number in range(5, 19, 2):
                assert link.closed is None
                await peer.send(head(WINDOW_UPDATE, SYN, number, 0))
            closed = await ended(link)
            assert closed.fault is not None
            assert "more than 8 streams" in closed.reason
            peer.stream.socket.close()

    trio.run(main)


@pytest.mark.parametrize(
    "protocol", ["/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/meshsub/1.1.0", TALK, "x" * 100]
)
def test_other_protocols_are_refused_and_the_link_stays(protocol: str) -> None:
    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            for number in range(5, 205, 2):
                await peer.open_stream(number, protocol)
                await peer.read_until(message("na"))
                await peer.send(head(DATA, 4, number, 0))
            await peer.data(1, b"still")
            assert await link.talk.receive_some(5) == b"still"
            assert link.statistics().streams == 2
            assert not link._answerers
            peer.stream.socket.close()

    trio.run(main)


@pytest.mark.parametrize(
    "frame",
    [
        lambda number: head(PING, SYN, 0, number),
        lambda number: head(WINDOW_UPDATE, 0, 1, 1),
        lambda number: head(DATA, 0, 1, 1) + b"x",
    ],
)
@pytest.mark.parametrize("together", [1, 500, 1_500])
def test_tiny_frames_are_read_slowly(frame: Callable[[int], bytes], together: int) -> None:
    """A small frame costs 50 microseconds: 20,000 would take a second of the loop."""

    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            began = trio.current_time()

            async def send() -> None:
                for number in range(0, 20_000, together):
                    await peer.send(b"".join(map(frame, range(number, number + together))))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                nursery.start_soon(peer.drain)
                while link.statistics().held_back_ms == 0:
                    await trio.sleep(0.01)
                await trio.sleep(0.05)
                allowed = FRAMES_BURST + (trio.current_time() - began) * FRAMES_PER_S
                assert link.statistics().frames_in <= allowed + FRAMES_AT_ONCE + 10
                assert link.closed is None
                # Others are served meanwhile.
                await still_serves(made)
                nursery.cancel_scope.cancel()
            peer.stream.socket.close()

    trio.run(main)


def test_empty_messages_count_as_frames() -> None:
    async def main() -> None:
        async with world() as made:
            peer, link = await RawPeer.linked(made)
            while link.statistics().held_back_ms == 0:
                await peer.send(b"")
            assert link.statistics().frames_in < 10
            peer.stream.socket.close()

    trio.run(main)


# Peers that are slow and honest.


def test_a_reader_that_stalls_is_not_reset() -> None:
    """libp2p's sender waits 5 s for a window, and then resets its stream."""
    # It runs, so that a sender that waits for ever is found out.
    clock = trio.testing.MockClock(rate=1)
    size = 2 << 20

    async def main() -> None:
        async with world() as made:
            ours, theirs = await made.dial(), await made.link()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.bulk.send_all, bytes(size))
                await trio.testing.wait_all_tasks_blocked(0.05)
                clock.jump(15)
                got = 0
                while got < size:
                    got += len(await theirs.bulk.receive_some(1 << 16))
            assert ours.closed is None

    trio.run(main, clock=clock)


def test_frames_that_come_byte_by_byte_are_read() -> None:
    """libp2p gives up on what comes in over a hundred pieces."""

    async def main() -> None:
        async with world() as made:
            ours, theirs = await made.dial(), await made.link()
            stream = ours._channel._stream
            real = stream.send_all

            async def one_by_one(data: bytes) -> None:
                for at in range(0, len(data), 5):
                    await real(data[at : at + 5])
                    await trio.sleep(0)

            stream.send_all = one_by_one  # type: ignore[method-assign, assignment]
            await ours.talk.send_all(b"x" * 2000)
            got = b""
            while len(got) < 2000:
                got += await theirs.talk.receive_some(2000)
            assert got == b"x" * 2000

    trio.run(main)
