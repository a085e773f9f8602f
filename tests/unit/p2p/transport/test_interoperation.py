"""libp2p's own stack dials us and is dialled: multistream, Noise and Yamux as others speak them."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from esper.p2p.transport.dialler import dial
from esper.p2p.transport.noise_link import prepare
from tests.support.net.transport_world import (
    BULK,
    HOST,
    NODE,
    PEER,
    PROTOCOLS,
    TALK,
    new_frames,
    world,
)

SIZE = 1 << 20


async def _their_yamux(stream: trio.SocketStream, *, dialler: bool) -> Any:
    """libp2p's Yamux over its Noise, negotiated by its multistream."""
    from libp2p.crypto.ed25519 import create_new_key_pair
    from libp2p.crypto.x25519 import create_new_key_pair as session_key
    from libp2p.custom_types import TProtocol
    from libp2p.io.trio import TrioTCPStream
    from libp2p.network.connection.raw_connection import RawConnection
    from libp2p.peer.id import ID
    from libp2p.protocol_muxer.generic_selector import GenericMultistreamSelector
    from libp2p.security.noise.patterns import PatternXX
    from libp2p.stream_muxer.yamux.yamux import Yamux

    raw = RawConnection(TrioTCPStream(stream), dialler)

    async def choose(over: Any, protocol: str) -> None:
        selector: Any = GenericMultistreamSelector()
        selector.add_handler(TProtocol(protocol), None)
        await selector.select(over, dialler)

    keys = create_new_key_pair(PEER.seed)
    pattern = PatternXX(ID(PEER.node_id), keys.private_key, session_key().private_key)
    await choose(raw, "/noise")
    secured: Any = await (
        pattern.handshake_outbound(raw, ID(NODE.node_id))
        if dialler
        else pattern.handshake_inbound(raw)
    )
    await choose(secured, "/yamux/1.0.0")
    return Yamux(secured, secured.remote_peer, is_initiator=dialler)


async def _carries(theirs: Any, ours: Any) -> None:
    """Both ways at once, more than the windows."""
    data = bytes(range(256)) * (SIZE // 256)

    async def read_theirs() -> None:
        got = bytearray()
        while len(got) < SIZE:
            got += await theirs.read(1 << 16)
        assert got == data

    async def read_ours() -> None:
        got = bytearray()
        while len(got) < SIZE:
            got += await ours.receive_some(1 << 16)
        assert got == data

    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.write, data)
        nursery.start_soon(ours.send_all, data)
        nursery.start_soon(read_theirs)
        nursery.start_soon(read_ours)


async def _opened(yamux: Any, protocol: str) -> Any:
    from libp2p.custom_types import TProtocol
    from libp2p.protocol_muxer.multiselect_client import MultiselectClient
    from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

    stream = await yamux.open_stream()
    communicator = MultiselectCommunicator(stream)
    await MultiselectClient().select_one_of([TProtocol(protocol)], communicator)
    return stream


async def _accepted(yamux: Any, protocol: str) -> Any:
    from libp2p.custom_types import TProtocol
    from libp2p.protocol_muxer.multiselect import Multiselect
    from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

    stream = await yamux.accept_stream()
    multiselect = Multiselect({TProtocol(protocol): None})
    await multiselect.negotiate(MultiselectCommunicator(stream))
    return stream


def test_libp2p_dials_us() -> None:
    from libp2p.protocol_muxer.exceptions import MultiselectClientError

    prepare()

    async def main() -> None:
        async with world() as made:
            yamux = await _their_yamux(await made.connect(), dialler=True)
            made.nursery.start_soon(yamux.start)
            await yamux.event_started.wait()
            talk, bulk = await _opened(yamux, TALK), await _opened(yamux, BULK)
            link = await made.link()
            assert link.remote_id == PEER.node_id
            with pytest.raises(MultiselectClientError, match="not supported"):
                await _opened(yamux, "/ipfs/id/1.0.0")
            await _carries(talk, link.talk)
            await _carries(bulk, link.bulk)
            assert link.closed is None
            link.close()

    trio.run(main)


def test_we_dial_libp2p() -> None:
    prepare()

    async def main() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host=HOST)
        port = listener.socket.getsockname()[1]
        theirs: list[Any] = []
        # It leaves them open when it is cancelled.
        sockets = [listener.socket]
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:

                async def accept() -> None:
                    accepted = await listener.accept()
                    sockets.append(accepted.socket)
                    yamux = await _their_yamux(accepted, dialler=False)
                    nursery.start_soon(yamux.start)
                    theirs.append(await _accepted(yamux, TALK))
                    theirs.append(await _accepted(yamux, BULK))

                nursery.start_soon(accept)
                link = await dial(HOST, port, PEER.node_id, NODE, PROTOCOLS, new_frames())
                nursery.start_soon(link.run)
                await _carries(theirs[0], link.talk)
                await _carries(theirs[1], link.bulk)
                link.close()
                nursery.cancel_scope.cancel()
        for one in sockets:
            one.close()

    trio.run(main)
