"""Two ends of a link in memory, one of which is a stranger that a test plays byte by byte."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import trio
import trio.testing

from esper.p2p.limits import NetworkLimits
from esper.p2p.transport.link import LinkClosed
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.framing import FrameReader, frame_bytes
from esper.p2p.wire.messages import FrameLimits, Message, StreamKind, decode_message, stream_of
from esper.primitives.networks import REGTEST
from tests.support.net.memory_link import MemoryLink, MemoryNetwork

T = TypeVar("T")

FRAMES: Final = FrameLimits(NetworkLimits.of(REGTEST))
GENESIS: Final = b"g" * 64
CLAIM: Final = Claim(7, 1 << 40, b"t" * 64)
NODE_IP: Final = "1.0.0.1"
STRANGER_IP: Final = "2.0.0.1"


def mocked(main: Callable[[], Awaitable[T]]) -> T:
    """Run under a clock that jumps to what is due as soon as nobody has anything to do."""
    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def steady() -> int:
    """Milliseconds of trio's clock."""
    return round(1000 * trio.current_time())


def hello(**other: Any) -> talk.Hello:
    """A stranger's, with what a test wants otherwise."""
    fields: dict[str, Any] = {
        "genesis": GENESIS,
        "nonce": 1,
        "services": 2,
        "height": 0,
        "weight": b"",
        "tip": bytes(64),
        "proofs_from": 1,
        "port": 0,
        "you": bytes(16),
        "time_ms": 0,
        "agent": b"stranger",
    }
    return talk.Hello(**(fields | other))


class Stranger:
    """The other end: says what it likes, and keeps what it hears."""

    def __init__(self, link: MemoryLink) -> None:
        self.link = link
        self.heard: list[Message] = []
        """Whole messages in the order in which they came, of both streams."""
        self.times: list[float] = []
        """When, trio's seconds."""
        self.sizes: list[int] = []
        """Bytes of their frames."""
        self._saying = trio.Lock()
        self.reads_bulk = trio.Event()
        """Until it is set nothing of the bulk stream is read."""
        self.reads_bulk.set()

    async def run(self) -> None:
        """Read until the link is closed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.link.run)
            nursery.start_soon(self._read, StreamKind.TALK)
            nursery.start_soon(self._read, StreamKind.BULK)

    async def say(self, *messages: Message) -> None:
        """Send messages, each on its stream."""
        async with self._saying:
            for message in messages:
                talks = stream_of(message.TYPE) is StreamKind.TALK
                await (self.link.talk if talks else self.link.bulk).send_all(frame_bytes(message))

    def of(self, kind: type[T]) -> list[T]:
        """What it heard of one class."""
        return [one for one in self.heard if type(one) is kind]

    async def _read(self, kind: StreamKind) -> None:
        reader = FrameReader(kind, FRAMES)
        stream = self.link.talk if kind is StreamKind.TALK else self.link.bulk
        try:
            while True:
                if kind is StreamKind.BULK:
                    await self.reads_bulk.wait()
                for frame in reader.feed(await stream.receive_some(1 << 16)):
                    message = decode_message(frame.kind, frame.record)
                    assert message is not None
                    self.heard.append(message)
                    self.times.append(trio.current_time())
                    self.sizes.append(frame.size)
        except LinkClosed:
            return


async def linked(latency_s: float = 0.01, **more: Any) -> tuple[MemoryLink, Stranger]:
    """The node's end of a link that a stranger dialled, and the stranger."""
    network = MemoryNetwork(random.Random(1), latency_s=(latency_s, latency_s), **more)
    accepted: list[Any] = []
    network.listen((NODE_IP, 1), b"n" * 38, accepted.append)
    dialled = await network.dial(STRANGER_IP, (NODE_IP, 1), b"s" * 38)
    assert isinstance(dialled, MemoryLink)
    return accepted[0], Stranger(dialled)


async def until(done: Callable[[], bool], patience_s: float = 600) -> None:
    """Wait for something, and not for ever."""
    ends = trio.current_time() + patience_s
    while not done():
        assert trio.current_time() < ends
        await trio.sleep(0.1)
