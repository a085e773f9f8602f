"""The network service: connections, machines and this node's chain, put together.

endpoint ─▶ connection* ─▶ gate ─▶ machine room ─▶ chain, mempool
                                        ▲
                tip moved, transaction admitted or gone
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.flow.requests import Requests
from esper.p2p.flow.served import Served
from esper.p2p.limits import HELLO_MS, NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.peers.multiaddr import endpoint_text
from esper.p2p.peers.netgroup import ip_from_text, ip_text
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.places.connections import Kind
from esper.p2p.peers.places.dial_plan import Dial
from esper.p2p.ports import Random
from esper.p2p.service.answering import Answering
from esper.p2p.service.connection import Connection
from esper.p2p.service.endpoint import Endpoint
from esper.p2p.service.gate import Gate
from esper.p2p.service.machine_room import MachineRoom
from esper.p2p.service.packages.packages import Packages
from esper.p2p.service.peer_table import Connected, PeerTable
from esper.p2p.transport.link import Ending, Link, LinkClosed
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.messages import (
    UNKNOWN_FROM,
    FrameLimits,
    Message,
)
from esper.saying import complain, say

LOG: Final = logging.getLogger("esper.network")
SAVE_EVERY_S: Final = 600.0
GATE_EVERY_S: Final = 0.25
CLAIMS_PER_S: Final = 1
CLAIM_BURST: Final = 16
"""Of what pings and pongs say of a peer's tip; more is not looked at."""
PUSHED: Final = frozenset({bulk.Compact.TYPE, bulk.Proof.TYPE})
UNCHECKED: Final = frozenset({talk.Refuse.TYPE, *range(UNKNOWN_FROM, 256)})
"""Types of the bulk stream that are short, and told apart when they are whole."""
FAILED_S: Final = 10.0
"""After an error here the next look at peers waits so long: it is told each time."""


class Followed(Protocol):
    """The three machines, as the messages reach them."""

    def claimed(self, number: PeerNumber, claim: Claim) -> None:
        """A peer says its tip."""

    def announced(self, number: PeerNumber, message: talk.Announce) -> None:
        """A peer has a block."""

    def pushed(self, number: PeerNumber, message: bulk.Compact | bulk.Proof) -> None:
        """A part of a block that nobody asked for."""

    def may_push(self, number: PeerNumber) -> bool:
        """Whether a block that a peer pushes is wanted."""

    def preferred(self, number: PeerNumber, message: talk.Prefer) -> None:
        """A peer wants blocks pushed, or no more."""

    def have(self, number: PeerNumber, message: talk.HaveTxs) -> None:
        """A peer has transactions."""


@dataclass(frozen=True, slots=True)
class NetworkParts:
    """What a network service is made of."""

    limits: NetworkLimits
    endpoint: Endpoint
    table: PeerTable
    gate: Gate
    room: MachineRoom
    requests: Requests
    served: Served
    answering: Answering
    machines: Followed
    packages: Packages
    steady: Callable[[], int]
    random: Random
    claim: Callable[[], Claim]
    save: Callable[[], None]


class Network:
    """Runs the connections of a node."""

    def __init__(self, parts: NetworkParts) -> None:
        self._parts = parts
        self._frames = FrameLimits(parts.limits)
        self._nursery: trio.Nursery | None = None
        self._own_fault = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then peers are told so and every socket is closed."""
        parts = self._parts
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(parts.endpoint.run, self._accepted, parts.gate.may_enter)
            await nursery.start(parts.room.run, self._ticked)
            nursery.start_soon(parts.answering.run, parts.table.connection)
            nursery.start_soon(parts.packages.run, parts.table.connection)
            nursery.start_soon(self._dial)
            nursery.start_soon(self._save)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None
                self._stop()

    async def connect(self, address: PeerAddress) -> Connected:
        """Dial a peer now. Raises LinkClosed."""
        link = await self._parts.endpoint.dial(ip_text(address.ip), address.port, address.peer_id)
        return self._begin(link, Kind.STATIC, address)

    # What connections tell.

    def received(self, connection: Connection, message: Message, size: int) -> None:
        """A message came. Raises Fault."""
        parts, number = self._parts, connection.number
        connected = parts.table.get(number)
        if connected is None:
            return
        if isinstance(message, talk.Hello):
            parts.gate.greeted(connected, message)
            return
        if isinstance(message, talk.Bye):
            connection.end(None, None, f"the peer says: {message.words}")
            return
        if connected.hello is None:
            raise Fault(Offence.ORDER, f"message of type {message.TYPE} before hello")
        if connected.peer is None:
            # Of the talk stream nothing is read before; for this nobody has asked.
            raise Fault(Offence.UNASKED, f"message of type {message.TYPE} before it is a peer")
        self._from_peer(connected, message)

    def begins(self, connection: Connection, kind: int) -> None:
        """A frame of the bulk stream begins: held is only what somebody waits for.

        Else each connection could have us hold the largest block there is. Raises Fault.
        """
        parts, number = self._parts, connection.number
        connected = parts.table.get(number)
        if connected is None or kind in UNCHECKED:
            return
        if connected.hello is None:
            raise Fault(Offence.ORDER, f"message of type {kind} before hello")
        if parts.requests.awaits(number, kind):
            return
        if kind in PUSHED and connected.peer is not None and parts.machines.may_push(number):
            return
        raise Fault(Offence.UNASKED, f"message of type {kind}, which nobody asked for")

    def progressed(self, connection: Connection, kind: int, size: int) -> None:
        """More bytes came of a frame of the bulk stream that is not whole."""
        self._parts.requests.arriving(connection.number, kind, size, self._parts.steady())

    def claim(self) -> Claim:
        """This node's tip."""
        return self._parts.claim()

    def _from_peer(self, connected: Connected, message: Message) -> None:
        parts, connection = self._parts, connected.connection
        number = connection.number
        match message:
            case talk.Pong():
                connection.pong(message)
                parts.gate.ponged(connected)
                self._claimed(connected, message.claim)
            case talk.Ping():
                connection.pong_to(message)
                self._claimed(connected, message.claim)
            case talk.GetAddrs():
                if parts.served.asked_addresses(number, parts.steady()):
                    parts.gate.addresses.asked(connected)
            case talk.Addrs():
                parts.gate.addresses.told(connected, message)
            case talk.Prefer():
                parts.machines.preferred(number, message)
            case talk.Announce():
                parts.machines.announced(number, message)
            case talk.HaveTxs():
                parts.machines.have(number, message)
            case talk.Nevermind():
                self._send(
                    connection,
                    parts.served.nevermind(number, message.number)
                    or parts.packages.nevermind(number, message.number),
                )
                parts.answering.wake()
            case talk.Refuse():
                parts.room.answer(number, message)
            case bulk.Compact() | bulk.Proof() if message.number == 0:
                parts.requests.arrived(number)
                parts.machines.pushed(number, message)
            case (
                bulk.Compact()
                | bulk.Proof()
                | bulk.Txs()
                | bulk.Headers()
                | bulk.BodyOf()
                | bulk.BlockTxs()
                | packages.Digests()
                | packages.Holdings()
                | packages.Chunk()
            ):
                parts.requests.arrived(number)
                parts.room.answer(number, message)
            case (
                talk.GetBlock()
                | talk.GetBlockTxs()
                | talk.GetTxs()
                | talk.GetHeaders()
                | talk.GetBlocks()
            ):
                self._send(connection, parts.served.asked(number, message, parts.steady()))
                parts.answering.wake()
            case packages.GetDigests() | packages.GetHoldings() | packages.GetChunk():
                parts.served.note_number(number, message.number)
                self._send(connection, parts.packages.asked(number, message))
            case _:
                raise Fault(Offence.ORDER, f"message of type {message.TYPE} may not come here")

    def _claimed(self, connected: Connected, claim: Claim) -> None:
        now = self._parts.steady()
        if connected.claims is None:
            connected.claims = TokenBucket(CLAIMS_PER_S, CLAIM_BURST, now)
        if not connected.claims.take(1, now):
            # All of sync looks at a claim. An honest peer says one each half minute.
            return
        self._parts.gate.claimed(connected, claim)
        self._parts.machines.claimed(connected.connection.number, claim)

    def _send(self, connection: Connection, message: Message | None) -> None:
        if message is not None:
            connection.send(message)

    # Connections.

    def _accepted(self, link: Link) -> None:
        ip, port = link.remote_address
        address = PeerAddress(ip_from_text(ip), port, link.remote_id)
        self._begin(link, Kind.INBOUND, address)

    def _begin(self, link: Link, kind: Kind, address: PeerAddress) -> Connected:
        parts = self._parts
        number = parts.table.number()
        connection = Connection(number, link, self, self._frames, parts.steady, parts.random)
        connected = Connected(connection, kind, address, parts.steady())
        if kind is Kind.INBOUND and not parts.gate.enter(number, link):
            link.close()
            return connected
        if self._nursery is None:
            link.close()
            return connected
        parts.table.add(connected)
        self._nursery.start_soon(self._run_connection, connected, link)
        return connected

    async def _run_connection(self, connected: Connected, link: Link) -> None:
        connection, parts = connected.connection, self._parts
        # Cancelled from outside, the link goes on until the last words are said.
        carrying = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._carry, link, carrying)
            nursery.start_soon(self._expect_hello, connected)
            try:
                connection.send(parts.gate.own_hello(connection, connected.kind))
                await connection.run()
            except Exception as error:
                self._failed("a connection", error)
            finally:
                # Also where this is cancelled: machines must not believe in a peer that is gone.
                link.close()
                carrying.cancel()
                self._ended(connected)
                nursery.cancel_scope.cancel()

    @staticmethod
    async def _carry(link: Link, scope: trio.CancelScope) -> None:
        with scope:
            await link.run()

    def _ended(self, connected: Connected) -> None:
        parts, number = self._parts, connected.connection.number
        parts.table.remove(number, parts.steady())
        if connected.peer is not None:
            parts.served.left(number)
            parts.packages.left(number)
            parts.room.left(number)
            self._tell_left(connected)
        try:
            parts.gate.ended(connected)
        except Exception as error:
            self._failed("the end of a connection", error)
        self._blame(connected)

    def joined(self, peer: Peer, claim: Claim) -> None:
        """A connection got its slot."""
        parts = self._parts
        parts.served.joined(peer, parts.steady())
        parts.packages.joined(peer)
        parts.room.joined(peer)
        parts.machines.claimed(peer.number, claim)

    async def _expect_hello(self, connected: Connected) -> None:
        await trio.sleep(HELLO_MS / 1000)
        if connected.hello is None:
            connected.connection.end(
                Fault(Offence.LATE, f"no hello within {HELLO_MS // 1000} s"), talk.BYE_FAULT
            )

    def _blame(self, connected: Connected) -> None:
        """What ended a connection counts after it, so that its own end is not told twice."""
        fault = connected.connection.fault
        if fault is not None:
            self._parts.gate.count(connected, fault)

    def _tell_left(self, connected: Connected) -> None:
        say(
            LOG,
            "peer_left",
            "peer {peer} left: {why}",
            peer=endpoint_text(connected.address.ip, connected.address.port),
            why=connected.connection.why,
            peers=len(self._parts.table.settled()),
        )

    # Long tasks.

    async def _dial(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    for dial in self._parts.gate.dials():
                        nursery.start_soon(self._dial_one, dial)
                    self._parts.gate.on_time()
                except Exception as error:
                    self._failed("the choice of peers", error)
                    await trio.sleep(FAILED_S)
                await trio.sleep(GATE_EVERY_S)

    async def _dial_one(self, dial: Dial) -> None:
        address = dial.address
        try:
            link = await self._parts.endpoint.dial(
                ip_text(address.ip), address.port, address.peer_id
            )
        except LinkClosed as closed:
            self._parts.gate.dial_failed(dial, closed)
            return
        except Exception as error:
            # One address must not end the dialling of all.
            self._failed("a dial", error)
            self._parts.gate.dial_failed(dial, LinkClosed(Ending.UNREACHABLE, "an error here"))
            return
        self._begin(link, dial.kind, address)

    async def _save(self) -> None:
        while True:
            await trio.sleep(SAVE_EVERY_S)
            self._save_now()

    def _save_now(self) -> None:
        # On the loop: what it writes changes there, and it takes milliseconds.
        try:
            self._parts.save()
        except Exception as error:
            self._failed("writing what is known of peers", error)

    def _failed(self, what: str, error: Exception) -> None:
        """An error of ours, which must not end the service: peers could bring it about again."""
        complain(
            LOG,
            "network_failed",
            "{what} failed by an error of this node, please report it: {reason}",
            what=what,
            reason=f"{type(error).__name__}: {error}",
        )

    def _ticked(self, late_ms: int) -> None:
        """Where this machine was too slow itself, deadlines begin anew and nobody is blamed."""
        now, penalties = self._parts.steady(), self._parts.gate.parts.penalties
        stood_still = penalties.ticked(late_ms, now)
        own_fault = penalties.is_own_fault(now)
        if stood_still or (own_fault and not self._own_fault):
            self._parts.requests.begin_anew(now)
        self._own_fault = own_fault

    def _stop(self) -> None:
        for connected in self._parts.table.all():
            connected.connection.end(None, talk.BYE_STOPPING, "this node is stopping")
        self._save_now()
