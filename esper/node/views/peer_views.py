"""The network for the RPC: who is connected, and what an operator does about it."""

from typing import Final

import trio

from esper.node.chain.chain_service import ChainService
from esper.node.peers.port import (
    BanView,
    NoSuchPeerError,
    PeersError,
    PeerSparedError,
    PeersPort,
    PeerUnreachedError,
    PeerView,
)
from esper.node.peers.targets import multiaddr_of, target_of
from esper.node.views.sync_state import SyncState
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, NO_NETWORK, NOT_FOUND, SPARED, UNREACHED, RpcError

CONNECT_S: Final = 8.0
"""How long ``connect_peer`` waits for a peer: below what the server gives a method."""


class PeerViews:
    """Answers of the network, or that there is none."""

    def __init__(self, peers: PeersPort | None, chain: ChainService, sync: SyncState) -> None:
        self._port = peers
        self._chain = chain
        self._sync = sync

    async def network(self, _: s.NoParams) -> s.NetworkReply:
        """How the node stands. Raises RpcError without a network."""
        now = self._peers().network()
        why = self._sync.why_not(self._chain.view.context)
        return s.NetworkReply(
            synced=not why,
            why_not_synced=why,
            near=now.near,
            busy=now.busy,
            state=now.state,
            height=now.height,
            best_height=now.best_height,
            blocks_per_second=round(now.blocks_per_second, 1),
            seconds_left=now.seconds_left,
            inbound=now.inbound,
            outbound=now.outbound,
            listening=now.listening,
            multiaddr=now.multiaddr,
            peer_id=now.peer_id,
            counters=dict(now.counters),
            warnings=list(now.warnings),
        )

    async def peers(self, _: s.NoParams) -> s.Peers:
        """Who is connected, and who left. Raises RpcError without a network."""
        port = self._peers()
        left = [s.LeftPeer(one.address, one.peer_id, one.left_s, one.why) for one in port.left()]
        return s.Peers([_connected(one) for one in port.peers()], left)

    async def connect(self, params: s.ConnectParams) -> s.ConnectedPeer:
        """Dial a peer. Raises RpcError."""
        port = self._peers()
        try:
            address = multiaddr_of(params.address, "address")
            with trio.move_on_after(CONNECT_S):
                return _connected(await port.connect(address))
            raise PeerUnreachedError(
                "address",
                f"{address} did not answer within {CONNECT_S:g} s",
                "it is dialled again until the node ends; see that it runs and lets others in",
            )
        except PeerUnreachedError as error:
            raise RpcError(UNREACHED, str(error), {"field": error.field}) from error
        except PeersError as error:
            raise _misused(error) from error

    async def disconnect(self, params: s.PeerParams) -> s.Disconnected:
        """End a peer's connections. Raises RpcError."""
        port = self._peers()
        try:
            return s.Disconnected(port.disconnect(target_of(params.peer, "peer")))
        except NoSuchPeerError as error:
            raise RpcError(NOT_FOUND, str(error), {"field": error.field}) from error
        except PeersError as error:
            raise _misused(error) from error

    async def ban(self, params: s.BanParams) -> s.Ban:
        """Keep somebody away. Raises RpcError."""
        port = self._peers()
        try:
            return _ban(port.ban(target_of(params.peer, "peer"), params.seconds))
        except PeerSparedError as error:
            raise RpcError(SPARED, str(error), {"field": error.field}) from error
        except PeersError as error:
            raise _misused(error) from error

    async def unban(self, params: s.PeerParams) -> s.Done:
        """Let somebody come again. Raises RpcError."""
        port = self._peers()
        try:
            port.unban(target_of(params.peer, "peer"))
        except NoSuchPeerError as error:
            raise RpcError(NOT_FOUND, str(error), {"field": error.field}) from error
        except PeersError as error:
            raise _misused(error) from error
        return s.Done()

    async def bans(self, _: s.NoParams) -> list[s.Ban]:
        """Whom this node keeps away. Raises RpcError without a network."""
        return [_ban(one) for one in self._peers().bans()]

    def _peers(self) -> PeersPort:
        if self._port is None:
            raise RpcError(NO_NETWORK, "this node runs without a network")
        return self._port


def _misused(error: PeersError) -> RpcError:
    return RpcError(INVALID_PARAMS, str(error), {"field": error.field})


def _connected(peer: PeerView) -> s.ConnectedPeer:
    return s.ConnectedPeer(
        number=peer.number,
        address=peer.address,
        peer_id=peer.peer_id,
        direction=peer.direction,
        height=peer.height,
        ping_ms=peer.ping_ms,
        bytes_in=peer.bytes_in,
        bytes_out=peer.bytes_out,
        services=list(peer.services),
        connected_s=peer.connected_s,
        agent=peer.agent,
        blocks_only=peer.blocks_only,
        static=peer.static,
    )


def _ban(one: BanView) -> s.Ban:
    return s.Ban(one.target, one.seconds_left, one.why)
