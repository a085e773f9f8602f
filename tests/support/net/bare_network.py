"""Networks whose machines do nothing: connections, gate, answers and files alone."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from esper.p2p.service.answering import Answering, NotHere
from esper.p2p.service.connection import Connection
from esper.p2p.service.endpoint import Endpoint, TcpEndpoint
from esper.p2p.service.gate import Gate, OwnHello
from esper.p2p.service.machine_room import MachineRoom
from esper.p2p.service.network import Network, NetworkParts
from esper.p2p.service.packages.package_jobs import PackageSource
from esper.p2p.service.packages.packages import Packages
from esper.p2p.service.peer_files import KnownPeers, PeerFiles
from esper.p2p.service.peer_parts import make_peer_parts
from esper.p2p.service.peer_table import Connected, PeerTable
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.guard import SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Link, LinkClosed
from esper.p2p.transport.mux_link import now_ms
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import Message
from esper.p2p.wire.talk_messages import REFUSED_UNKNOWN, Hello
from esper.primitives.networks import DEVNET
from tests.support.net.transport_world import HOST, PROTOCOLS

GENESIS = bytes(64)
CLAIM = Claim(7, 700, b"t" * 64)
LIMITS = NetworkLimits.of(DEVNET)
WALL_MS = 1_800_000_000_000


class QuietMachine:
    """Hears everything and wants nothing, unless a test has it fail."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.wants: Callable[[str, Any], Iterable[object]] = lambda name, what: ()

    def _hear(self, name: str, what: Any) -> Iterable[object]:
        self.heard.append((name, what))
        return self.wants(name, what)

    def joined(self, peer: Peer, now: int) -> Iterable[object]:
        return self._hear("joined", peer)

    def left(self, number: PeerNumber, now: int) -> Iterable[object]:
        return self._hear("left", number)

    def answered(self, number: PeerNumber, key: Any, answer: Any, now: int) -> Iterable[object]:
        return self._hear("answered", answer)

    def ended(self, number: PeerNumber, key: Any, end: End, now: int) -> Iterable[object]:
        return self._hear("ended", end)

    def done(self, key: Any, value: Any, now: int) -> Iterable[object]:
        return self._hear("done", value)

    def chain_changed(self, now: int) -> Iterable[object]:
        return self._hear("chain_changed", now)

    def on_time(self, now: int) -> Iterable[object]:
        return self._hear("on_time", now)

    def due(self) -> int | None:
        return None

    # As ``Followed``.

    def claimed(self, number: PeerNumber, claim: Claim) -> None:
        self._hear("claimed", claim)

    def announced(self, number: PeerNumber, message: Message) -> None:
        self._hear("announced", message)

    def pushed(self, number: PeerNumber, message: Message) -> None:
        self._hear("pushed", message)

    def preferred(self, number: PeerNumber, message: Message) -> None:
        self._hear("preferred", message)

    def have(self, number: PeerNumber, message: Message) -> None:
        self._hear("have", message)

    def may_push(self, number: PeerNumber) -> bool:
        return False


class NoBlocks:
    """Has what a test says."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.reads = 0

    async def headers_after(
        self, locator: tuple[bytes, ...], most: int
    ) -> tuple[bytes, tuple[bytes, ...]]:
        return locator[-1], ()

    async def body(self, block_id: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        if block_id not in self.kept:
            raise NotHere(REFUSED_UNKNOWN)
        return self.kept[block_id]

    async def proof(self, block_id: bytes) -> bytes:
        return await self.body(block_id)

    def compact_for(self, peer: PeerNumber, block_id: bytes) -> tuple[bulk.Compact, bytes] | None:
        return None

    def transactions_of(
        self, block_id: bytes, indices: tuple[int, ...]
    ) -> tuple[bytes, ...] | None:
        return None

    def transaction_for(self, peer: PeerNumber, prefix: bytes) -> bytes | None:
        return None


@dataclass
class BareNetwork:
    """A network that runs."""

    identity: Identity
    network: Network
    table: PeerTable
    gate: Gate
    served: Served
    room: MachineRoom
    requests: Requests
    endpoint: Endpoint
    machine: QuietMachine
    blocks: NoBlocks
    packages: Packages
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)

    @property
    def address(self) -> PeerAddress:
        return PeerAddress(
            ip_from_text(getattr(self.endpoint, "_ip", HOST)),
            self.endpoint.port,
            self.identity.node_id,
        )

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            await self.network.run(task_status=task_status)
        self.ended.set()

    async def meet(self, other: BareNetwork) -> None:
        """Dial another until it is reached."""
        await self.meet_at(other.address)

    async def meet_at(self, address: PeerAddress) -> None:
        """Dial until it is reached: a busy machine may take longer than a dial may."""
        while True:
            try:
                await self.network.connect(address)
            except LinkClosed:
                await trio.sleep(0.1)
            else:
                return

    async def peers(self, count: int) -> list[Connected]:
        """Those that are settled, once there are so many."""
        while len(self.table.settled()) != count:
            await trio.sleep(0.005)
        return self.table.settled()


def bare_network(
    seed: int,
    endpoint: Endpoint | None = None,
    settings: NetworkSettings | None = None,
    folder: Path | None = None,
    upload_per_s: int = 1 << 24,
    models: PackageSource | None = None,
    genesis: bytes = GENESIS,
    claim: Claim = CLAIM,
) -> BareNetwork:
    """A network of real parts whose machine does nothing, but that of packages; call it in trio.

    ``models``: its store of packages, if it has one; ``claim``: the tip that it says it has.
    """
    identity = Identity.from_seed(bytes([seed]) * 32)
    settings = settings or NetworkSettings(hosts=(HOST,), inbound=64)
    now = now_ms()
    endpoint = endpoint or TcpEndpoint(
        identity, PROTOCOLS, settings.hosts, 0, spares=settings.localities.spares
    )
    chance = random.Random(seed)
    known = KnownPeers(KeptBook(chance.randbytes(32), ()))
    parts = make_peer_parts(settings, known, identity.node_id, 0, now, WALL_MS)
    table, requests, served = PeerTable(), Requests(), Served(now, upload_per_s)
    machine, blocks = QuietMachine(), NoBlocks()
    made: list[Network] = []
    packages = Packages(
        models,
        chance,
        now_ms,
        up_per_s=settings.package_upload_per_s,
        down_per_s=settings.package_download_per_s,
    )
    gate = Gate(
        OwnHello(genesis, identity.node_id, seed, packages.services, b"bare"),
        parts,
        table,
        LIMITS,
        now_ms,
        lambda: WALL_MS + now_ms(),
        chance,
        claim=lambda: claim,
        proofs_from=lambda: 1,
        port=lambda: endpoint.port,
        joined=lambda peer, claim: made[0].joined(peer, claim),
    )
    room = MachineRoom(
        {Owner.SYNC: machine, Owner.PACKAGES: packages.machine},
        requests,
        packages.jobs,
        now_ms,
        connection_of=table.connection,
        blamed=gate.blamed,
        asked=lambda number: None,
        told=lambda owner, action: packages.told(action),
    )
    packages.perform_in(room)
    files = PeerFiles(folder, parts, now_ms, lambda: WALL_MS) if folder is not None else None
    network = Network(
        NetworkParts(
            limits=LIMITS,
            endpoint=endpoint,
            table=table,
            gate=gate,
            room=room,
            requests=requests,
            served=served,
            answering=Answering(served, blocks, blocks, blocks, now_ms),
            machines=machine,
            packages=packages,
            steady=now_ms,
            random=chance,
            claim=lambda: claim,
            save=files.save if files is not None else lambda: None,
        )
    )
    made.append(network)
    return BareNetwork(
        identity, network, table, gate, served, room, requests, endpoint, machine, blocks, packages
    )


@asynccontextmanager
async def running(*networks: BareNetwork) -> AsyncIterator[trio.Nursery]:
    """Let networks run; everything ends within ten minutes."""
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            for one in networks:
                await nursery.start(one.run)
            yield nursery
            nursery.cancel_scope.cancel()


def hello_of(seed: int, **fields: Any) -> Hello:
    """What a stranger says first."""
    said: dict[str, Any] = {
        "genesis": GENESIS,
        "nonce": 1_000 + seed,
        "services": 2,
        "height": 1,
        "weight": b"\1",
        "tip": b"t" * 64,
        "proofs_from": 1,
        "port": 0,
        "you": ip_from_text(HOST),
        "time_ms": WALL_MS,
        "agent": b"stranger",
    }
    return Hello(**{**said, **fields})


@dataclass
class Stranger:
    """Somebody with a real link who sends what he likes, and reads only if told."""

    link: Link

    @classmethod
    async def dial(
        cls, nursery: trio.Nursery, node: BareNetwork, seed: int = 200, hello: bool = True
    ) -> Stranger:
        from esper.p2p.transport.dialler import dial

        identity = Identity.from_seed(bytes([seed]) * 32)
        link = await dial(
            HOST,
            node.endpoint.port,
            node.identity.node_id,
            identity,
            PROTOCOLS,
            SharedFrameBudget(),
        )
        nursery.start_soon(link.run)
        made = cls(link)
        if hello:
            await made.say(hello_of(seed))
        return made

    async def say(self, message: Message) -> None:
        await self.link.talk.send_all(frame_bytes(message))

    async def drain(self) -> None:
        """Until the link is closed."""
        while not self.link.closed:
            await trio.sleep(0.005)


__all__ = ["BareNetwork", "Connection", "Stranger", "bare_network", "hello_of", "running"]
