"""Addresses that peers ask for and tell, and what this node tells of itself.

The network page, section 9.
"""

from collections.abc import Callable

from esper.p2p.peer import PeerNumber
from esper.p2p.peers.book.address_gossip import Gossiper
from esper.p2p.ports import Random
from esper.p2p.service.peer_machines import MINUTE_MS, PeerParts
from esper.p2p.service.peer_table import Connected, PeerTable
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import KnownAddress


class AddressTalk:
    """Answers, gossip and our own address, for the peers of a table."""

    def __init__(
        self,
        parts: PeerParts,
        table: PeerTable,
        node_id: bytes,
        services: int,
        steady: Callable[[], int],
        wall: Callable[[], int],
        random: Random,
    ) -> None:
        """``services`` are told with our own address."""
        self._parts = parts
        self._table = table
        self._node_id = node_id
        self._services = services
        self._steady = steady
        self._wall = wall
        self._random = random

    @property
    def _minute(self) -> int:
        return self._wall() // MINUTE_MS

    def asked(self, connected: Connected) -> None:
        """A get_addrs; it is answered once."""
        if connected.gave_addresses:
            return
        connected.gave_addresses = True
        answer = self._parts.answers.answer(
            connected.address.ip,
            connected.address.port,
            self._steady(),
            self._minute,
            self._random,
        )
        connected.connection.send(talk.Addrs(answer))

    def told(self, connected: Connected, message: talk.Addrs) -> None:
        """Addresses from a peer, asked for or not. Our own is none that we lack."""
        own = self._node_id
        message = talk.Addrs(tuple(one for one in message.addresses if one.peer_id != own))
        teller = _gossiper(connected)
        if connected.asked_addresses:
            connected.asked_addresses = False
            self._parts.gossip.answered(teller, message.addresses, self._minute)
            return
        if self._parts.gossip.has_told_enough(teller.number, self._steady()):
            # Not even looked at: to find out who else might hear of it is dear.
            return
        others = [
            _gossiper(one)
            for one in self._table.settled()
            if one.peer is not None and one.peer.relays_transactions
        ]
        passed = self._parts.gossip.heard(
            teller, message.addresses, others, self._steady(), self._minute
        )
        for one in passed:
            self._send(one.peer, talk.Addrs((one.address,)))

    def tell_own(self, connected: Connected) -> None:
        """Where others may dial this node, if that is known."""
        own = [
            KnownAddress(ip, port, self._node_id, self._services, self._minute)
            for ip, port in self._parts.own.known()
        ]
        if own:
            connected.connection.send(talk.Addrs(tuple(own)))

    def take_in_listener(self, connected: Connected, hello: talk.Hello) -> None:
        """Who dials us from an address that the book may keep says where it listens."""
        told = KnownAddress(
            connected.address.ip,
            hello.port,
            connected.address.peer_id,
            hello.services,
            self._minute,
        )
        self._parts.book.add(told, connected.address.ip, connected.address.port, self._minute)

    def _send(self, number: PeerNumber, message: talk.Addrs) -> None:
        connection = self._table.connection(number)
        if connection is not None:
            connection.send(message)


def _gossiper(connected: Connected) -> Gossiper:
    return Gossiper(connected.connection.number, connected.address.ip, connected.address.port)
