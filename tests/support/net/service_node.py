"""A network service without chain and mempool, in a network in memory, among strangers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from esper.p2p.actions import End
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import Requests
from esper.p2p.flow.served import Served
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.peers.address_files import KeptBook
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.service.answering import Answering
from esper.p2p.service.gate import Gate, OwnHello
from esper.p2p.service.machine_room import MachineRoom
from esper.p2p.service.network import Network, NetworkParts
from esper.p2p.service.packages.package_jobs import PackageSource
from esper.p2p.service.packages.packages import Packages
from esper.p2p.service.peer_files import KnownPeers
from esper.p2p.service.peer_parts import make_peer_parts
from esper.p2p.service.peer_table import PeerTable
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.link import Link
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.messages import Message
from esper.primitives.networks import REGTEST
from tests.support.net.memory_link import MemoryLink, MemoryNetwork
from tests.support.net.peer_world import SECRET, peer_id
from tests.support.net.service_world import CLAIM, GENESIS, Stranger, hello, steady
from tests.support.sim.sim_endpoint import PORT, MemoryEndpoint

IP: Final = "1.0.0.1"
NODE: Final = peer_id(500)
OWN_NONCE: Final = 77
WALL_MS: Final = 1_800_000_000_000


class Heard:
    """In the place of the machines: keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def of(self, word: str) -> list[tuple[Any, ...]]:
        return [one[1:] for one in self.events if one[0] == word]

    def joined(self, peer: Peer, now: int) -> Iterable[object]:
        self.events.append(("joined", peer))
        return ()

    def left(self, number: PeerNumber, now: int) -> Iterable[object]:
        self.events.append(("left", number))
        return ()

    def answered(self, number: PeerNumber, key: Any, answer: Any, now: int) -> Iterable[object]:
        self.events.append(("answered", number, key, answer))
        return ()

    def ended(self, number: PeerNumber, key: Any, end: End, now: int) -> Iterable[object]:
        self.events.append(("ended", number, key, end))
        return ()

    def done(self, key: Any, value: Any, now: int) -> Iterable[object]:
        return ()

    def chain_changed(self, now: int) -> Iterable[object]:
        return ()

    def on_time(self, now: int) -> Iterable[object]:
        return ()

    def due(self) -> int | None:
        return None

    def claimed(self, number: PeerNumber, claim: Claim) -> None:
        self.events.append(("claimed", number, claim))

    def announced(self, number: PeerNumber, message: Message) -> None:
        self.events.append(("announced", number, message))

    def pushed(self, number: PeerNumber, message: Message) -> None:
        self.events.append(("pushed", number, message))

    def may_push(self, number: PeerNumber) -> bool:
        return True

    def preferred(self, number: PeerNumber, message: Message) -> None:
        self.events.append(("preferred", number, message))

    def have(self, number: PeerNumber, message: Message) -> None:
        self.events.append(("have", number, message))


class Nothing:
    """A node without blocks and transactions."""

    async def headers_after(
        self, locator: tuple[bytes, ...], most: int
    ) -> tuple[bytes, tuple[bytes, ...]]:
        return locator[0], ()

    async def body(self, block_id: bytes) -> bytes:
        return b"body"

    async def proof(self, block_id: bytes) -> bytes:
        return b"proof"

    def compact_for(self, peer: PeerNumber, block_id: bytes) -> None:
        return None

    def transactions_of(self, block_id: bytes, indices: tuple[int, ...]) -> None:
        return None

    def transaction_for(self, peer: PeerNumber, prefix: bytes) -> None:
        return None


async def inline(work: Callable[[], Any]) -> Any:
    """Not in a thread: the clock would go on without it."""
    await trio.lowlevel.checkpoint()
    return work()


class ServiceNode:
    """The service and its parts."""

    def __init__(
        self,
        memory: MemoryNetwork,
        settings: NetworkSettings,
        models: PackageSource | None = None,
    ) -> None:
        self.memory = memory
        self.heard = Heard()
        self.saved = 0
        limits = NetworkLimits.of(REGTEST)
        self.table = PeerTable()
        self.parts = make_peer_parts(
            settings, KnownPeers(KeptBook(SECRET, ())), NODE, PORT, steady(), WALL_MS
        )
        self.requests, self.served = Requests(), Served(steady())
        endpoint = MemoryEndpoint(memory, IP, NODE)
        chance = random.Random(5)
        self.packages = Packages(models, chance, steady, offload=inline)
        self.gate = Gate(
            OwnHello(GENESIS, NODE, OWN_NONCE, self.packages.services, b"node"),
            self.parts,
            self.table,
            limits,
            steady,
            lambda: WALL_MS + steady(),
            chance,
            claim=lambda: CLAIM,
            proofs_from=lambda: 1,
            port=lambda: endpoint.port,
            joined=lambda peer, claim: self.network.joined(peer, claim),
        )
        self.room = MachineRoom(
            {Owner.SYNC: self.heard, Owner.PACKAGES: self.packages.machine},
            self.requests,
            self.packages.jobs,
            steady,
            connection_of=self.table.connection,
            blamed=self.gate.blamed,
            asked=lambda number: None,
            told=lambda owner, action: self.packages.told(action),
        )
        self.packages.perform_in(self.room)
        nothing = Nothing()
        self.network = Network(
            NetworkParts(
                limits=limits,
                endpoint=endpoint,
                table=self.table,
                gate=self.gate,
                room=self.room,
                requests=self.requests,
                served=self.served,
                answering=Answering(self.served, nothing, nothing, nothing, steady),
                machines=self.heard,
                packages=self.packages,
                steady=steady,
                random=chance,
                claim=lambda: CLAIM,
                save=self._save,
            )
        )
        self.nursery: trio.Nursery
        self.scope = trio.CancelScope()
        self.over = trio.Event()

    def _save(self) -> None:
        self.saved += 1

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            await self.network.run(task_status=task_status)
        self.over.set()

    async def dialled_by(
        self, number: int, *, ip: str = "", says: talk.Hello | None = None, silent: bool = False
    ) -> Stranger:
        """A stranger of an id dials the node, says hello, and has a second for what follows."""
        ip = ip or f"2.{number}.0.1"
        link = await self.memory.dial(ip, (IP, PORT), peer_id(number), NODE)
        assert isinstance(link, MemoryLink)
        stranger = Stranger(link)
        self.nursery.start_soon(stranger.run)
        if not silent:
            await stranger.say(says or hello(nonce=number))
        await trio.sleep(1)
        return stranger

    def listens(
        self, number: int, *, ip: str = "", says: talk.Hello | None = None, is_id: int | None = None
    ) -> list[Stranger]:
        """A stranger that can be dialled at an address; each dial adds one to the list."""
        strangers: list[Stranger] = []
        greeting = says or hello(nonce=number, port=PORT)

        def accept(link: Link) -> None:
            assert isinstance(link, MemoryLink)
            strangers.append(Stranger(link))
            self.nursery.start_soon(strangers[-1].run)
            self.nursery.start_soon(strangers[-1].say, greeting)

        there = (ip or f"2.{number}.0.1", PORT)
        self.memory.listen(there, peer_id(number if is_id is None else is_id), accept)
        return strangers

    @property
    def reasons(self) -> list[str]:
        """Why those that left did so, the first one first."""
        return [one.why for one in reversed(self.table.left)]


def address(number: int, ip: str = "") -> PeerAddress:
    """Where a stranger listens."""
    return PeerAddress(ip_from_text(ip or f"2.{number}.0.1"), PORT, peer_id(number))


@asynccontextmanager
async def node(**settings: Any) -> AsyncIterator[ServiceNode]:
    """A node that runs; it dials nobody but ``static`` ones. ``models``: its store of packages."""
    models = settings.pop("models", None)
    chosen = NetworkSettings(**({"connect_only": True} | settings))
    memory = MemoryNetwork(random.Random(1), latency_s=(0.01, 0.01))
    made = ServiceNode(memory, chosen, models)
    async with trio.open_nursery() as nursery:
        made.nursery = nursery
        yield_started = await nursery.start(made.run)
        assert yield_started is None
        yield made
        nursery.cancel_scope.cancel()
