"""Real connections on 127.0.0.1: links on both ends, and peers that send what they like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from esper.p2p.transport.channel import SocketChannel
from esper.p2p.transport.dialler import dial
from esper.p2p.transport.guard import SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Link, LinkClosed
from esper.p2p.transport.listener import Listener
from esper.p2p.transport.mux_link import MuxLink
from esper.p2p.transport.negotiation import message
from esper.p2p.transport.noise_link import SecuredChannel, secure
from esper.p2p.transport.yamux import DATA, SYN, WINDOW_UPDATE, head

TALK, BULK = PROTOCOLS = ("/esper/0011223344556677/talk/1", "/esper/0011223344556677/bulk/1")
SELECTION = message("/multistream/1.0.0")
NODE = Identity.from_seed(b"n" * 32)
PEER = Identity.from_seed(b"p" * 32)
PATIENCE_S = 60.0
HOST = "127.0.0.1"


def new_frames() -> SharedFrameBudget:
    return SharedFrameBudget()


def open_sockets() -> int:
    """Sockets of this process."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


@dataclass
class World:
    """A node that listens, and the links that came in."""

    nursery: trio.Nursery
    listener: Listener
    frames: SharedFrameBudget
    links: list[Link] = field(default_factory=list)
    bare: list[trio.SocketStream] = field(default_factory=list)
    _came: trio.Event = field(default_factory=trio.Event)

    def on_link(self, link: Link) -> None:
        self.links.append(link)
        self.nursery.start_soon(link.run)
        self._came.set()
        self._came = trio.Event()

    async def link(self, number: int = 0) -> MuxLink:
        """The link of that number, once it is there; it runs."""
        while len(self.links) <= number:
            await self._came.wait()
        link = self.links[number]
        assert isinstance(link, MuxLink)
        return link

    async def dial(self, source_ip: str | None = None) -> MuxLink:
        """Dial the node; the link runs."""
        link = await dial(
            HOST,
            self.listener.port,
            NODE.node_id,
            PEER,
            PROTOCOLS,
            new_frames(),
            source_ip=source_ip,
        )
        self.nursery.start_soon(link.run)
        assert isinstance(link, MuxLink)
        return link

    async def connect(self, source_ip: str | None = None) -> trio.SocketStream:
        """A bare TCP connection to the node."""
        stream = await trio.open_tcp_stream(HOST, self.listener.port, local_address=source_ip)
        self.bare.append(stream)
        return stream


@asynccontextmanager
async def world(*, local: bool = True) -> AsyncIterator[World]:
    """Let a node listen; everything ends within a minute."""
    frames = new_frames()
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            listener = await Listener.listen(
                0, NODE, PROTOCOLS, frames, is_local=lambda _: local, hosts=(HOST,)
            )
            made = World(nursery, listener, frames)
            nursery.start_soon(listener.run, made.on_link)
            try:
                yield made
            finally:
                for stream in made.bare:
                    stream.socket.close()
                nursery.cancel_scope.cancel()


class RawPeer:
    """A peer that speaks Noise, and beyond that sends what a test wants."""

    def __init__(self, stream: trio.SocketStream, secured: SecuredChannel) -> None:
        self.stream = stream
        self.secured = secured

    @classmethod
    async def noise(cls, stream: trio.SocketStream, identity: Identity = PEER) -> RawPeer:
        channel = SocketChannel(stream)
        channel.in_handshake = False
        await stream.send_all(SELECTION + message("/noise"))
        await read_until(channel, SELECTION + message("/noise"))
        secured = await secure(channel, identity, outbound=True, expected_id=NODE.node_id)
        return cls(stream, secured)

    @classmethod
    async def yamux(cls, stream: trio.SocketStream) -> RawPeer:
        peer = await cls.noise(stream)
        await peer.secured.write(SELECTION + message("/yamux/1.0.0"))
        expected, got = SELECTION + message("/yamux/1.0.0"), b""
        while got != expected:
            got += await peer.secured.read_message()
            assert expected.startswith(got)
        return peer

    @classmethod
    async def linked(cls, made: World) -> tuple[RawPeer, MuxLink]:
        """A raw peer with both streams open, 1 and 3, and the node's link."""
        peer = await cls.yamux(await made.connect())
        await peer.open_stream(1, TALK)
        await peer.open_stream(3, BULK)
        return peer, await made.link(len(made.links))

    async def open_stream(self, number: int, protocol: str) -> None:
        await self.send(head(WINDOW_UPDATE, SYN, number, 0))
        await self.data(number, SELECTION + message(protocol))

    async def send(self, frames: bytes) -> None:
        await self.secured.write(frames)

    async def data(self, number: int, data: bytes) -> None:
        await self.send(head(DATA, 0, number, len(data)) + data)

    async def drain(self) -> bytes:
        """All that the node sends until it closes."""
        got = bytearray()
        try:
            while True:
                got += await self.secured.read_message()
        except LinkClosed:
            return bytes(got)

    async def read_until(self, expected: bytes) -> bytes:
        """What the node sends, up to and with what holds ``expected``."""
        got = bytearray()
        while expected not in got:
            got += await self.secured.read_message()
        return bytes(got)


async def read_until(channel: SocketChannel, expected: bytes) -> None:
    got = b""
    while got != expected:
        got += await channel.read(1)
        assert expected.startswith(got)
