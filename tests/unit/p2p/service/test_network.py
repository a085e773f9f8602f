"""The network service: which message reaches whom, and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from esper.p2p.actions import Ask, End
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.open_requests import Owner
from esper.p2p.peer import PeerNumber
from esper.p2p.service.network import SAVE_EVERY_S
from esper.p2p.transport.link import LinkClosed
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from tests.support.net.service_node import ServiceNode, address, node
from tests.support.net.service_world import mocked, steady

ID = b"i" * 64
COMPACT = bulk.Compact(0, b"h", b"o", (), (), (bytes(16),), ())


def among(test: Callable[[ServiceNode], Awaitable[None]], **settings: object) -> None:
    async def main() -> None:
        async with node(**settings) as made:
            await test(made)

    mocked(main)


def number_of(made: ServiceNode) -> PeerNumber:
    number: PeerNumber = made.heard.of("joined")[0][0].number
    return number


def test_messages_reach_the_machines() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        number = number_of(made)
        have = talk.HaveTxs((talk.Announced(bytes(16), 5),))
        proof = bulk.Proof(0, ID, b"p")
        await stranger.say(talk.Announce(b"h"), talk.Prefer(1), have, COMPACT, proof)
        await stranger.say(talk.Ping(5, 8, b"\4", ID))
        await trio.sleep(1)
        assert made.heard.of("announced") == [(number, talk.Announce(b"h"))]
        assert made.heard.of("preferred") == [(number, talk.Prefer(1))]
        assert made.heard.of("have") == [(number, have)]
        assert made.heard.of("pushed") == [(number, COMPACT), (number, proof)]
        assert made.heard.of("claimed")[-1][1].height == 8
        (connected,) = made.table.settled()
        assert connected.claim is not None
        assert connected.claim.height == 8

    among(test)


def test_a_pong_claims_a_tip_too() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        nonce = stranger.of(talk.Ping)[0].nonce
        await stranger.say(talk.Pong(nonce, 12, b"\4", ID))
        await trio.sleep(1)
        assert made.heard.of("claimed")[-1][1].height == 12
        (slot,) = made.parts.slots.connections
        assert slot.ping_ms is not None

    among(test)


def test_answers_reach_who_asked_and_others_are_a_fault() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        number = number_of(made)
        made.room.perform(Owner.SYNC, [Ask(number, "k", talk.GetHeaders(0, (ID,), 3))])
        await trio.sleep(1)
        assert stranger.of(talk.GetHeaders) == [talk.GetHeaders(1, (ID,), 3)]
        await stranger.say(bulk.Headers(1, ID, (b"h",)))
        await trio.sleep(1)
        assert made.heard.of("answered") == [(number, "k", bulk.Headers(1, ID, (b"h",)))]
        assert made.heard.of("ended") == [(number, "k", End.DONE)]
        await stranger.say(bulk.Headers(2, ID, ()))
        await trio.sleep(1)
        assert stranger.of(talk.Bye) == [talk.Bye(talk.BYE_FAULT)]
        assert made.reasons[0].startswith("unasked")

    among(test)


def test_requests_are_answered_and_taken_back() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(talk.GetHeaders(1, (ID,), 3), talk.GetBlocks(2, (ID,), 3))
        await trio.sleep(1)
        assert sorted(one.TYPE for one in stranger.heard if one.TYPE >= 32) == [33, 35, 36]
        await stranger.say(talk.Nevermind(9))
        await trio.sleep(1)
        assert made.reasons[0].startswith("order: request 9 is taken back")

    among(test)


def test_requests_beyond_the_budget_are_refused_and_pings_pass() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        for number in range(1, 31):
            await stranger.say(talk.GetHeaders(number, (ID,), 3))
        await stranger.say(talk.Ping(6, 0, b"", ID))
        await trio.sleep(1)
        codes = [one.code for one in stranger.of(talk.Refuse)]
        assert set(codes) == {talk.REFUSED_BUSY}
        assert 10 <= len(codes) <= 20
        assert len(stranger.of(bulk.Headers)) == 30 - len(codes)
        assert stranger.of(talk.Pong)[0].nonce == 6

    among(test)


def test_a_bye_ends_it_without_blame() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(talk.Bye(talk.BYE_FULL))
        await trio.sleep(1)
        assert made.reasons == ["the peer says: it has no room for another peer"]
        assert made.heard.of("left") == [(number_of(made),)]
        await made.dialled_by(1)
        assert len(made.heard.of("joined")) == 2

    among(test)


def test_what_an_unanswered_request_of_a_peer_that_left_comes_to() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        number = number_of(made)
        made.room.perform(Owner.SYNC, [Ask(number, "k", talk.GetHeaders(0, (ID,), 3))])
        await stranger.say(talk.GetBlocks(1, (ID,) * 4, 3))
        stranger.link.close()
        await trio.sleep(1)
        assert made.heard.of("ended") == [(number, "k", End.LEFT)]
        assert made.heard.events[-1] == ("left", number)
        assert made.served.statistics().answering == 0
        assert len(made.table) == 0

    among(test)


def test_the_end_of_the_node_is_told_and_closes_everything() -> None:
    async def test(made: ServiceNode) -> None:
        listening = made.listens(2)
        strangers = [await made.dialled_by(1), await made.dialled_by(3, silent=True)]
        strangers += listening
        began = trio.current_time()
        made.scope.cancel()
        await made.over.wait()
        assert trio.current_time() - began < 2
        assert made.saved == 1
        await trio.sleep(1)
        for stranger in strangers:
            assert stranger.of(talk.Bye) == [talk.Bye(talk.BYE_STOPPING)]
            assert stranger.link.closed is not None
        assert len(made.table) == 0
        assert len(made.heard.of("left")) == 2

    among(test, static=(address(2),))


def test_a_peer_that_does_not_read_does_not_hold_the_end_up() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        stranger.reads_bulk = trio.Event()
        (connected,) = made.table.settled()
        for _ in range(3):
            made.nursery.start_soon(_send_ignoring, connected.connection.send_bulk)
        await trio.sleep(1)
        began = trio.current_time()
        made.scope.cancel()
        await made.over.wait()
        assert trio.current_time() - began < 2

    among(test)


async def _send_ignoring(send: Callable[[bytes], Awaitable[None]]) -> None:
    try:
        await send(frame_bytes(bulk.Proof(1, ID, bytes(500_000))))
    except LinkClosed:
        return


def test_what_is_known_is_saved_now_and_then() -> None:
    async def test(made: ServiceNode) -> None:
        await trio.sleep(2.5 * SAVE_EVERY_S)
        assert made.saved == 2

    among(test)


@pytest.mark.parametrize("reached", [True, False])
def test_a_peer_is_dialled_on_demand(reached: bool) -> None:
    async def test(made: ServiceNode) -> None:
        if reached:
            made.listens(4)
            connected = await made.network.connect(address(4))
            await trio.sleep(1)
            assert connected.peer is not None
            assert connected.peer.outbound
        else:
            with pytest.raises(LinkClosed):
                await made.network.connect(address(4))

    among(test)


def test_deadlines_begin_anew_once_when_this_machine_was_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(made: ServiceNode) -> None:
        begun: list[int] = []
        monkeypatch.setattr(made.requests, "begin_anew", begun.append)
        penalties = made.gate.parts.penalties
        for name in (1, 2):
            await made.dialled_by(name)
        late = Fault(Offence.LATE_ANSWER, "a block did not come in time")
        for connected in made.table.settled():
            peer = connected.peer
            assert peer is not None
            penalties.asked(peer.peer_id, peer.group, steady())
        await trio.sleep(2)
        assert begun == []
        for connected in made.table.settled():
            made.gate.count(connected, late)
        assert penalties.is_own_fault(steady())
        await trio.sleep(5)
        assert len(begun) == 1

    among(test)
