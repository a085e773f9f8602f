"""Steering by hand: whom it connects, bans and lets go, and what of them is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.node.peers.operator import STAYS_S, NetworkPeers
from esper.node.peers.port import (
    NoSuchPeerError,
    PeersError,
    PeerSparedError,
    PeerUnreachedError,
    Target,
)
from esper.p2p.limits import HELLO_MS
from esper.p2p.peers.peer_address import PeerAddress, peer_id_text
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim
from tests.support.net.peer_world import ip, peer_id
from tests.support.net.service_node import NODE, ServiceNode, address, node
from tests.support.net.service_world import hello, mocked, steady
from tests.support.sim.sim_endpoint import PORT

Test = Callable[[ServiceNode, NetworkPeers], Awaitable[None]]


def steered(test: Test, *configured: PeerAddress) -> None:
    async def main() -> None:
        async with node() as made:
            service: Any = SimpleNamespace(
                parts=made.parts,
                table=made.table,
                node_id=NODE,
                network=made.network,
                steady=steady,
                static_ids=lambda: frozenset(one.peer_id for one in configured),
            )
            standing: Any = None
            await test(made, NetworkPeers(service, standing))

    mocked(main)


def test_this_node_is_no_peer_of_its_own() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        with pytest.raises(PeersError, match="this node's own"):
            await peers.connect(PeerAddress(ip("2.1.0.1"), PORT, NODE))
        assert made.reasons == []

    steered(test)


def test_a_peer_that_is_connected_is_answered_and_not_dialled() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        await made.dialled_by(1, says=hello(nonce=1, height=5))
        (view,) = peers.peers()
        assert await peers.connect(address(1)) == view
        assert (view.outbound, view.height, view.static) == (False, 5, False)
        assert made.parts.plan.statistics().static_missing == 0
        made.gate.claimed(made.table.settled()[0], Claim(9, 1, bytes(64)))
        assert peers.peers()[0].height == 9

    steered(test)


def test_a_peer_that_is_named_is_dialled_once_and_spared() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        found = made.listens(1, says=hello(nonce=1, services=0))
        view = await peers.connect(address(1))
        assert (view.outbound, view.static, view.blocks_only) == (True, True, True)
        assert view.peer_id == peer_id_text(peer_id(1))
        await trio.sleep(5)
        assert len(found) == 1
        assert made.parts.plan.statistics().dialling == 0
        # Of whom the operator named no offence is more than a mistake.
        assert peer_id(1) in made.parts.penalties._static_ids
        assert peers.disconnect(Target(peer_id=peer_id(1))) == 1
        await trio.sleep(300)
        assert len(found) == 1
        assert found[0].of(talk.Bye) == [talk.Bye(talk.BYE_STOPPING)]
        assert peer_id(1) not in made.parts.penalties._static_ids

    steered(test)


def test_while_the_operators_dial_runs_no_second_one_begins() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        links: list[Any] = []
        made.memory.listen(("2.1.0.1", PORT), peer_id(1), links.append)
        began = trio.current_time()
        with pytest.raises(PeerUnreachedError, match="no hello within 5 s"):
            await peers.connect(address(1))
        assert trio.current_time() - began < HELLO_MS / 1000 + 2
        assert len(links) == 1

    steered(test)


@pytest.mark.parametrize("bye", [talk.BYE_BARRED, talk.BYE_FULL])
def test_who_says_hello_and_then_bye_was_not_reached(bye: int) -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        found = made.listens(1)

        async def leave() -> None:
            while not made.table.settled():
                await trio.sleep(0.01)
            await found[0].say(talk.Bye(bye))

        made.nursery.start_soon(leave)
        with pytest.raises(PeerUnreachedError, match=talk.Bye(bye).words):
            await peers.connect(address(1))

    steered(test)


def test_who_ends_it_before_its_hello_says_why_at_once() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        made.listens(1, says=hello(genesis=b"x" * 64))
        began = trio.current_time()
        with pytest.raises(PeerUnreachedError, match="it is on another network"):
            await peers.connect(address(1))
        assert trio.current_time() - began < 2

    steered(test)


def test_a_connection_that_waits_for_its_place_too_long_is_told() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        connected: Any = SimpleNamespace(peer=None, connection=SimpleNamespace(why=""))

        async def connect(whom: PeerAddress) -> Any:
            return connected

        made.network.connect = connect  # type: ignore[method-assign,assignment]
        began = trio.current_time()
        with pytest.raises(PeerUnreachedError, match="no hello"):
            await peers.connect(address(1))
        assert trio.current_time() - began < HELLO_MS / 1000 + 2

    steered(test)


def test_an_answer_waits_until_it_is_seen_to_stay() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        made.listens(1)
        began = trio.current_time()
        await peers.connect(address(1))
        assert STAYS_S <= trio.current_time() - began < STAYS_S + 1

    steered(test)


@pytest.mark.parametrize("how", ["refused", "cancelled"])
def test_a_dial_by_hand_that_came_to_nothing_runs_no_more(how: str) -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        if how == "refused":
            with pytest.raises(PeerUnreachedError):
                await peers.connect(address(1))
        else:
            made.memory.listen(("2.1.0.1", PORT), peer_id(1), lambda link: None)
            with trio.move_on_after(0.001):
                await peers.connect(address(1))
        assert made.parts.plan.statistics().dialling == 0

    steered(test)


# Letting go.


def test_an_address_without_a_port_means_all_that_come_from_it() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        for number in (1, 2):
            await made.dialled_by(number, ip="2.1.0.1")
        await made.dialled_by(3)
        first, second, _ = made.table.settled()
        assert first.address.port != second.address.port
        with pytest.raises(NoSuchPeerError):
            peers.disconnect(Target(ip=ip("2.9.0.1")))
        assert peers.disconnect(Target(ip=ip("2.1.0.1"), port=second.address.port)) == 1
        await trio.sleep(1)
        assert [one.peer_id for one in peers.peers()] == [peer_id_text(peer_id(n)) for n in (1, 3)]
        assert peers.disconnect(Target(ip=ip("2.1.0.1"))) == 1
        await trio.sleep(1)
        assert [one.peer_id for one in peers.peers()] == [peer_id_text(peer_id(3))]
        assert [one.why for one in peers.left()] == ["the operator disconnected it"] * 2

    steered(test)


def test_a_peer_that_is_dialled_in_vain_is_spared_until_it_is_let_go() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        with pytest.raises(PeerUnreachedError):
            await peers.connect(address(1))
        assert peer_id(1) in made.parts.penalties._static_ids
        assert peers.disconnect(Target(peer_id=peer_id(1))) == 0
        assert peer_id(1) not in made.parts.penalties._static_ids

    steered(test)


def test_a_named_peer_that_is_let_go_by_where_it_is_connected_is_named_no_more() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        with pytest.raises(PeerUnreachedError):
            await peers.connect(address(1))
        # It dials us meanwhile, from elsewhere.
        await made.dialled_by(1, ip="2.77.0.1")
        assert peers.disconnect(Target(ip=ip("2.77.0.1"))) == 1
        assert made.parts.plan.static_ids(peer_id(1), b"", 0) == ()
        assert peer_id(1) not in made.parts.penalties._static_ids

    steered(test)


# Keeping away.


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Target(peer_id=peer_id(1)), peer_id_text(peer_id(1))),
        (Target(ip=ip("2.1.0.1")), "2.1.0.1"),
        (Target(ip=ip("2.1.0.1"), port=1), "2.1.0.1"),
    ],
    ids=["id", "address", "endpoint"],
)
def test_who_is_banned_goes_and_may_come_back_when_it_is_lifted(target: Target, text: str) -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        stranger = await made.dialled_by(1)
        other = await made.dialled_by(2)
        with pytest.raises(NoSuchPeerError):
            peers.unban(target)
        view = peers.ban(target, 60)
        assert (view.target, view.seconds_left, view.why) == (text, 60, "by the operator")
        assert list(peers.bans()) == [view]
        await trio.sleep(1)
        assert stranger.of(talk.Bye) == [talk.Bye(talk.BYE_BARRED)]
        assert other.link.closed is None
        peers.unban(target)
        assert list(peers.bans()) == []
        with pytest.raises(NoSuchPeerError):
            peers.unban(target)

    steered(test)


def test_of_ipv6_the_first_half_is_banned_and_shown() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        assert peers.ban(Target(ip=ip("2001:db8:1:2::7")), 60).target == "2001:db8:1:2::/64"

    steered(test)


def test_a_configured_peer_is_not_banned() -> None:
    async def test(made: ServiceNode, peers: NetworkPeers) -> None:
        with pytest.raises(PeerSparedError):
            peers.ban(Target(peer_id=peer_id(1)), 60)
        assert list(peers.bans()) == []

    steered(test, address(1))
