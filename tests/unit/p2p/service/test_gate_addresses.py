"""Addresses at the gate: who is told of which, and how many are taken from whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from esper.p2p.peers.book.address_gossip import UNASKED
from esper.p2p.peers.places.connections import Kind
from esper.p2p.peers.places.dial_plan import Dial
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import KnownAddress
from tests.support.net.peer_world import ip, peer_id
from tests.support.net.service_node import NODE, WALL_MS, ServiceNode, address, node
from tests.support.net.service_world import Stranger, hello, mocked
from tests.support.sim.sim_endpoint import PORT

Test = Callable[[ServiceNode], Awaitable[None]]
MINUTE = WALL_MS // 60_000
OWN = (ip("1.0.0.1"), PORT)


def among(test: Test, **settings: object) -> None:
    async def main() -> None:
        async with node(**settings) as made:
            await test(made)

    mocked(main)


def addresses(first: int, count: int) -> talk.Addrs:
    return talk.Addrs(
        tuple(
            KnownAddress(ip(f"30.{at}.0.1"), PORT, peer_id(1_000 + at), 1, MINUTE)
            for at in range(first, first + count)
        )
    )


async def dialled(made: ServiceNode, number: int, kind: Kind = Kind.FULL, **says: Any) -> Stranger:
    """The node dials a stranger, who becomes a peer."""
    found = made.listens(number, says=hello(nonce=number, port=PORT, **says))
    await made.network._dial_one(Dial(address(number), kind))
    await trio.sleep(1)
    return found[0]


def test_an_answer_is_taken_whole_once_and_what_comes_unasked_is_bounded() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await dialled(made, 1)
        await stranger.say(addresses(0, 20))
        await trio.sleep(1)
        assert len(made.parts.book) == 20
        await stranger.say(addresses(20, 20))
        await trio.sleep(1)
        assert len(made.parts.book) == 20 + UNASKED

    among(test)


def test_who_told_enough_is_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(addresses(0, UNASKED))
        await trio.sleep(1)
        assert len(made.parts.book) == UNASKED
        monkeypatch.setattr(made.table, "settled", lambda: pytest.fail("it was looked at"))
        await stranger.say(addresses(UNASKED, 1))
        await trio.sleep(1)
        monkeypatch.undo()
        assert len(made.parts.book) == UNASKED
        assert made.reasons == []

    among(test)


def test_news_goes_to_those_who_follow_transactions_alone() -> None:
    async def test(made: ServiceNode) -> None:
        follows = await made.dialled_by(1)
        blocks_only = await made.dialled_by(2, says=hello(nonce=2, services=0))
        teller = await made.dialled_by(3)
        news = addresses(0, 1)
        await teller.say(news)
        await trio.sleep(1)
        assert follows.of(talk.Addrs) == [news]
        assert blocks_only.of(talk.Addrs) == []
        assert teller.of(talk.Addrs) == []

    among(test)


@pytest.mark.parametrize("external", [(OWN,), ()], ids=["known", "unknown"])
def test_a_peer_of_ours_hears_where_we_listen_if_we_know(
    external: tuple[tuple[bytes, int], ...],
) -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await dialled(made, 1)
        told = [
            [(one.ip, one.port, one.peer_id) for one in many.addresses]
            for many in stranger.of(talk.Addrs)
        ]
        assert told == [[(*OWN, NODE)] for _ in external]
        # Who dials us knows where we are.
        assert (await made.dialled_by(2)).of(talk.Addrs) == []

    among(test, external=external)


@pytest.mark.parametrize("how", ["blocks only", "no transactions"])
def test_who_does_not_follow_transactions_is_asked_for_no_addresses(how: str) -> None:
    async def test(made: ServiceNode) -> None:
        kind = Kind.BLOCKS_ONLY if how == "blocks only" else Kind.FULL
        stranger = await dialled(made, 1, kind, services=2 if how == "blocks only" else 0)
        assert stranger.of(talk.GetAddrs) == []
        assert stranger.of(talk.Addrs) == []
        ((peer,),) = made.heard.of("joined")
        assert not peer.relays_transactions

    among(test, external=(OWN,))


@pytest.mark.parametrize(
    ("says", "kept"),
    [({"port": PORT}, 1), ({"port": PORT, "services": 0}, 0), ({"port": 0}, 0)],
    ids=["listens", "blocks only", "does not listen"],
)
def test_who_dials_us_is_kept_if_it_listens_and_follows_transactions(
    says: dict[str, int], kept: int
) -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1, says=hello(nonce=1, **says))
        assert len(made.parts.book) == kept
        # Nobody that dials us is asked.
        assert stranger.of(talk.GetAddrs) == []

    among(test)
