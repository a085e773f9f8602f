"""A network that is as a test says, and notes what it was told."""

from collections.abc import Sequence
from dataclasses import replace

import trio

from esper.node.peers.port import (
    BanView,
    LeftView,
    NetworkView,
    NoSuchPeerError,
    PeerSparedError,
    PeersPort,
    PeerUnreachedError,
    PeerView,
    Target,
)
from esper.p2p.peers.multiaddr import ID_PREFIX, Multiaddr, ip_from_text, peer_id_text

IDS = tuple(ID_PREFIX + bytes([number]) * 32 for number in range(4))
"""Of peers: the first is this node's."""
FRIEND = Multiaddr(ip_from_text("192.0.2.7"), 9333, IDS[1])
SILENT = Multiaddr(ip_from_text("192.0.2.8"), 9333, IDS[2])
"""Never answers."""
CLOSED = Multiaddr(ip_from_text("192.0.2.9"), 9333, IDS[3])
"""Refuses at once."""
LOOPBACK = ip_from_text("127.0.0.1")
PEER = PeerView(
    number=7,
    address="192.0.2.7:9333",
    peer_id=peer_id_text(IDS[1]),
    outbound=True,
    height=12,
    ping_ms=None,
    bytes_in=2048,
    bytes_out=1024,
    services=("archive", "transactions"),
    connected_s=61,
    agent="esper/0.1.0",
    blocks_only=False,
    static=False,
)
NETWORK = NetworkView(
    synced=True,
    why_not="",
    near=True,
    busy=False,
    state="synced",
    height=12,
    best_height=14,
    blocks_per_second=1.26,
    seconds_left=None,
    inbound=1,
    outbound=2,
    listening="127.0.0.1:29333",
    multiaddr=str(Multiaddr(LOOPBACK, 29333, IDS[0])),
    peer_id=peer_id_text(IDS[0]),
    counters={"blocks": 3},
    warnings=("this release may be old: look for a newer one",),
)
CATCHES_UP = "block 12 of 14, 2 seconds to go: wait"


class FakePeers(PeersPort):
    """One peer, and what is asked of it."""

    def __init__(self, now: NetworkView = NETWORK) -> None:
        self.now = now
        self.connected = [PEER]
        self.kept_away: list[tuple[Target, BanView]] = []

    def peers(self) -> Sequence[PeerView]:
        return self.connected

    def left(self) -> Sequence[LeftView]:
        return [LeftView("198.51.100.9:41022", "", 12, "late: no hello in 5 s")]

    def bans(self) -> Sequence[BanView]:
        return [view for _, view in self.kept_away]

    def network(self) -> NetworkView:
        return self.now

    def object(self, why: str = CATCHES_UP) -> None:
        """It is not synced from now on."""
        self.now = replace(self.now, synced=False, why_not=why, state="blocks")

    async def connect(self, address: Multiaddr) -> PeerView:
        if address == SILENT:
            await trio.sleep_forever()
        if address == CLOSED:
            raise PeerUnreachedError("address", "nobody listens there", "start it")
        return replace(PEER, static=True)

    def disconnect(self, target: Target) -> int:
        if target.peer_id != IDS[1] and target.ip != FRIEND.ip:
            raise NoSuchPeerError("peer", "is not connected", "`esperd peers` lists who is")
        return 1

    def ban(self, target: Target, seconds: int) -> BanView:
        if target.peer_id == IDS[2]:
            raise PeerSparedError("peer", "it is a configured peer", "take it out of `connect`")
        view = BanView("192.0.2.7", seconds, "a person asked for it")
        self.kept_away.append((target, view))
        return view

    def unban(self, target: Target) -> None:
        left = [one for one in self.kept_away if one[0] != target]
        if left == self.kept_away:
            raise NoSuchPeerError("peer", "is not kept away", "`esperd bans` lists who is")
        self.kept_away = left
