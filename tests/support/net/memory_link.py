"""Links in memory for simulations of many nodes: latency, bandwidth, losses and partitions.

Everything random comes from one `random.Random`, all waiting from trio's clock: with a `MockClock`
and `seeded_run` equal seeds give equal runs.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio
import trio.testing

from esper.p2p.faults import Fault, Offence
from esper.p2p.transport.link import Ending, Link, LinkClosed, LinkStatistics, send_deadline_s

Address = tuple[str, int]
WINDOW_BYTES = 512 * 1024
DIAL_S = 10.0
DIAL_ROUND_TRIPS = 5
"""TCP, Noise and the choices of protocols."""
T = TypeVar("T")


def seeded_run(main: Callable[..., Awaitable[T]], *args: Any, seed: int) -> T:
    """Run ``main`` under a clock that jumps, with tasks in an order that the seed decides."""
    from trio._core import _run

    name = "_ALLOW_DETERMINISTIC_SCHEDULING"
    was, order = getattr(_run, name), _run._r.getstate()
    setattr(_run, name, True)
    _run._r.seed(seed)
    try:
        return trio.run(main, *args, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        setattr(_run, name, was)
        _run._r.setstate(order)


@dataclass
class _Listening:
    node_id: bytes
    accept: Callable[[Link], None]


class MemoryNetwork:
    """Who listens where, and how far they are from each other."""

    def __init__(
        self,
        randomness: random.Random,
        *,
        latency_s: tuple[float, float] = (0.01, 0.1),
        bytes_per_s: float | None = None,
        mean_life_s: float | None = None,
    ) -> None:
        """One way takes a time between ``latency_s`` that is drawn once for two IP addresses.

        A link loses its connection after a random time of ``mean_life_s`` on average; None: never.
        """
        self._random = randomness
        self._latency_s = latency_s
        self._latencies: dict[frozenset[str], float] = {}
        self.bytes_per_s = bytes_per_s
        self._mean_life_s = mean_life_s
        self._listening: dict[Address, _Listening] = {}
        self._group: dict[str, int] | None = None
        self._healed = trio.Event()
        self._next_port = 40_000
        self.links: list[MemoryLink] = []
        """All that are open, both ends."""
        self.meddle: Callable[[str, bytes], Awaitable[bytes]] | None = None
        """What becomes of bytes that are sent on a stream of a name; may wait."""

    def listen(
        self, address: Address, node_id: bytes, accept: Callable[[Link], None]
    ) -> Callable[[], None]:
        """Hand links that are dialled to ``address`` to ``accept``; call the answer to stop."""
        assert address not in self._listening
        self._listening[address] = _Listening(node_id, accept)

        def stop() -> None:
            del self._listening[address]

        return stop

    async def dial(
        self,
        from_ip: str,
        to: Address,
        own_id: bytes,
        expected_id: bytes | None = None,
    ) -> Link:
        """Raises LinkClosed as the real one does."""
        began = trio.current_time()
        latency = self.latency(from_ip, to[0])
        await trio.sleep(latency * 2)
        if not self.connected(from_ip, to[0]):
            await trio.sleep_until(began + DIAL_S)
            raise LinkClosed(Ending.DEADLINE)
        if to not in self._listening:
            raise LinkClosed(Ending.UNREACHABLE, "connection refused")
        await trio.sleep(latency * 2 * (DIAL_ROUND_TRIPS - 1))
        listening = self._listening.get(to)
        if listening is None or not self.connected(from_ip, to[0]):
            raise LinkClosed(Ending.PEERS)
        if expected_id not in (None, listening.node_id):
            raise LinkClosed(Ending.WRONG_ID)
        self._next_port += 1
        life = self._random.expovariate(1 / self._mean_life_s) if self._mean_life_s else None
        ours = MemoryLink(self, from_ip, to, listening.node_id, True, life)
        theirs = MemoryLink(self, to[0], (from_ip, self._next_port), own_id, False, life)
        ours.peer, theirs.peer = theirs, ours
        self.links += [ours, theirs]
        listening.accept(theirs)
        return ours

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Only IP addresses of one group reach each other; those in none are alone.

        What is on its way waits, as TCP sends it again.
        """
        self._group = {ip: number for number, group in enumerate(groups) for ip in group}

    def heal(self) -> None:
        """Let everybody reach everybody; what waited goes on."""
        self._group = None
        self._healed.set()
        self._healed = trio.Event()

    def connected(self, one: str, other: str) -> bool:
        """Whether two IP addresses reach each other."""
        if self._group is None or one == other:
            return True
        group = self._group.get(one)
        return group is not None and group == self._group.get(other)

    async def wait_connected(self, one: str, other: str) -> None:
        """Wait until two IP addresses reach each other."""
        while not self.connected(one, other):
            await self._healed.wait()

    def latency(self, one: str, other: str) -> float:
        """Seconds that one way takes."""
        pair = frozenset((one, other))
        if pair not in self._latencies:
            self._latencies[pair] = self._random.uniform(*self._latency_s)
        return self._latencies[pair]

    def set_latency(self, one: str, other: str, seconds: float) -> None:
        """Set what one way takes from now on."""
        self._latencies[frozenset((one, other))] = seconds

    def cut(self, one: str, other: str) -> None:
        """End all links between two IP addresses, on both sides at once."""
        for link in list(self.links):
            if {link.own_ip, link.remote_address[0]} == {one, other}:
                link.end(LinkClosed(Ending.PEERS, "connection lost"))


@dataclass
class _Parcel:
    due: float
    stream: MemoryStream | None
    """Where it goes; None: the end of the link."""
    data: bytes = b""


class MemoryStream:
    """One end of a stream."""

    def __init__(self, link: MemoryLink, name: str) -> None:
        self._link = link
        self._name = name
        self.received = bytearray()
        self.not_taken = 0
        """Bytes sent that the other end has not taken."""
        self._news = trio.Event()

    @property
    def _far(self) -> MemoryStream:
        far = self._link.peer
        return far.talk if self._name == "talk" else far.bulk

    def wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def receive_some(self, most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._link.closed is not None and self._link.closed.ending is Ending.OURS:
            raise self._link.closed.again()
        while not self.received:
            if self._link.closed is not None:
                raise self._link.closed.again()
            await self._news.wait()
        data = bytes(self.received[:most])
        del self.received[:most]
        self._far.not_taken -= len(data)
        self._far.wake()
        return data

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._link.network.meddle is not None:
            with trio.CancelScope(shield=True):
                data = await self._link.network.meddle(self._name, data)
        deadline = trio.current_time() + send_deadline_s(len(data))
        with trio.CancelScope(shield=True, deadline=deadline) as scope:
            rest = memoryview(data)
            while True:
                if self._link.closed is not None:
                    raise self._link.closed.again()
                part = rest[: WINDOW_BYTES - self.not_taken]
                if part:
                    self.not_taken += len(part)
                    self._link.send(self._far, bytes(part))
                    rest = rest[len(part) :]
                if not rest:
                    break
                await self._news.wait()
        if scope.cancelled_caught:
            late = Fault(Offence.LATE, "the peer does not take what we send")
            self._link.end(LinkClosed(Ending.DEADLINE, late.reason, late))
            raise LinkClosed(Ending.DEADLINE, late.reason, late)
        await trio.lowlevel.checkpoint()


@dataclass(eq=False)
class MemoryLink:
    """One end of a link; the other is ``peer``."""

    network: MemoryNetwork
    own_ip: str
    remote_address: Address
    remote_id: bytes
    outbound: bool
    life_s: float | None
    peer: MemoryLink = field(init=False, repr=False)
    bytes_out: int = 0
    bytes_in: int = 0

    def __post_init__(self) -> None:
        self.talk = MemoryStream(self, "talk")
        self.bulk = MemoryStream(self, "bulk")
        self._closed: LinkClosed | None = None
        self._coming: deque[_Parcel] = deque()
        self._news = trio.Event()
        self._ends_at = None if self.life_s is None else trio.current_time() + self.life_s

    @property
    def closed(self) -> LinkClosed | None:
        return self._closed

    def send(self, far: MemoryStream | None, data: bytes = b"") -> None:
        """Put a parcel on its way to the other end."""
        self.bytes_out += len(data)
        coming = self.peer._coming
        latency = self.network.latency(self.own_ip, self.remote_address[0])
        due = trio.current_time() + latency
        if coming:
            due = max(due, coming[-1].due)
        if self.network.bytes_per_s is not None:
            due += len(data) / self.network.bytes_per_s
        coming.append(_Parcel(due, far, data))
        self.peer._wake()

    async def run(self) -> None:
        try:
            with trio.CancelScope() as life:
                if self._ends_at is not None:
                    life.deadline = self._ends_at
                await self._deliver()
            if life.cancelled_caught:
                self.end(LinkClosed(Ending.PEERS, "connection lost"))
                self.peer.end(LinkClosed(Ending.PEERS, "connection lost"))
        finally:
            self.close()

    async def _deliver(self) -> None:
        while self._closed is None:
            if not self._coming:
                await self._news.wait()
                continue
            await trio.sleep_until(self._coming[0].due)
            await self.network.wait_connected(self.own_ip, self.remote_address[0])
            if not self._coming or self._closed is not None:
                continue
            parcel = self._coming.popleft()
            if parcel.stream is None:
                self.end(LinkClosed(Ending.PEERS))
            else:
                self.bytes_in += len(parcel.data)
                parcel.stream.received += parcel.data
                parcel.stream.wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def end(self, closed: LinkClosed) -> None:
        """End this side for a reason."""
        if self._closed is None:
            self._closed = closed
            self.network.links.remove(self)
            self._wake()
            self.talk.wake()
            self.bulk.wake()
            if self.peer.closed is None:
                self.send(None)

    def close(self) -> None:
        self.end(LinkClosed(Ending.OURS))

    def statistics(self) -> LinkStatistics:
        held = len(self.talk.received) + len(self.bulk.received)
        return LinkStatistics(self.bytes_in, self.bytes_out, 0, held, 2, 0)
