"""Who becomes a peer, who is sent away, and with which word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from esper.p2p.faults import Offence
from esper.p2p.limits import HELLO_MS
from esper.p2p.peers.places.connections import Kind
from esper.p2p.peers.places.dial_plan import Dial
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import KnownAddress
from tests.support.net.peer_world import ip, peer_id
from tests.support.net.service_node import (
    NODE,
    OWN_NONCE,
    WALL_MS,
    ServiceNode,
    address,
    node,
)
from tests.support.net.service_world import CLAIM, GENESIS, hello, mocked, until
from tests.support.sim.sim_endpoint import PORT

Test = Callable[[ServiceNode], Awaitable[None]]


def among(test: Test, **settings: object) -> None:
    async def main() -> None:
        async with node(**settings) as made:
            await test(made)

    mocked(main)


def byes(stranger: object) -> list[int]:
    return [one.code for one in stranger.of(talk.Bye)]  # type: ignore[attr-defined]


def test_hello_says_who_we_are_and_comes_first() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1, silent=True)
        first = stranger.heard[0]
        assert isinstance(first, talk.Hello)
        assert first.genesis == GENESIS
        assert first.nonce == OWN_NONCE
        assert first.claim == CLAIM
        assert first.services == 3
        assert (first.proofs_from, first.port, first.agent) == (1, PORT, b"node")
        assert first.you == ip("2.1.0.1")
        assert WALL_MS <= first.time_ms <= WALL_MS + 10_000

    among(test)


def test_with_both_hellos_it_is_a_peer() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1, says=hello(nonce=1, height=9, weight=b"\7", proofs_from=0))
        ((peer,),) = made.heard.of("joined")
        assert (peer.peer_id, peer.outbound, peer.static) == (peer_id(1), False, False)
        assert peer.relays_transactions
        assert peer.proofs_from == 1
        ((number, claim),) = made.heard.of("claimed")[:1]
        assert number == peer.number
        assert (claim.height, claim.weight) == (9, 7)

    among(test)


def test_without_the_bit_no_transactions_are_relayed() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1, says=hello(nonce=1, services=1))
        assert not made.heard.of("joined")[0][0].relays_transactions

    among(test)


def test_another_network_is_told_so_and_not_blamed() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1, says=hello(genesis=b"x" * 64))
        assert byes(stranger) == [talk.BYE_NETWORK]
        assert stranger.link.closed is not None
        assert made.heard.events == []
        assert made.reasons == ["it is on another network"]
        await made.dialled_by(1)
        assert len(made.heard.of("joined")) == 1

    among(test)


@pytest.mark.parametrize(("number", "nonce"), [(1, OWN_NONCE), (500, 3)], ids=["nonce", "id"])
def test_we_are_no_peer_of_ours(number: int, nonce: int) -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(number, ip="2.9.0.1", says=hello(nonce=nonce))
        assert byes(stranger) == []
        assert made.heard.events == []
        assert made.reasons == ["it is this node itself"]

    assert peer_id(500) == NODE
    among(test)


def test_a_dial_that_met_ourselves_is_not_repeated() -> None:
    async def test(made: ServiceNode) -> None:
        found = made.listens(1, says=hello(nonce=OWN_NONCE))
        await trio.sleep(300)
        assert len(found) == 1
        assert made.heard.events == []

    among(test, static=(address(1),))


def test_a_named_peer_that_is_this_node_itself_is_told_with_what_helps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(made: ServiceNode) -> None:
        made.listens(1, says=hello(nonce=OWN_NONCE))
        await trio.sleep(300)
        assert made.gate.named.mistakes(made.parts.plan.static) == [sentence]
        made.parts.plan.remove_static(peer_id(1))
        assert made.gate.named.mistakes(made.parts.plan.static) == []

    sentence = (
        f"the configured peer {address(1)} cannot be reached: it is this node itself; name another "
        "node"
    )
    among(test, static=(address(1),))
    assert [one for one in caplog.messages if "configured peer" in one] == [sentence]


def test_who_is_barred_hears_it() -> None:
    async def test(made: ServiceNode) -> None:
        made.parts.penalties.ban_id(peer_id(1), 0)
        stranger = await made.dialled_by(1)
        assert byes(stranger) == [talk.BYE_BARRED]
        assert made.heard.events == []

    among(test)


def test_a_barred_address_is_not_listened_to() -> None:
    async def test(made: ServiceNode) -> None:
        made.parts.penalties.ban_ip(ip("2.1.0.1"), 0)
        stranger = await made.dialled_by(1, silent=True)
        assert stranger.heard == []
        assert stranger.link.closed is not None

    among(test)


def test_a_second_hello_is_out_of_order() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(hello(nonce=1))
        await trio.sleep(1)
        assert byes(stranger) == [talk.BYE_FAULT]
        assert made.reasons == ["order: a second hello"]
        # The fault counts: it may not come back at once.
        assert byes(await made.dialled_by(1)) == [talk.BYE_BARRED]

    among(test)


@pytest.mark.parametrize("early", [talk.GetAddrs(), talk.Ping(1, 0, b"", bytes(64))])
def test_nothing_comes_before_hello(early: talk.Ping | talk.GetAddrs) -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1, silent=True)
        await stranger.say(early)
        await trio.sleep(1)
        assert byes(stranger) == [talk.BYE_FAULT]
        assert "before hello" in made.reasons[0]

    among(test)


def test_who_says_nothing_is_left() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1, silent=True)
        await trio.sleep(HELLO_MS / 1000 - 1.5)
        assert stranger.link.closed is None
        await trio.sleep(1)
        assert made.reasons == ["late: no hello within 5 s"]
        assert byes(stranger) == [talk.BYE_FAULT]

    among(test)


# One connection an id.


def test_an_older_connection_that_answers_stays() -> None:
    async def test(made: ServiceNode) -> None:
        first = await made.dialled_by(1)
        pings = first.of(talk.Ping)
        await first.say(talk.Pong(pings[0].nonce, 0, b"", bytes(64)))
        second = await made.dialled_by(1)
        assert byes(second) == []
        pings = first.of(talk.Ping)
        assert len(pings) == 2
        await first.say(talk.Pong(pings[1].nonce, 0, b"", bytes(64)))
        await trio.sleep(1)
        assert byes(second) == [talk.BYE_DUPLICATE]
        assert first.link.closed is None
        assert len(made.heard.of("joined")) == 1

    among(test)


def test_an_older_connection_that_is_silent_goes() -> None:
    async def test(made: ServiceNode) -> None:
        first = await made.dialled_by(1)
        second = await made.dialled_by(1)
        await trio.sleep(2)
        assert byes(first) == []
        await trio.sleep(4)
        assert byes(first) == [talk.BYE_DUPLICATE]
        assert second.link.closed is None
        assert [peer.peer_id for (peer,) in made.heard.of("joined")] == [peer_id(1)] * 2
        assert len(made.heard.of("left")) == 1

    among(test)


def test_what_is_said_before_there_is_a_slot_is_heard_once_there_is() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        second = await made.dialled_by(1)
        # To the other side we are a peer since our hello: it asks, and counts on an answer.
        await second.say(talk.Prefer(1), talk.GetAddrs(), talk.Ping(8, 0, b"", bytes(64)))
        await trio.sleep(2)
        assert made.heard.of("preferred") == []
        await trio.sleep(4)
        assert len(made.heard.of("joined")) == 2
        assert len(made.heard.of("preferred")) == 1
        assert len(second.of(talk.Addrs)) == 1
        assert [one.nonce for one in second.of(talk.Pong)] == [8]

    among(test)


def test_the_end_of_who_waits_for_a_slot_is_noticed() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        second = await made.dialled_by(1)
        await second.say(*[talk.GetAddrs()] * 100)
        (waiting,) = [one for one in made.table.all() if one.peer is None]
        second.link.close()
        await trio.sleep(1)
        assert waiting not in made.table.all()

    among(test)


def test_answers_before_it_is_a_peer_are_unasked() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        second = await made.dialled_by(1)
        await second.say(talk.Refuse(1, bytes(64), 0))
        await trio.sleep(1)
        assert byes(second) == [talk.BYE_FAULT]
        assert made.reasons[0].startswith("unasked")

    among(test)


@pytest.mark.parametrize("number", [400, 600], ids=["theirs", "ours"])
def test_of_two_opposite_dials_the_smaller_ids_stays(number: int) -> None:
    async def test(made: ServiceNode) -> None:
        listening = made.listens(number, ip="2.1.0.1")
        inbound = await made.dialled_by(number, ip="2.1.0.1")
        await trio.sleep(5)
        (dialled,) = listening
        ours_stays = peer_id(number) > NODE
        assert byes(inbound) == ([talk.BYE_DUPLICATE] if ours_stays else [])
        assert byes(dialled) == ([] if ours_stays else [talk.BYE_DUPLICATE])
        assert (dialled.link.closed is None) is ours_stays

    among(test, static=(address(number, "2.1.0.1"),))


# Dialling.


def test_a_configured_peer_is_dialled_asked_for_addresses_and_dialled_again() -> None:
    async def test(made: ServiceNode) -> None:
        found = made.listens(1)
        await trio.sleep(2)
        assert len(found[0].of(talk.GetAddrs)) == 1
        ((peer,),) = made.heard.of("joined")
        assert peer.outbound
        assert peer.static
        found[0].link.close()
        await until(lambda: len(found) == 2, 60)
        assert made.reasons[0] == "closed by the peer"

    among(test, static=(address(1),))


def test_a_configured_peer_that_cannot_be_reached_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(made: ServiceNode) -> None:
        await trio.sleep(300)
        assert len(made.reasons) > 2
        made.listens(2, is_id=3)
        await until(lambda: "another id than expected" in made.reasons, 600)
        # The first may come up at any time; the second will not be another.
        assert made.gate.named.mistakes(made.parts.plan.static) == [
            f"the configured peer {address(2)} cannot be reached: {other}"
        ]
        made.gate.named.reached(address(2))
        assert made.gate.named.mistakes(made.parts.plan.static) == []

    other = "another id than expected; see which id `esperd peers` shows there"
    among(test, static=(address(1), address(2)))
    told = [one.getMessage() for one in caplog.records if "configured peer" in one.getMessage()]
    again, refused = "cannot be reached and is dialled again", "not reached: connection refused"
    assert sorted(told) == sorted(
        f"the configured peer {address(number)} {again}: {why}"
        for number, why in ((1, refused), (2, refused), (2, other))
    )


def test_a_dial_of_the_book_that_fails_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def test(made: ServiceNode) -> None:
        await made.network._dial_one(Dial(address(1), Kind.FULL))
        assert made.reasons == ["not reached: connection refused"]

    among(test)
    assert "configured" not in caplog.text


def test_another_id_than_expected_is_no_peer() -> None:
    async def test(made: ServiceNode) -> None:
        found = made.listens(1, is_id=2)
        await trio.sleep(5)
        assert found == []
        assert made.heard.events == []
        assert made.reasons[0] == "another id than expected"

    among(test, static=(address(1),))


@pytest.mark.parametrize("kind", [Kind.FEELER, Kind.BLOCKS_ONLY, Kind.FULL])
def test_what_a_dial_is_for(kind: Kind) -> None:
    async def test(made: ServiceNode) -> None:
        found = made.listens(1)
        await made.network._dial_one(Dial(address(1), kind))
        await trio.sleep(1)
        (stranger,) = found
        (said,) = stranger.of(talk.Hello)
        assert bool(said.services & 2) is (kind is not Kind.BLOCKS_ONLY)
        assert len(stranger.of(talk.GetAddrs)) == (kind is Kind.FULL)
        if kind is Kind.FEELER:
            assert byes(stranger) == [talk.BYE_FEELER]
            assert made.heard.events == []
        else:
            ((peer,),) = made.heard.of("joined")
            assert peer.relays_transactions is (kind is Kind.FULL)

    among(test)


def test_peers_tell_us_our_address_and_we_tell_it() -> None:
    async def test(made: ServiceNode) -> None:
        for number in (1, 2, 3, 4):
            made.listens(number, says=hello(nonce=number, port=PORT, you=ip("1.0.0.1")))
            await made.network._dial_one(Dial(address(number), Kind.FULL))
            await trio.sleep(1)
        assert made.parts.own.known() == ((ip("1.0.0.1"), PORT),)

    among(test)


# Addresses.


def test_addresses_are_given_once() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(talk.GetAddrs(), talk.GetAddrs())
        await trio.sleep(1)
        assert len(stranger.of(talk.Addrs)) == 1

    among(test)


def test_addresses_from_a_peer_enter_the_book_but_never_our_own() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        minute = WALL_MS // 60_000
        told = [
            KnownAddress(ip(f"30.{at}.0.1"), PORT, peer, 1, minute)
            for at, peer in enumerate((peer_id(40), NODE))
        ]
        await stranger.say(talk.Addrs(tuple(told)))
        await trio.sleep(1)
        assert {one.address.peer_id for one in made.parts.book.entries()} == {peer_id(40)}

    among(test)


def test_who_dials_us_and_listens_enters_the_book() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1, says=hello(nonce=1, port=4444))
        await made.dialled_by(2)
        assert [one.address.port for one in made.parts.book.entries()] == [4444]

    among(test)


# Blame.


@pytest.mark.parametrize(
    ("offence", "code"),
    [(Offence.FORGED, talk.BYE_FAULT), (Offence.OTHER_RULES, talk.BYE_OTHER_RULES)],
)
def test_whom_a_machine_blames_goes_and_stays_away(offence: Offence, code: int) -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        number = made.heard.of("joined")[0][0].number
        made.gate.blamed(number, offence, "a reason")
        made.gate.blamed(number, offence, "another")
        await trio.sleep(1)
        assert byes(stranger) == [code]
        assert made.reasons == [f"{offence.value}: a reason"]
        assert made.heard.of("left") == [(number,)]
        again = await made.dialled_by(1, ip="3.0.0.1")
        assert byes(again) == [talk.BYE_BARRED]
        # Who is gone cannot be blamed again.
        made.gate.blamed(number, offence, "late")

    among(test)


def test_a_late_answer_alone_costs_no_connection() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        made.gate.blamed(made.heard.of("joined")[0][0].number, Offence.LATE_ANSWER, "slow")
        await trio.sleep(1)
        assert stranger.link.closed is None

    among(test)


@pytest.mark.parametrize(
    "how", ["unreached", "another id", "another network", "barred", "ourselves", "silent", "peer"]
)
def test_a_dial_is_over_however_it_ends(how: str) -> None:
    async def test(made: ServiceNode) -> None:
        says = {"another network": hello(genesis=b"x" * 64), "ourselves": hello(nonce=OWN_NONCE)}
        if how == "silent":
            made.memory.listen(("2.1.0.1", PORT), peer_id(1), lambda link: None)
        elif how != "unreached":
            made.listens(1, says=says.get(how), is_id=2 if how == "another id" else None)
        if how == "barred":
            made.parts.penalties.ban_id(peer_id(1), 0)
        assert made.parts.book.add_given(address(1), WALL_MS // 60_000)
        made.parts.plan.begun(address(1))
        await made.network._dial_one(Dial(address(1), Kind.FULL))
        await trio.sleep(HELLO_MS / 1000 + 2)
        assert made.parts.plan.statistics().dialling == 0
        (peers, left) = (made.heard.of("joined"), made.table.left)
        assert (len(peers), len(left)) == ((1, 0) if how == "peer" else (0, 1))
        entry = made.parts.book.find(address(1).endpoint)
        # Ours is no address to keep; nor is one whose id was made up.
        assert (entry is None) is (how in ("ourselves", "another id"))
        assert entry is None or entry.tried is (how == "peer")

    among(test)


def test_a_brought_block_counts_for_who_brought_it() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        number = made.heard.of("joined")[0][0].number
        made.gate.brought(number, None)
        (slot,) = made.parts.slots.connections
        assert slot.transaction_ms is not None
        assert slot.block_ms is None

    among(test)
