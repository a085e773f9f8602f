"""The network service at its bounds: frames nobody waits for, floods, and errors of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from esper.p2p.actions import Ask
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.open_requests import Owner
from esper.p2p.peers.places.connections import Kind
from esper.p2p.peers.places.dial_plan import Dial
from esper.p2p.peers.places.slots import INBOUND_NEAR, OLDER_PONG_MS
from esper.p2p.service.network import CLAIM_BURST, FAILED_S, SAVE_EVERY_S
from esper.p2p.service.peer_table import Connected
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import UNKNOWN_FROM
from tests.support.net.peer_world import peer_id
from tests.support.net.service_node import ServiceNode, address, node
from tests.support.net.service_world import hello, mocked
from tests.support.sim.sim_endpoint import PORT

Test = Callable[[ServiceNode], Awaitable[None]]
ID = b"i" * 64
HEADERS = talk.GetHeaders(0, (ID,), 3)
PUSHES = (bulk.Compact.TYPE, bulk.Proof.TYPE)
FAILURE = RuntimeError("an error here")


def among(test: Test, **settings: object) -> None:
    async def main() -> None:
        async with node(**settings) as made:
            await test(made)

    mocked(main)


def failing(*about: object, **more: object) -> Any:
    raise FAILURE


async def dials(made: ServiceNode, number: int, *, ip: str = "", **says: Any) -> Connected:
    made.listens(number, ip=ip, says=hello(nonce=number, **says))
    await made.network._dial_one(Dial(address(number, ip), Kind.FULL))
    await trio.sleep(1)
    return made.table.settled()[-1]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]


# What may come.


def begins(made: ServiceNode, connected: Connected, kind: int) -> Offence | None:
    """What beginning a frame counts as."""
    try:
        made.network.begins(connected.connection, kind)
    except Fault as fault:
        return fault.offence
    return None


def test_a_frame_that_nobody_waits_for_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1, silent=True)
        (early,) = made.table.all()
        assert begins(made, early, bulk.Headers.TYPE) is Offence.ORDER
        assert begins(made, early, bulk.Proof.TYPE) is Offence.ORDER
        await made.dialled_by(2)
        (peer,) = made.table.settled()
        assert begins(made, peer, bulk.Headers.TYPE) is Offence.UNASKED
        assert [begins(made, peer, kind) for kind in PUSHES] == [None, None]
        monkeypatch.setattr(made.heard, "may_push", lambda number: False)
        assert [begins(made, peer, kind) for kind in PUSHES] == [Offence.UNASKED] * 2
        made.room.perform(Owner.SYNC, [Ask(peer.connection.number, "k", HEADERS)])
        assert begins(made, peer, bulk.Headers.TYPE) is None
        assert begins(made, peer, bulk.Txs.TYPE) is Offence.UNASKED

    among(test)


def test_short_frames_are_told_apart_when_they_are_whole() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1, silent=True)
        (early,) = made.table.all()
        for kind in (talk.Refuse.TYPE, UNKNOWN_FROM, 255):
            assert begins(made, early, kind) is None
        assert begins(made, early, UNKNOWN_FROM - 1) is Offence.ORDER

    among(test)


def test_who_waits_for_its_place_pushes_nothing() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        await made.dialled_by(1)
        (waits,) = [one for one in made.table.all() if one.peer is None]
        assert [begins(made, waits, kind) for kind in PUSHES] == [Offence.UNASKED] * 2
        # A short one that was not looked at when it began.
        refuse = talk.Refuse(1, ID, talk.REFUSED_BUSY)
        with pytest.raises(Fault) as caught:
            made.network.received(waits.connection, refuse, 70)
        assert caught.value.offence is Offence.UNASKED

    among(test)


def test_of_who_is_gone_nothing_is_looked_at() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        (gone,) = made.table.settled()
        stranger.link.close()
        await trio.sleep(1)
        heard = len(made.heard.events)
        made.network.received(gone.connection, talk.Prefer(1), 10)
        assert begins(made, gone, bulk.Headers.TYPE) is None
        assert len(made.heard.events) == heard

    among(test)


def test_a_message_that_may_not_come_at_all_is_out_of_order() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        (peer,) = made.table.settled()
        never: Any = type("Never", (), {"TYPE": 9})()
        with pytest.raises(Fault) as caught:
            made.network.received(peer.connection, never, 10)
        assert caught.value.offence is Offence.ORDER

    among(test)


def test_bytes_that_come_of_an_answer_keep_its_request_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(made: ServiceNode) -> None:
        told: list[tuple[str, int]] = []
        monkeypatch.setattr(
            made.requests, "arriving", lambda number, kind, size, now: told.append(("part", size))
        )
        monkeypatch.setattr(made.requests, "arrived", lambda number: told.append(("whole", 0)))
        stranger = await made.dialled_by(1)
        frame = frame_bytes(bulk.Proof(0, ID, bytes(1_000)))
        await stranger.link.bulk.send_all(frame[:400])
        await trio.sleep(1)
        assert told == [("part", 400)]
        await stranger.link.bulk.send_all(frame[400:])
        await trio.sleep(1)
        assert told[-1] == ("whole", 0)
        (peer,) = made.table.settled()
        told.clear()
        made.room.perform(Owner.SYNC, [Ask(peer.connection.number, "k", HEADERS)])
        await stranger.say(bulk.Headers(1, ID, ()))
        await trio.sleep(1)
        assert told[-1] == ("whole", 0)

    among(test)


def test_a_pong_of_who_waits_for_its_place_is_heard_then() -> None:
    async def test(made: ServiceNode) -> None:
        await made.dialled_by(1)
        second = await made.dialled_by(1)
        await second.say(talk.Pong(second.of(talk.Ping)[0].nonce, 9, b"\4", ID))
        await trio.sleep(OLDER_PONG_MS / 1000 + 1)
        (peer,) = made.table.settled()
        assert peer.connection.ping_ms is not None
        # It is read with the place, and so is what it claims.
        assert peer.claim is not None
        assert peer.claim.height == 9

    among(test)


def test_claims_beyond_the_burst_are_not_looked_at() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        before = len(made.heard.of("claimed"))
        for nonce in range(CLAIM_BURST + 5):
            await stranger.say(talk.Ping(nonce, 9 + nonce, b"\4", ID))
        await trio.sleep(0.2)
        assert len(stranger.of(talk.Pong)) == CLAIM_BURST + 5
        assert len(made.heard.of("claimed")) - before == CLAIM_BURST
        (peer,) = made.table.settled()
        assert peer.claim is not None
        assert peer.claim.height == 9 + CLAIM_BURST - 1
        await trio.sleep(2)
        await stranger.say(talk.Ping(99, 99, b"\4", ID))
        await trio.sleep(0.2)
        assert peer.claim.height == 99

    among(test)


def test_get_addrs_costs_its_budget_also_when_it_is_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(made: ServiceNode) -> None:
        monkeypatch.setattr(made.served, "asked_addresses", lambda number, now: False)
        stranger = await made.dialled_by(1)
        await stranger.say(talk.GetAddrs())
        await trio.sleep(1)
        assert stranger.of(talk.Addrs) == []

    among(test)


def test_an_answer_begins_at_once() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(talk.GetHeaders(1, (ID,), 3))
        await trio.sleep(0.1)
        assert stranger.of(bulk.Headers) == [bulk.Headers(1, ID, ())]

    among(test)


def test_a_request_that_is_taken_back_before_its_turn_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(made: ServiceNode) -> None:
        refuse = talk.Refuse(1, bytes(64), talk.REFUSED_CANCELLED)
        monkeypatch.setattr(made.served, "nevermind", lambda peer, number: refuse)
        stranger = await made.dialled_by(1)
        await stranger.say(talk.Nevermind(1))
        await trio.sleep(1)
        assert stranger.of(talk.Refuse) == [refuse]

    among(test)


# Connections.


def test_ours_do_not_count_as_those_that_others_open() -> None:
    async def test(made: ServiceNode) -> None:
        for number in range(1, INBOUND_NEAR + 2):
            await dials(made, number, ip=f"2.1.0.{number}")
        assert len(made.table.settled()) == INBOUND_NEAR + 1
        assert made.parts.slots.statistics().entered == 0

    among(test)


def test_a_link_that_comes_when_the_service_has_ended_is_closed() -> None:
    async def test(made: ServiceNode) -> None:
        links: list[Any] = []
        made.memory.listen(("3.0.0.1", PORT), peer_id(3), links.append)
        await made.memory.dial("2.1.0.1", ("3.0.0.1", PORT), peer_id(1), peer_id(3))
        made.scope.cancel()
        await made.over.wait()
        made.network._accepted(links[0])
        assert links[0].closed is not None
        assert len(made.table) == 0

    among(test)


def test_a_connection_that_fails_by_an_error_of_ours_ends_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: ServiceNode) -> None:
        monkeypatch.setattr(made.gate, "own_hello", failing)
        stranger = await made.dialled_by(1, silent=True)
        assert stranger.link.closed is not None
        monkeypatch.undo()
        await made.dialled_by(2)
        assert len(made.table.settled()) == 1
        assert len(made.table) == 1

    among(test)
    assert ["a connection failed" in one for one in errors(caplog)] == [True]


def test_an_end_that_fails_by_an_error_of_ours_is_counted_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: ServiceNode) -> None:
        monkeypatch.setattr(made.gate, "ended", failing)
        stranger = await made.dialled_by(1)
        await stranger.say(hello(nonce=1))
        await trio.sleep(1)
        monkeypatch.undo()
        again = await made.dialled_by(1)
        assert again.of(talk.Bye) == [talk.Bye(talk.BYE_BARRED)]

    among(test)
    assert ["the end of a connection failed" in one for one in errors(caplog)] == [True]


def test_who_never_was_a_peer_is_none_that_left() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1, silent=True)
        stranger.link.close()
        await trio.sleep(1)
        assert made.heard.of("left") == []
        assert len(made.table.left) == 1

    among(test)


# Long tasks.


def test_a_choice_of_peers_that_fails_is_tried_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: ServiceNode) -> None:
        monkeypatch.setattr(made.gate, "on_time", failing)
        await trio.sleep(2.5 * FAILED_S)
        assert len(errors(caplog)) == 3
        monkeypatch.undo()
        found = made.listens(1)
        made.parts.plan.add_static(address(1))
        await trio.sleep(FAILED_S + 2)
        assert len(found) == 1
        assert len(errors(caplog)) == 3

    among(test)


def test_a_dial_that_fails_by_an_error_of_ours_ends_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: ServiceNode) -> None:
        found = made.listens(1)
        monkeypatch.setattr(made.network._parts.endpoint, "dial", failing)
        made.parts.plan.add_static(address(1))
        await trio.sleep(2)
        assert ["a dial failed" in one for one in errors(caplog)] == [True]
        assert made.parts.plan.statistics().dialling == 0
        monkeypatch.undo()
        await trio.sleep(300)
        assert found != []

    among(test)


def test_what_cannot_be_saved_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: ServiceNode) -> None:
        parts: Any = made.network._parts
        object.__setattr__(parts, "save", failing)
        await trio.sleep(1.5 * SAVE_EVERY_S)
        assert len(errors(caplog)) == 1
        object.__setattr__(parts, "save", made._save)
        await trio.sleep(SAVE_EVERY_S)
        assert made.saved == 1

    among(test)


def test_each_time_that_this_machine_stood_still_deadlines_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(made: ServiceNode) -> None:
        begun: list[int] = []
        monkeypatch.setattr(made.requests, "begin_anew", begun.append)
        made.network._ticked(60_000)
        made.network._ticked(60_000)
        assert len(begun) == 2
        made.network._ticked(0)
        assert len(begun) == 2

    among(test)
