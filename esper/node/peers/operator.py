"""The network service as its operator sees it: who is connected, how the node stands, steering."""

from collections.abc import Sequence
from typing import Final

import trio

from esper.node.chain.sync_state import why_not_connected
from esper.node.peers.network_service import NetworkService
from esper.node.peers.port import (
    BanView,
    LeftView,
    NetworkView,
    NoSuchPeerError,
    PeersError,
    PeerSparedError,
    PeersPort,
    PeerUnreachedError,
    PeerView,
    Target,
)
from esper.node.peers.standing import NetworkStanding
from esper.p2p.limits import HELLO_MS
from esper.p2p.peer import ARCHIVE, CHUNKS, PROMPTS, SNAPSHOTS, TRANSACTIONS
from esper.p2p.peers.bars import Bar, Barred, of_id, of_ip
from esper.p2p.peers.multiaddr import Multiaddr, endpoint_text
from esper.p2p.peers.netgroup import ip_text
from esper.p2p.peers.peer_address import PeerAddress, peer_id_text
from esper.p2p.peers.places.connections import Kind
from esper.p2p.peers.places.dial_plan import TooManyStaticError
from esper.p2p.service.peer_table import Connected
from esper.p2p.transport.link import LinkClosed
from esper.p2p.wire.talk_messages import BYE_BARRED, BYE_STOPPING

SERVICES: Final = (
    (ARCHIVE, "archive"),
    (TRANSACTIONS, "transactions"),
    (PROMPTS, "prompts"),
    (CHUNKS, "chunks"),
    (SNAPSHOTS, "snapshots"),
)
BAR_WORDS: Final = {
    Bar.DROP: "for minutes, after a fault that may be a mistake",
    Bar.BAN: "for an offence that honest nodes do not commit",
    Bar.BY_HAND: "by the operator",
}
STAYS_S: Final = 0.5
"""A peer that is still there so long after its hello stays."""
IPV6_BAN_BYTES: Final = 9
"""The key of a barred IPv6 address: its kind, and its first 64 bits."""


class NetworkPeers(PeersPort):
    """Answers from memory."""

    def __init__(self, service: NetworkService, standing: NetworkStanding) -> None:
        self._service = service
        self._standing = standing
        self._steady = service.steady

    def peers(self) -> Sequence[PeerView]:
        """See ``PeersPort``."""
        now = self._steady()
        return [_view(one, now) for one in self._service.table.settled()]

    def left(self) -> Sequence[LeftView]:
        """See ``PeersPort``."""
        now = self._steady()
        return [
            LeftView(
                endpoint_text(one.address.ip, one.address.port),
                peer_id_text(one.address.peer_id),
                (now - one.at_ms) // 1000,
                one.why,
            )
            for one in self._service.table.left
        ]

    def bans(self) -> Sequence[BanView]:
        """See ``PeersPort``."""
        now = self._steady()
        return [_ban_view(one, now) for one in self._service.parts.penalties.barred(now)]

    def network(self) -> NetworkView:
        """See ``PeersPort``."""
        service = self._service
        state, table = service.following.state, service.table.settled()
        outbound = sum(one.connection.link.outbound for one in table)
        claims = [one.claim.height for one in table if one.claim is not None]
        objection = self._standing.halted or why_not_connected(self._standing)
        address = service.own_address
        return NetworkView(
            synced=not objection,
            why_not=objection,
            near=state.near,
            busy=state.busy,
            state="synced" if not objection else state.phase.value,
            height=state.height,
            best_height=max(claims, default=0),
            blocks_per_second=state.blocks_per_s,
            seconds_left=state.seconds_left,
            inbound=len(table) - outbound,
            outbound=outbound,
            listening=service.listening,
            multiaddr="" if address is None else str(address),
            peer_id=peer_id_text(service.node_id),
            counters=service.counters(),
            warnings=self._standing.warnings(),
        )

    async def connect(self, address: Multiaddr) -> PeerView:
        """See ``PeersPort``."""
        service = self._service
        if address.peer_id == service.node_id:
            raise PeersError("address", "it is this node's own", "name another")
        known = self._with_id(address.peer_id)
        if known:
            return _view(known[0], self._steady())
        try:
            service.parts.plan.add_static(address)
        except TooManyStaticError as error:
            raise PeersError("address", str(error), "`esperd disconnect` one of them") from error
        service.parts.penalties.add_static(address.peer_id)
        service.parts.plan.begun(address)
        try:
            connected = await service.network.connect(address)
        except LinkClosed as closed:
            service.parts.plan.failed(address, 0)
            raise self._unreached(address, closed.reason_and_remedy) from closed
        except trio.Cancelled:
            service.parts.plan.failed(address, 0)
            raise
        with trio.move_on_after(HELLO_MS / 1000 + 1):
            while connected.peer is None and not connected.connection.why:
                await trio.sleep(0.02)
        if connected.peer is None:
            raise self._unreached(address, connected.connection.why or "no hello")
        # Who keeps this node away says so right behind its own hello.
        with trio.move_on_after(STAYS_S):
            while not connected.connection.why:
                await trio.sleep(0.02)
        if connected.connection.why:
            raise self._unreached(address, connected.connection.why)
        return _view(connected, self._steady())

    def disconnect(self, target: Target) -> int:
        """See ``PeersPort``."""
        found = self._meant(target)
        forgotten = self._service.parts.plan.static_ids(target.peer_id, target.ip, target.port)
        for peer_id in forgotten:
            # A peer that is dialled in vain is there no less for the operator.
            self._service.parts.plan.remove_static(peer_id)
            self._service.parts.penalties.remove_static(peer_id)
        if not found and not forgotten:
            raise NoSuchPeerError(
                "peer", "no such peer is connected", "`esperd peers` shows who is"
            )
        for one in found:
            self._service.parts.plan.remove_static(one.address.peer_id)
            self._service.parts.penalties.remove_static(one.address.peer_id)
            one.connection.end(None, BYE_STOPPING, "the operator disconnected it")
        return len(found)

    def ban(self, target: Target, seconds: int) -> BanView:
        """See ``PeersPort``."""
        penalties, now = self._service.parts.penalties, self._steady()
        if target.peer_id in self._service.static_ids():
            raise PeerSparedError(
                "peer", "it is a configured peer", "take it out of `connect` first"
            )
        if target.peer_id:
            penalties.ban_id(target.peer_id, now, seconds * 1000)
        else:
            penalties.ban_ip(target.ip, now, seconds * 1000)
        for one in self._meant(Target(target.peer_id, target.ip)):
            one.connection.end(None, BYE_BARRED, "the operator banned it")
        subject = of_id(target.peer_id) if target.peer_id else of_ip(target.ip)
        return _ban_view(next(one for one in penalties.barred(now) if one.subject == subject), now)

    def unban(self, target: Target) -> None:
        """See ``PeersPort``."""
        penalties = self._service.parts.penalties
        known = (
            penalties.lift_id(target.peer_id) if target.peer_id else penalties.lift_ip(target.ip)
        )
        if not known:
            raise NoSuchPeerError("peer", "it is not banned", "`esperd bans` shows who is")

    def _with_id(self, peer_id: bytes) -> list[Connected]:
        table = self._service.table.settled()
        return [one for one in table if one.address.peer_id == peer_id]

    def _meant(self, target: Target) -> list[Connected]:
        if target.peer_id:
            return self._with_id(target.peer_id)
        return [
            one
            for one in self._service.table.settled()
            if one.address.ip == target.ip and target.port in (0, one.address.port)
        ]

    @staticmethod
    def _unreached(address: PeerAddress, why: str) -> PeerUnreachedError:
        return PeerUnreachedError(
            "address",
            f"{endpoint_text(address.ip, address.port)}: {why}",
            "it is dialled again until the node ends; `esperd disconnect` with its id ends that",
        )


def _view(one: Connected, now: int) -> PeerView:
    link = one.connection.link
    carried = link.statistics()
    hello = one.hello
    assert hello is not None
    return PeerView(
        number=one.connection.number,
        address=endpoint_text(one.address.ip, one.address.port),
        peer_id=peer_id_text(one.address.peer_id),
        outbound=link.outbound,
        height=one.claim.height if one.claim is not None else hello.height,
        ping_ms=one.connection.ping_ms,
        bytes_in=carried.bytes_in,
        bytes_out=carried.bytes_out,
        services=tuple(word for bit, word in SERVICES if hello.services & bit),
        connected_s=(now - one.settled_ms) // 1000,
        agent=hello.agent.decode("ascii"),
        blocks_only=one.peer is not None and not one.peer.relays_transactions,
        static=one.kind is Kind.STATIC,
    )


def _ban_view(one: Barred, now: int) -> BanView:
    return BanView(_subject_text(one.subject), (one.until_ms - now) // 1000, BAR_WORDS[one.bar])


def _subject_text(subject: bytes) -> str:
    kind, name = subject[:1], subject[1:]
    if kind == of_id(b"")[:1]:
        return peer_id_text(name)
    if len(name) == IPV6_BAN_BYTES:
        return f"{ip_text(name[1:] + bytes(8))}/64"
    return ip_text(bytes(10) + b"\xff\xff" + name[1:])
