"""What operators are told of the network, and what they do about it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from esper.node.views.rpc_formats import address_text
from esper.node.views.sync_state import NOBODY_HAS_NEWER
from esper.p2p.peers.multiaddr import peer_id_text
from esper.primitives.networks import DEVNET
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.method import Method
from tests.support.net.fake_peers import (
    CATCHES_UP,
    CLOSED,
    FRIEND,
    IDS,
    NETWORK,
    PEER,
    SILENT,
    FakePeers,
)
from tests.support.node.node_world import NodeWorld, go, node_params, node_world
from tests.support.vm_world import ALICE, address

FRIEND_ID = peer_id_text(IDS[1])
STRANGER_ID = peer_id_text(IDS[3])


async def refusal(asked: Awaitable[Any]) -> e.RpcError:
    try:
        await asked
    except e.RpcError as error:
        return error
    raise AssertionError("it was answered")


def test_who_is_connected_and_who_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False, peers=FakePeers()) as world:
            found = await world.ask(m.GET_PEERS)
            [peer] = found.peers
            assert (peer.number, peer.address, peer.peer_id) == (7, "192.0.2.7:9333", FRIEND_ID)
            assert (peer.direction, peer.height, peer.ping_ms) == ("out", 12, None)
            assert (peer.bytes_in, peer.bytes_out, peer.connected_s) == (2048, 1024, 61)
            assert (peer.services, peer.agent) == (["archive", "transactions"], "esper/0.1.0")
            assert (peer.blocks_only, peer.static) == (False, False)
            assert found.left == [s.LeftPeer("198.51.100.9:41022", "", 12, "late: no hello in 5 s")]
            assert replace(PEER, outbound=False).direction == "in"

    go(main)


def test_how_the_node_stands(tmp_path: Path) -> None:
    async def main() -> None:
        peers = FakePeers()
        async with node_world(tmp_path, mines=False, peers=peers) as world:
            now = await world.ask(m.GET_NETWORK)
            assert (now.synced, now.why_not_synced, now.state) == (True, "", "synced")
            assert (now.height, now.best_height, now.blocks_per_second) == (12, 14, 1.3)
            assert (now.inbound, now.outbound) == (1, 2)
            assert (now.listening, now.multiaddr) == (NETWORK.listening, NETWORK.multiaddr)
            assert (now.counters, now.warnings) == ({"blocks": 3}, list(NETWORK.warnings))
            peers.object()
            now = await world.ask(m.GET_NETWORK)
            assert (now.synced, now.why_not_synced, now.state) == (False, CATCHES_UP, "blocks")

    go(main)


def test_status_tells_of_the_network(tmp_path: Path) -> None:
    async def main() -> None:
        peers = FakePeers()
        async with node_world(tmp_path, mines=False, peers=peers) as world:
            status = await world.ask(m.GET_STATUS)
            assert (status.synced, status.why_not_synced) == (True, "")
            assert (status.inbound, status.outbound, status.best_height) == (1, 2, 14)
            assert status.warnings == list(NETWORK.warnings)
            peers.object()
            status = await world.ask(m.GET_STATUS)
            assert (status.synced, status.why_not_synced) == (False, CATCHES_UP)
            shown = await world.ask(m.GET_ACCOUNT, s.AccountParams(await an_address(world)))
            assert not shown.as_of.synced
            peers.object("")
            assert (await world.ask(m.GET_STATUS)).why_not_synced == "the node catches up"
        async with node_world(tmp_path, mines=False) as world:
            status = await world.ask(m.GET_STATUS)
            assert (status.inbound, status.outbound, status.best_height) == (None, None, None)
            assert (status.synced, status.warnings) == (True, [])

    go(main)


async def an_address(world: NodeWorld) -> str:
    return address_text(address(ALICE), world.params)


def test_an_old_tip_is_never_synced_whatever_peers_say(tmp_path: Path) -> None:
    params = node_params(DEVNET)

    async def main() -> None:
        peers = FakePeers()
        async with node_world(tmp_path, params, mines=False, peers=peers) as world:
            for method in (m.GET_STATUS, m.GET_NETWORK):
                now: Any = await world.ask(method)
                assert not now.synced
                assert now.why_not_synced == (
                    f"no block but the genesis is here yet; {NOBODY_HAS_NEWER}"
                )
            peers.object("nobody is connected: name a peer with `esperd connect`")
            now = await world.ask(m.GET_STATUS)
            assert now.why_not_synced == (
                "no block but the genesis is here yet; "
                "nobody is connected: name a peer with `esperd connect`"
            )

    go(main)


def test_steering_the_network(tmp_path: Path) -> None:
    async def main() -> None:
        peers = FakePeers()
        async with node_world(tmp_path, mines=False, peers=peers) as world:
            made = await world.ask(m.CONNECT_PEER, s.ConnectParams(str(FRIEND)))
            assert (made.peer_id, made.static) == (FRIEND_ID, True)
            for text in (FRIEND_ID, str(FRIEND), "192.0.2.7", "192.0.2.7:9333"):
                ended = await world.ask(m.DISCONNECT_PEER, s.PeerParams(text))
                assert ended.connections == 1
            ban = await world.ask(m.BAN_PEER, s.BanParams("192.0.2.7", 3600))
            assert ban == s.Ban("192.0.2.7", 3600, "a person asked for it")
            assert await world.ask(m.GET_BANS) == [ban]
            assert (await world.ask(m.BAN_PEER, s.BanParams(FRIEND_ID))).seconds_left == 86_400
            await world.ask(m.UNBAN_PEER, s.PeerParams("192.0.2.7"))
            await world.ask(m.UNBAN_PEER, s.PeerParams(FRIEND_ID))
            assert await world.ask(m.GET_BANS) == []

    go(main)


REFUSALS: list[tuple[Method[Any, Any], s.Request, int, str]] = [
    (m.CONNECT_PEER, s.ConnectParams("192.0.2.7:9333"), e.INVALID_PARAMS, "write it as /ip4/"),
    (m.CONNECT_PEER, s.ConnectParams("foo"), e.INVALID_PARAMS, "address: 'foo' has another form"),
    (m.CONNECT_PEER, s.ConnectParams(str(CLOSED)), e.UNREACHED, "start it"),
    (m.DISCONNECT_PEER, s.PeerParams("nobody"), e.INVALID_PARAMS, "name an id"),
    (m.DISCONNECT_PEER, s.PeerParams(STRANGER_ID), e.NOT_FOUND, "esperd peers"),
    (m.BAN_PEER, s.BanParams(str(SILENT)), e.SPARED, "take it out of `connect`"),
    (m.BAN_PEER, s.BanParams("::g"), e.INVALID_PARAMS, "name an id"),
    (m.UNBAN_PEER, s.PeerParams("192.0.2.7"), e.NOT_FOUND, "esperd bans"),
    (m.UNBAN_PEER, s.PeerParams("/ip4/x"), e.INVALID_PARAMS, "name an id"),
]
"""A method, what it is asked, the error's number, and what its message says."""


@pytest.mark.parametrize(("method", "asked", "code", "said"), REFUSALS)
def test_what_is_refused_names_the_field_and_the_remedy(
    tmp_path: Path, method: Method[Any, Any], asked: s.Request, code: int, said: str
) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False, peers=FakePeers()) as world:
            error = await refusal(world.ask(method, asked))
            [field] = method.fields[:1]
            assert (error.code, error.data) == (code, {"field": field})
            assert error.message.startswith(f"{field}: ")
            assert not error.message.startswith(f"{field}: {field}: ")
            assert said in error.message

    go(main)


@pytest.mark.parametrize(
    "method",
    [row for row in m.METHODS.values() if e.NO_NETWORK in row.raises],
    ids=lambda row: row.name,
)
def test_a_node_without_a_network_says_so(tmp_path: Path, method: Method[Any, Any]) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            error = await refusal(world.ask(method, method.example.request))
            assert error.code == e.NO_NETWORK
            assert "without a network" in error.message

    go(main)


def test_a_silent_peer_is_not_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False, peers=FakePeers()) as world:
            error = await refusal(world.ask(m.CONNECT_PEER, s.ConnectParams(str(SILENT))))
            assert error.code == e.UNREACHED
            assert "within 8 s" in error.message
            assert trio.current_time() == 8

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_every_error_that_a_row_lists_is_shown_here() -> None:
    rows = [row for row in m.METHODS.values() if e.NO_NETWORK in row.raises]
    shown = {(method.name, code) for method, _, code, _ in REFUSALS}
    shown |= {(row.name, e.NO_NETWORK) for row in rows}
    assert {(row.name, code) for row in rows for code in row.raises} <= shown
