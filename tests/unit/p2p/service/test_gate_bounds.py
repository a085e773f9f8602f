"""The gate at its bounds: what it does not take from whom, and what it keeps of whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.p2p.faults import Offence
from esper.p2p.limits import HELLO_MS
from esper.p2p.peer import ARCHIVE, PeerNumber
from esper.p2p.peers.penalties import DROP_MS
from esper.p2p.peers.places.connections import Close, Kind, PingOlder, Settled
from esper.p2p.peers.places.dial_plan import MOST_STATIC, Dial
from esper.p2p.peers.places.outbound_care import BEHIND_MS
from esper.p2p.peers.places.slots import INBOUND_NEAR, OLDER_PONG_MS
from esper.p2p.service.named_peers import NamedPeers
from esper.p2p.service.peer_table import Connected
from esper.p2p.transport.link import Ending, LinkClosed
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim
from tests.support.net.peer_world import peer_id
from tests.support.net.service_node import OWN_NONCE, WALL_MS, ServiceNode, address, node
from tests.support.net.service_world import CLAIM, Stranger, hello, mocked, steady

Test = Callable[[ServiceNode], Awaitable[None]]
MINUTE = WALL_MS // 60_000
NOBODY = PeerNumber(99)
LIGHT = Claim(1, CLAIM.weight - 1, b"l" * 64)
HEAVY: Any = SimpleNamespace(height=9, weight=CLAIM.weight, tip_id=b"h" * 64)
"""A chain that is not behind."""


def among(test: Test, **settings: object) -> None:
    async def main() -> None:
        async with node(**settings) as made:
            await test(made)

    mocked(main)


def byes(stranger: Stranger) -> list[int]:
    return [one.code for one in stranger.of(talk.Bye)]


async def dials(made: ServiceNode, number: int, kind: Kind = Kind.FULL, **says: Any) -> Connected:
    """The node dials a stranger, who becomes a peer."""
    made.listens(number, says=hello(nonce=number, **says))
    await made.network._dial_one(Dial(address(number), kind))
    await trio.sleep(1)
    return made.table.settled()[-1]


def later(made: ServiceNode, ms: int) -> None:
    """The gate's clock is ahead from now on; strangers here would not live so long."""
    made.gate._steady = lambda: steady() + ms


@pytest.mark.parametrize(
    ("kept_from", "archive", "told"), [(0, True, 1), (1, True, 1), (2, False, 2)]
)
def test_hello_says_from_where_proofs_are_kept(kept_from: int, archive: bool, told: int) -> None:
    async def test(made: ServiceNode) -> None:
        made.gate._proofs_from = lambda: kept_from
        said = (await made.dialled_by(1, silent=True)).of(talk.Hello)[0]
        assert bool(said.services & ARCHIVE) is archive
        assert said.proofs_from == told

    among(test)


def test_more_than_an_address_may_have_are_closed_unheard() -> None:
    async def test(made: ServiceNode) -> None:
        for number in range(1, INBOUND_NEAR + 1):
            await made.dialled_by(number, ip=f"2.1.0.{number}")
        stranger = await made.dialled_by(20, ip="2.1.0.20", silent=True)
        assert stranger.heard == []
        assert stranger.link.closed is not None
        assert len(made.heard.of("joined")) == INBOUND_NEAR

    among(test)


def test_who_is_kept_away_is_not_dialled_meanwhile() -> None:
    async def test(made: ServiceNode) -> None:
        found = made.listens(1)
        await trio.sleep(2)
        made.gate.blamed(made.heard.of("joined")[0][0].number, Offence.ORDER, "why")
        await trio.sleep(DROP_MS / 1000 - 10)
        assert len(found) == 1
        await trio.sleep(300)
        assert len(found) > 1

    among(test, static=(address(1),))


def test_causes_of_so_many_configured_peers_are_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    named, closed = NamedPeers(), LinkClosed(Ending.UNREACHABLE)
    for number in range(1, MOST_STATIC + 2):
        named.unreached(address(number), closed)
    for number in range(2, MOST_STATIC + 2):
        named.unreached(address(number), closed)
    assert len(caplog.records) == MOST_STATIC + 1
    named.unreached(address(1), closed)
    assert len(caplog.records) == MOST_STATIC + 2


def test_hello_is_kept_as_claim_and_as_the_time_of_its_clock() -> None:
    async def test(made: ServiceNode) -> None:
        said = hello(nonce=1, height=9, weight=b"\7", time_ms=WALL_MS + 50_000)
        await made.dialled_by(1, says=said)
        (connected,) = made.table.settled()
        assert connected.claim == said.claim
        assert 45_000 < connected.skew_ms <= 50_000
        assert connected.settled_ms > 0

    among(test)


@pytest.mark.parametrize("how", ["ourselves", "another network", "barred", "silent", "peer"])
def test_what_others_dial_says_nothing_of_our_dials(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    async def test(made: ServiceNode) -> None:
        parts = made.parts
        for part, name in (
            (parts.plan, "met_ourselves"),
            (parts.plan, "reached"),
            (parts.plan, "failed"),
            (parts.own, "told"),
            (parts.book, "seen"),
            (parts.care, "claims"),
        ):
            monkeypatch.setattr(part, name, lambda *about, name=name: told.append(name))
        says = {"another network": hello(genesis=b"x" * 64), "ourselves": hello(nonce=OWN_NONCE)}
        if how == "barred":
            parts.penalties.ban_id(peer_id(1), 0)
        stranger = await made.dialled_by(1, says=says.get(how), silent=how == "silent")
        if how == "peer":
            await stranger.say(talk.Ping(1, 5, b"\5", bytes(64)))
            await trio.sleep(1)
        await trio.sleep(HELLO_MS / 1000)
        stranger.link.close()
        await trio.sleep(1)
        assert len(made.table.left) == 1

    among(test)
    assert told == []


@pytest.mark.parametrize("network", ["ours", "another"])
def test_the_book_keeps_until_when_a_peer_was_there(network: str) -> None:
    async def test(made: ServiceNode) -> None:
        assert made.parts.book.add_given(address(1), MINUTE)
        says = hello(nonce=1) if network == "ours" else hello(nonce=1, genesis=b"x" * 64)
        found = made.listens(1, says=says)
        entry = made.parts.book.find(address(1).endpoint)
        assert entry is not None
        before = entry.seen_min
        made.gate._wall = lambda: WALL_MS + 40 * 60_000
        await made.network._dial_one(Dial(address(1), Kind.FULL))
        await trio.sleep(1)
        made.gate._wall = lambda: WALL_MS + 80 * 60_000
        found[0].link.close()
        await trio.sleep(1)
        assert entry.seen_min == (MINUTE + 80 if network == "ours" else before)

    among(test)


def test_nothing_is_kept_of_a_peer_that_is_gone() -> None:
    async def test(made: ServiceNode) -> None:
        connected = await dials(made, 1)
        made.gate.claimed(connected, LIGHT)
        stranger = await made.dialled_by(2)
        await stranger.say(talk.Addrs(()))
        await trio.sleep(1)
        assert made.parts.care.statistics().watched == 1
        assert made.parts.gossip.statistics().peers == 1
        connected.connection.end(None, None)
        stranger.link.close()
        await trio.sleep(1)
        assert made.parts.care.statistics().watched == 0
        assert made.parts.gossip.statistics().peers == 0

    among(test)


def test_who_waits_for_the_silence_of_an_older_connection_has_its_place_when_that_ends() -> None:
    async def test(made: ServiceNode) -> None:
        first = await made.dialled_by(1)
        second = await made.dialled_by(1)
        first.link.close()
        await trio.sleep(0.5)
        assert len(made.heard.of("joined")) == 2
        assert byes(second) == []

    among(test)


def test_who_ended_while_it_waited_becomes_no_peer() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        await made.dialled_by(1)
        (waits,) = [one for one in made.table.all() if one.peer is None]
        later(made, OLDER_PONG_MS)
        waits.connection.end(None, None, "gone")
        made.gate.on_time()
        await trio.sleep(1)
        assert len(made.heard.of("joined")) == 1

    among(test)


@pytest.mark.parametrize("action", [Settled(NOBODY), Close(NOBODY, 1), PingOlder(NOBODY)])
def test_who_is_gone_is_asked_and_told_nothing(action: Settled | Close | PingOlder) -> None:
    async def test(made: ServiceNode) -> None:
        made.gate._do([action])
        made.gate.addresses._send(NOBODY, talk.Addrs(()))
        made.gate.blamed(NOBODY, Offence.ORDER, "late")
        made.gate.brought(NOBODY, HEAVY)

    among(test)


# Peers that fell behind.


@pytest.mark.parametrize("brings", [False, True])
def test_a_peer_of_ours_that_fell_behind_goes_unless_it_brought_a_block(brings: bool) -> None:
    async def test(made: ServiceNode) -> None:
        connected = await dials(made, 1)
        made.gate.claimed(connected, LIGHT)
        assert connected.claim == LIGHT
        later(made, BEHIND_MS - 10_000)
        if brings:
            made.gate.brought(connected.connection.number, HEAVY)
            assert connected.claim == Claim(HEAVY.height, HEAVY.weight, HEAVY.tip_id)
            (slot,) = made.parts.slots.connections
            assert slot.block_ms is not None
            assert slot.transaction_ms is None
        await trio.sleep(2)
        assert connected.connection.why == ""
        later(made, BEHIND_MS + 10_000)
        await trio.sleep(1)
        assert connected.connection.why.startswith("it fell behind") is not brings

    among(test)


def test_who_claims_more_meanwhile_did_not_fall_behind() -> None:
    async def test(made: ServiceNode) -> None:
        connected = await dials(made, 1)
        made.gate.claimed(connected, LIGHT)
        later(made, BEHIND_MS - 10_000)
        made.gate.claimed(connected, CLAIM)
        await trio.sleep(1)
        later(made, BEHIND_MS + 10_000)
        await trio.sleep(1)
        assert connected.connection.why == ""

    among(test)


# Blame.


@pytest.mark.parametrize("outbound", [True, False])
def test_four_networks_that_we_dialled_and_that_follow_other_rules_are_told(
    outbound: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: ServiceNode) -> None:
        for number in range(1, 5):
            assert "release may be old" not in caplog.text
            if outbound:
                await dials(made, number)
            else:
                await made.dialled_by(number)
            made.gate.blamed(made.table.settled()[-1].connection.number, Offence.OTHER_RULES, "why")
            await trio.sleep(2)
        await made.dialled_by(9)
        made.gate.blamed(made.table.settled()[-1].connection.number, Offence.ORDER, "why")

    among(test)
    assert caplog.text.count("release may be old") == outbound


@pytest.mark.parametrize(
    ("offence", "told"), [(Offence.ORDER, "dropped"), (Offence.FORGED, "banned")]
)
def test_the_log_says_what_came_of_an_offence(
    offence: Offence, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        with caplog.at_level("INFO"):
            made.gate.blamed(made.table.settled()[0].connection.number, offence, "why")

    among(test)
    (record,) = [one for one in caplog.records if "why" in one.getMessage()]
    assert f" {told}: " in record.getMessage()
    assert vars(record)["esper_event"] == f"peer_{told}"


def test_who_goes_already_is_not_blamed_once_more() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        connected = made.table.settled()[0]
        connected.connection.end(None, None, "gone")
        made.gate.blamed(connected.connection.number, Offence.FORGED, "why")
        assert made.parts.penalties.barred(steady()) == []

    among(test)
