"""Steering by hand: peers that are dialled in vain, and what a failed dial is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.node.peers.operator import NetworkPeers
from esper.node.peers.port import NoSuchPeerError, PeersError, PeerUnreachedError, Target
from esper.p2p.limits import FULL_OUTBOUND
from tests.support.net.peer_world import peer_id
from tests.support.net.service_node import NODE, ServiceNode, address, node
from tests.support.net.service_world import mocked, steady

Test = Callable[[ServiceNode, NetworkPeers], Awaitable[None]]


def steered(test: Test) -> None:
    async def main() -> None:
        async with node() as made:
            service: Any = SimpleNamespace(
                parts=made.parts,
                table=made.table,
                node_id=NODE,
                network=made.network,
                steady=steady,
                static_ids=lambda: frozenset(),
            )
            standing: Any = None
            await test(made, NetworkPeers(service, standing))

    mocked(main)


@pytest.mark.parametrize(
    "target",
    [
        Target(peer_id=peer_id(1)),
        Target(ip=address(1).ip),
        Target(ip=address(1).ip, port=address(1).port),
    ],
    ids=["id", "address", "endpoint"],
)
def test_a_peer_that_is_dialled_in_vain_can_be_let_go(target: Target) -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        with pytest.raises(PeerUnreachedError, match="`esperd disconnect` with its id ends that"):
            await peers.connect(address(1))
        with pytest.raises(PeerUnreachedError):
            await peers.connect(address(2))
        with pytest.raises(NoSuchPeerError):
            peers.disconnect(Target(ip=address(1).ip, port=1))
        assert made.parts.plan.statistics().static_missing == 2
        assert peers.disconnect(target) == 0
        assert made.parts.plan.static_ids(peer_id(2), b"", 0) == (peer_id(2),)
        assert made.parts.plan.statistics().static_missing == 1
        with pytest.raises(NoSuchPeerError):
            peers.disconnect(target)

    steered(test)


def test_more_than_may_be_stayed_connected_to_are_refused_with_the_number() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        for number in range(1, FULL_OUTBOUND + 1):
            with pytest.raises(PeerUnreachedError):
                await peers.connect(address(number))
        with pytest.raises(PeersError, match="8 are the most; `esperd disconnect` one of them"):
            await peers.connect(address(20))

    steered(test)


def test_another_id_is_told_with_where_to_look() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        made.listens(1, is_id=2)
        await trio.sleep(0)
        with pytest.raises(PeerUnreachedError) as caught:
            await peers.connect(address(1))
        assert "another id than expected; see which id" in str(caught.value)

    steered(test)
