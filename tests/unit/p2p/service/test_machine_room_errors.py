"""Errors of a machine, of which the others hear nothing; timers to the moment; pushes cut short."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
import trio

from esper.p2p.actions import Ask, Cancel, Send
from esper.p2p.flow.open_requests import Owner
from esper.p2p.limits import ANSWER_BEGINS_MS
from esper.p2p.peer import PeerNumber
from esper.p2p.service.machine_room import LONGEST_SLEEP_S
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from tests.support.net.service_world import mocked, steady
from tests.unit.p2p.service.test_machine_room import (
    COMPACT,
    HEADERS,
    ID,
    ONE,
    PREFER,
    TWO,
    Job,
    Own,
    World,
    with_room,
)

PROOF = bulk.Proof(0, ID, b"proof")
FIRST = next(iter(Owner))


def fails() -> Iterable[object]:
    raise RuntimeError("oh")


def told(made: World, event: str) -> list[str]:
    return [one[0] for one in made.log if one[1] == event]


def complaints(caplog: pytest.LogCaptureFixture) -> int:
    return sum("failed by an error of this node" in one for one in caplog.messages)


NAMES = [owner.name for owner in Owner]


@pytest.mark.parametrize("event", ["left", "chain_changed"])
def test_all_machines_hear_though_one_fails(event: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test(made: World) -> None:
        made.machines[FIRST].wants[event] = fails
        if event == "left":
            made.room.left(ONE)
        else:
            made.room.chain_changed()
        assert told(made, event) == NAMES

    with_room(test)
    assert complaints(caplog) == 1


def test_all_hear_that_a_peer_left_though_the_end_of_a_request_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(made: World) -> None:
        made.perform(Ask(ONE, "k", HEADERS), owner=FIRST)
        made.machines[FIRST].wants["ended"] = fails
        made.room.left(ONE)
        assert told(made, "left") == NAMES

    with_room(test)
    assert complaints(caplog) == 1


def test_timers_are_served_though_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def test(made: World) -> None:
        for machine in made.machines.values():
            machine.at = steady() + 100
        made.machines[FIRST].wants["on_time"] = fails
        made.perform(Own("x"))
        await trio.sleep(0.2)
        assert told(made, "on_time") == NAMES

    with_room(test)
    assert complaints(caplog) == 1


def test_a_late_request_whose_end_fails_is_blamed_and_taken_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(made: World) -> None:
        made.perform(Ask(ONE, "k", HEADERS), owner=Owner.SYNC)
        made.machines[Owner.SYNC].wants["ended"] = fails
        made.log.clear()
        await trio.sleep(ANSWER_BEGINS_MS / 1000 + 0.1)
        assert [one[:2] for one in made.log] == [
            ("SYNC", "ended"),
            ("blamed", ONE),
            (ONE, "send"),
        ]

    with_room(test)
    assert complaints(caplog) == 1


def test_what_a_job_comes_to_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    async def test(made: World) -> None:
        made.machines[Owner.BLOCKS].wants["done"] = fails
        made.perform(Job("one"))
        await trio.sleep(2)
        made.perform(Job("two"))
        await trio.sleep(2)
        assert [one[2] for one in made.log if one[1] == "done"] == ["one", "two"]

    with_room(test)
    assert complaints(caplog) == 1


def test_requests_that_fail_are_looked_at_again_after_a_second(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(made: World) -> None:
        looked: list[float] = []

        def on_time(now: int) -> object:
            looked.append(trio.current_time())
            return fails()

        monkeypatch.setattr(made.requests, "on_time", on_time)
        # A timer that is due already, and stays so.
        monkeypatch.setattr(made.requests, "due", steady)
        made.perform(Own("x"))
        await trio.sleep(4.5)
        assert 4 <= len(looked) <= 5
        assert all(b - a >= LONGEST_SLEEP_S for a, b in pairwise(looked))

    with_room(test)
    assert complaints(caplog) >= 4


def test_a_request_is_late_as_soon_as_it_is() -> None:
    async def test(made: World) -> None:
        await trio.sleep(0.5)
        made.perform(Ask(ONE, "k", HEADERS), owner=Owner.SYNC)
        made.log.clear()
        await trio.sleep(ANSWER_BEGINS_MS / 1000 - 0.001)
        assert made.log == []
        await trio.sleep(0.02)
        assert told(made, "ended") == ["SYNC"]

    with_room(test)


def test_no_timer_is_late_by_less_than_nothing() -> None:
    async def test(made: World) -> None:
        for _ in range(5):
            made.perform(Own("wakes it early"))
            await trio.sleep(0.1)
        assert min(made.late) == 0

    with_room(test)


def test_a_machine_is_not_told_before_its_time() -> None:
    async def test(made: World) -> None:
        made.machines[Owner.BLOCKS].at = steady() + 400
        for _ in range(3):
            made.perform(Own("wakes it early"))
            await trio.sleep(0.1)
        assert told(made, "on_time") == []
        made.machines[Owner.BLOCKS].at = steady()
        made.room._serve_timers(steady())
        assert told(made, "on_time") == ["BLOCKS"]

    with_room(test)


def test_timers_that_are_due_together_are_served_together() -> None:
    async def test(made: World) -> None:
        sync, blocks = made.machines[Owner.SYNC], made.machines[Owner.BLOCKS]
        sync.at, blocks.at = steady() + 1, steady() + 4
        made.perform(Own("x"))
        await trio.sleep(0.1)
        first, second = (one[2] for one in made.log if one[1] == "on_time")
        assert first == second

    with_room(test)


def test_no_clock_is_asked_for_longer_than_a_second() -> None:
    async def test(made: World) -> None:
        made.machines[Owner.BLOCKS].at = steady() + 3_600_000
        made.perform(Own("x"))
        before = len(made.late)
        await trio.sleep(5.5)
        assert len(made.late) - before >= 5

    with_room(test)


def test_a_machine_that_asks_who_is_gone_again_and_again_is_served_in_turn() -> None:
    async def test(made: World) -> None:
        gone, sync = PeerNumber(9), made.machines[Owner.SYNC]
        asked = 0

        def again() -> Iterable[object]:
            nonlocal asked
            asked += 1
            if asked < 5_000:
                sync.wants["ended"] = again
                return [Ask(gone, asked, HEADERS)]
            return [Send(TWO, PREFER)]

        sync.wants["ended"] = again
        made.perform(Ask(gone, 0, HEADERS), Send(ONE, PREFER), owner=Owner.SYNC)
        assert asked == 5_000
        # What was wanted before comes first.
        sent = [one for one in made.log if one[1] == "send"]
        assert sent == [(ONE, "send", PREFER), (TWO, "send", PREFER)]

    with_room(test)


# Pushes.


def test_what_could_not_be_pushed_to_one_that_left_is_forgotten() -> None:
    async def test(made: World) -> None:
        made.lines[ONE].takes_pushes = False
        made.perform(Send(ONE, COMPACT))
        made.room.left(ONE)
        assert made.room._unpushed == {}

    with_room(test)


def test_of_one_block_alone_the_rest_is_not_pushed() -> None:
    async def test(made: World) -> None:
        line = made.lines[ONE]
        line.takes_pushes = False
        assert made.perform(Send(ONE, COMPACT)) == [(ONE, "send", talk.Announce(COMPACT.header))]
        assert made.perform(Send(ONE, PROOF)) == []
        line.takes_pushes = True
        # Not of the next one, whose first part went.
        assert made.perform(Send(ONE, COMPACT), Send(ONE, PROOF)) == [
            (ONE, "push", COMPACT),
            (ONE, "push on", PROOF),
        ]

    with_room(test)


def test_that_somebody_is_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def test(made: World) -> None:
        made.perform(Ask(TWO, "k", HEADERS))
        del made.lines[TWO]
        assert made.perform(Cancel(TWO, "k"), Send(TWO, PREFER), Send(TWO, COMPACT)) == []

    with_room(test)
    assert complaints(caplog) == 0


def test_after_the_end_a_job_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        made = World()
        failed: list[Exception] = []
        monkeypatch.setattr(made.room, "_failed", lambda owner, error: failed.append(error))
        async with trio.open_nursery() as nursery:
            await nursery.start(made.room.run, made.late.append)
            nursery.cancel_scope.cancel()
        made.perform(Job("late"), Send(ONE, PREFER))
        assert failed == []

    mocked(main)
