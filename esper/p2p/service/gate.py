"""Who becomes a peer, and who stays one: hellos, slots, dials, penalties.

    dial or accept ─▶ connection ─hello─▶ checks ─▶ slot ─▶ peer ─▶ machines
                                            │ network, self, barred
                                            ▼
                                           bye

While a slot is waited for, nothing more is read of what the other side says: it is not lost.

The network page, sections 3, 5, 9 and 10. What ``peers`` decides is carried out here.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from esper.consensus.header_chain import HeaderChain
from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import ARCHIVE, CHUNKS, TRANSACTIONS, Peer, PeerNumber
from esper.p2p.peers.multiaddr import endpoint_text
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress, peer_id_text
from esper.p2p.peers.penalties import Consequence, Offender
from esper.p2p.peers.places.connections import Close, Kind, PingOlder, Settled, SlotAction
from esper.p2p.peers.places.dial_plan import Dial
from esper.p2p.ports import Random
from esper.p2p.service.address_talk import AddressTalk
from esper.p2p.service.connection import Connection
from esper.p2p.service.named_peers import NamedPeers
from esper.p2p.service.peer_machines import MINUTE_MS, PeerParts
from esper.p2p.service.peer_table import Connected, PeerTable
from esper.p2p.transport.link import Ending, Link, LinkClosed
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim, weight_bytes
from esper.saying import say, warn

LOG: Final = logging.getLogger("esper.network")


@dataclass(frozen=True, slots=True)
class OwnHello:
    """What does not change of this node's hello."""

    genesis: bytes
    """64 bytes."""
    node_id: bytes
    """38 bytes."""
    nonce: int
    """Of 64 bits."""
    services: int
    """Bits, transactions not among them."""
    agent: bytes
    """At most 64 printable characters."""


class Gate:
    """Lets connections become peers, and ends them."""

    def __init__(
        self,
        hello: OwnHello,
        parts: PeerParts,
        table: PeerTable,
        limits: NetworkLimits,
        steady: Callable[[], int],
        wall: Callable[[], int],
        random: Random,
        *,
        claim: Callable[[], Claim],
        proofs_from: Callable[[], int],
        port: Callable[[], int],
        joined: Callable[[Peer, Claim], None],
    ) -> None:
        """``joined`` hears of every new peer."""
        self._hello = hello
        self.parts = parts
        """The machines about peers."""
        self._table = table
        self.addresses = AddressTalk(
            parts, table, hello.node_id, hello.services, steady, wall, random
        )
        """What peers tell and ask of addresses."""
        self._limits = limits
        self._steady = steady
        self._wall = wall
        self._random = random
        self._claim = claim
        self._proofs_from = proofs_from
        self._port = port
        self._joined = joined
        self.named = NamedPeers()
        """What keeps this node from the peers that its operator named."""

    @property
    def _minute(self) -> int:
        return self._wall() // MINUTE_MS

    def own_hello(self, connection: Connection, kind: Kind) -> talk.Hello:
        """The first message of this side."""
        claim, ip = self._claim(), connection.link.remote_address[0]
        services = self._hello.services
        if kind is not Kind.BLOCKS_ONLY:
            services |= TRANSACTIONS
        proofs_from = self._proofs_from()
        if proofs_from <= 1:
            services |= ARCHIVE
        return talk.Hello(
            genesis=self._hello.genesis,
            nonce=self._hello.nonce,
            services=services,
            height=claim.height,
            weight=weight_bytes(claim.weight),
            tip=claim.tip,
            proofs_from=max(proofs_from, 1),
            port=self._port(),
            you=ip_from_text(ip),
            time_ms=self._wall(),
            agent=self._hello.agent,
        )

    def may_enter(self, ip: str) -> bool:
        """Whether a connection from an address is looked at."""
        return self.parts.penalties.ip_barred_until(ip_from_text(ip), self._steady()) is None

    def enter(self, number: PeerNumber, link: Link) -> bool:
        """Whether an accepted link may go on."""
        return self.parts.slots.enter(number, ip_from_text(link.remote_address[0]))

    def dials(self) -> list[Dial]:
        """Whom to dial now."""
        now = self._steady()
        penalties = self.parts.penalties
        return self.parts.plan.next_dials(
            now, self._random, lambda peer_id: penalties.id_barred_until(peer_id, now) is not None
        )

    def dial_failed(self, dial: Dial, closed: LinkClosed) -> None:
        """A dial came to no link."""
        if closed.ending is Ending.WRONG_ID:
            self.parts.plan.met_another(dial.address, None, self._minute)
        else:
            self.parts.plan.failed(dial.address, self._minute)
        self._table.unreached(dial.address, closed.reason, self._steady())
        if dial.kind is Kind.STATIC:
            self.named.unreached(dial.address, closed)

    def greeted(self, connected: Connected, hello: talk.Hello) -> None:
        """The first message of the other side. Raises Fault for a second one."""
        connection = connected.connection
        if connected.hello is not None:
            raise Fault(Offence.ORDER, "a second hello")
        connected.hello = hello
        connected.skew_ms = hello.time_ms - self._wall()
        connected.claim = hello.claim
        now, outbound = self._steady(), connection.link.outbound
        if hello.genesis != self._hello.genesis:
            self._dial_ended(connected)
            connection.end(None, talk.BYE_NETWORK, "it is on another network")
            return
        if hello.nonce == self._hello.nonce or connected.address.peer_id == self._hello.node_id:
            if outbound:
                self.parts.plan.met_ourselves(connected.address)
                if connected.kind is Kind.STATIC:
                    self.named.met_ourselves(connected.address)
            connection.end(None, None, "it is this node itself")
            return
        if self.parts.penalties.id_barred_until(connected.address.peer_id, now) is not None:
            self._dial_ended(connected)
            connection.end(None, talk.BYE_BARRED, "it is kept away for what it did before")
            return
        if outbound:
            self.named.reached(connected.address)
            self.parts.plan.reached(connected.address, hello.services, self._minute)
            self.parts.own.told(self._group(connected), hello.you)
        self._do(
            self.parts.slots.hello(
                connection.number, connected.kind, connected.address, connected.began_ms, now
            )
        )
        if connected.peer is None:
            # What it says meanwhile counts on being heard: a request that nobody answers would
            # look like our fault.
            connection.hold()

    def _dial_ended(self, connected: Connected) -> None:
        if connected.connection.link.outbound:
            self.parts.plan.failed(connected.address, self._minute)

    def ended(self, connected: Connected) -> None:
        """A connection is gone."""
        number = connected.connection.number
        if connected.hello is None:
            self._dial_ended(connected)
        elif connected.peer is not None and connected.connection.link.outbound:
            self.parts.book.seen(connected.address.endpoint, self._minute)
        self.parts.care.left(number)
        self.parts.gossip.left(number)
        self._do(self.parts.slots.left(number))

    def ponged(self, connected: Connected) -> None:
        """A pong came."""
        number, ping_ms = connected.connection.number, connected.connection.ping_ms
        if ping_ms is not None:
            self.parts.slots.pinged(number, ping_ms)
        self._do(self.parts.slots.answered(number))

    def claimed(self, connected: Connected, claim: Claim) -> None:
        """A peer said its tip."""
        connected.claim = claim
        if connected.connection.link.outbound:
            number = connected.connection.number
            self.parts.care.claims(number, claim.weight, self._steady())

    def brought(self, number: PeerNumber, chain: HeaderChain | None) -> None:
        """A peer was the first with a block, the tip of ``chain``; None: with a transaction."""
        now, connected = self._steady(), self._table.get(number)
        if chain is None:
            self.parts.slots.first_with_transaction(number, now)
            return
        self.parts.slots.first_with_block(number, now)
        self.parts.care.brought_block(number, chain.weight, now)
        if connected is not None:
            connected.claim = Claim(chain.height, chain.weight, chain.tip_id)

    def blamed(self, number: PeerNumber, offence: Offence, reason: str) -> None:
        """Something counts against a peer; its connection may end for it."""
        connected = self._table.get(number)
        if connected is None or connected.connection.why:
            return
        if self.count(connected, Fault(offence, reason)):
            other = offence is Offence.OTHER_RULES
            bye = talk.BYE_OTHER_RULES if other else talk.BYE_FAULT
            connected.connection.end(None, bye, f"{offence.value}: {reason}")

    def count(self, connected: Connected, fault: Fault) -> bool:
        """Count a fault against whoever is or was connected; whether it may not stay."""
        now, penalties = self._steady(), self.parts.penalties
        who = Offender(
            connected.address.peer_id,
            connected.address.ip,
            self._group(connected),
            connected.connection.link.outbound,
        )
        consequence = penalties.offended(who, fault.offence, now)
        if consequence is Consequence.NONE:
            return False
        banned = consequence is Consequence.BAN
        say(
            LOG,
            "peer_banned" if banned else "peer_dropped",
            "peer {peer} {what}: {reason}",
            what="banned" if banned else "dropped",
            peer=endpoint_text(connected.address.ip, connected.address.port),
            id=peer_id_text(connected.address.peer_id),
            reason=str(fault),
        )
        if fault.offence is Offence.OTHER_RULES and penalties.release_may_be_old(now):
            warn(
                LOG,
                "release_may_be_old",
                "peers of several networks of addresses follow other rules: this release may be "
                "old, look for a newer one",
            )
        return True

    def on_time(self) -> None:
        """Look at who waits for a slot, and at outbound peers that fell behind."""
        now = self._steady()
        self._do(self.parts.slots.on_time(now))
        stuck = self.parts.care.choose(self.parts.slots.connections, self._claim().weight, now)
        if stuck is not None:
            self._end(stuck, None, "it fell behind and brings nothing new; another takes its place")

    def _do(self, actions: Iterable[SlotAction]) -> None:
        for action in actions:
            match action:
                case Settled():
                    self._settle(action.number)
                case Close():
                    self._end(action.number, action.code, talk.BYE_WORDS_OURS[action.code])
                case PingOlder():
                    connection = self._table.connection(action.number)
                    if connection is not None:
                        connection.ping_soon()

    def _settle(self, number: PeerNumber) -> None:
        connected = self._table.get(number)
        if connected is None or connected.hello is None or connected.connection.why:
            return
        hello, connection, now = connected.hello, connected.connection, self._steady()
        if connected.kind is Kind.FEELER:
            connection.end(None, talk.BYE_FEELER, "it answers, which was all to be known")
            return
        both = bool(hello.services & TRANSACTIONS) and connected.kind is not Kind.BLOCKS_ONLY
        peer = Peer(
            number=number,
            peer_id=connected.address.peer_id,
            outbound=connection.link.outbound,
            group=self._group(connected),
            static=connected.kind is Kind.STATIC,
            relays_transactions=both,
            proofs_from=max(hello.proofs_from, 1),
            chunks=bool(hello.services & CHUNKS),
        )
        connected.peer, connected.settled_ms = peer, now
        if peer.outbound and both:
            connected.asked_addresses = True
            connection.send(talk.GetAddrs())
            self.addresses.tell_own(connected)
        elif not peer.outbound and hello.port and both:
            self.addresses.take_in_listener(connected, hello)
        say(
            LOG,
            "peer_joined",
            "peer {peer} joined at height {height}, {side}; peers now: {peers}",
            peer=endpoint_text(connected.address.ip, connected.address.port),
            height=hello.height,
            peers=len(self._table.settled()),
            id=peer_id_text(peer.peer_id),
            side="dialled by this node" if peer.outbound else "it dialled",
            outbound=peer.outbound,
        )
        self._joined(peer, hello.claim)
        connection.go_on()

    def _group(self, connected: Connected) -> bytes:
        address: PeerAddress = connected.address
        return self.parts.localities.group(address.ip, address.port)

    def _end(self, number: PeerNumber, bye: int | None, why: str) -> None:
        connected = self._table.get(number)
        if connected is not None:
            connected.connection.end(None, bye, why)
