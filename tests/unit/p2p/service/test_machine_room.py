"""The machine room: actions in order, requests, jobs, timers, pushes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from esper.p2p.actions import Ask, Blame, Cancel, End, Send
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import Requests
from esper.p2p.limits import ANSWER_BEGINS_MS
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.service.machine_room import MachineRoom
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import Message
from tests.support.net.service_world import mocked, steady

ONE, TWO = PeerNumber(1), PeerNumber(2)
ID = b"i" * 64
PREFER = talk.Prefer(1)
HEADERS = talk.GetHeaders(0, (ID,), 5)
COMPACT = bulk.Compact(0, b"header", b"o", (), (), (bytes(16),), ())


@dataclass(frozen=True)
class Job:
    key: Hashable
    takes_s: float = 1.0


@dataclass(frozen=True)
class Own:
    """An action that only one machine has."""

    word: str


class Machine:
    """Says what it was told, and wants what a test wants."""

    def __init__(self, name: str, log: list[tuple[Any, ...]]) -> None:
        self.name = name
        self.log = log
        self.wants: dict[str, Callable[[], Iterable[object]]] = {}
        self.at: int | None = None
        self.inside = False

    def _told(self, event: str, *about: object) -> Iterable[object]:
        assert not self.inside, "entered twice"
        self.inside = True
        self.log.append((self.name, event, *about))
        try:
            return list(self.wants.pop(event, lambda: ())())
        finally:
            self.inside = False

    def joined(self, peer: Peer, now: int) -> Iterable[object]:
        return self._told("joined", peer.number)

    def left(self, number: PeerNumber, now: int) -> Iterable[object]:
        return self._told("left", number)

    def answered(self, number: PeerNumber, key: Any, answer: Any, now: int) -> Iterable[object]:
        return self._told("answered", number, key, answer)

    def ended(self, number: PeerNumber, key: Any, end: End, now: int) -> Iterable[object]:
        return self._told("ended", number, key, end)

    def done(self, key: Any, value: Any, now: int) -> Iterable[object]:
        return self._told("done", key, value)

    def chain_changed(self, now: int) -> Iterable[object]:
        return self._told("chain_changed")

    def on_time(self, now: int) -> Iterable[object]:
        assert self.at is not None
        assert self.at <= now
        self.at = None
        return self._told("on_time", now)

    def due(self) -> int | None:
        return self.at


class Line:
    """In a connection's place."""

    def __init__(self, log: list[tuple[Any, ...]], number: PeerNumber) -> None:
        self.log = log
        self.number = number
        self.takes_pushes = True

    def send(self, message: Message) -> None:
        self.log.append((self.number, "send", message))

    def push(self, messages: tuple[Message, ...]) -> bool:
        if self.takes_pushes:
            self.log.append((self.number, "push", *messages))
        return self.takes_pushes

    def push_on(self, messages: tuple[Message, ...]) -> None:
        self.log.append((self.number, "push on", *messages))


class Workers:
    """In the place of threads."""

    async def run(self, job: Job) -> object:
        await trio.sleep(job.takes_s)
        return f"value of {job.key}"


class World:
    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.machines = {owner: Machine(owner.name, self.log) for owner in Owner}
        self.requests = Requests()
        self.lines = {ONE: Line(self.log, ONE), TWO: Line(self.log, TWO)}
        self.late: list[int] = []
        self.room = MachineRoom(
            self.machines,
            self.requests,
            {Job: Workers()},
            steady,
            connection_of=self.lines.get,  # type: ignore[arg-type]
            blamed=lambda *about: self.log.append(("blamed", *about)),
            asked=lambda number: self.log.append(("asked", number)),
            told=lambda owner, action: self.log.append(("told", owner.name, action)),
        )

    def perform(self, *actions: object, owner: Owner = Owner.BLOCKS) -> list[tuple[Any, ...]]:
        """What came of actions at once."""
        before = len(self.log)
        self.room.perform(owner, actions)
        return self.log[before:]


def with_room(test: Callable[[World], Any]) -> None:
    async def main() -> None:
        made = World()
        async with trio.open_nursery() as nursery:
            await nursery.start(made.room.run, made.late.append)
            await test(made)
            nursery.cancel_scope.cancel()

    mocked(main)


def peer(number: PeerNumber) -> Peer:
    return Peer(number, b"p" * 38, outbound=False, group=b"g")


def test_actions_are_carried_out_in_their_order() -> None:
    async def test(made: World) -> None:
        blame = Blame(ONE, Offence.ORDER, "why")
        assert made.perform(Send(ONE, PREFER), blame, Own("x"), Send(TWO, PREFER)) == [
            (ONE, "send", PREFER),
            ("blamed", ONE, Offence.ORDER, "why"),
            ("told", "BLOCKS", Own("x")),
            (TWO, "send", PREFER),
        ]

    with_room(test)


def test_who_is_gone_gets_nothing() -> None:
    async def test(made: World) -> None:
        gone = PeerNumber(9)
        assert made.perform(Send(gone, PREFER), Send(gone, COMPACT)) == []
        assert made.perform(Ask(gone, "k", HEADERS), Cancel(gone, "k")) == [
            ("BLOCKS", "ended", gone, "k", End.LEFT)
        ]
        assert made.requests.statistics().open == 0

    with_room(test)


def test_a_request_is_numbered_sent_answered_and_ended() -> None:
    async def test(made: World) -> None:
        assert made.perform(Ask(ONE, "k", HEADERS), owner=Owner.SYNC) == [
            ("asked", ONE),
            (ONE, "send", HEADERS.numbered(1)),
        ]
        made.log.clear()
        answer = bulk.Headers(1, ID, ())
        made.room.answer(ONE, answer)
        assert made.log == [
            ("SYNC", "answered", ONE, "k", answer),
            ("SYNC", "ended", ONE, "k", End.DONE),
        ]
        with pytest.raises(Fault) as raised:
            made.room.answer(ONE, answer)
        assert raised.value.offence is Offence.UNASKED

    with_room(test)


def test_a_cancel_sends_a_nevermind_and_nothing_is_heard_after_it() -> None:
    async def test(made: World) -> None:
        made.perform(Ask(ONE, "k", HEADERS))
        # Of another machine the same key is another request.
        assert made.perform(Cancel(ONE, "k"), owner=Owner.SYNC) == []
        assert made.perform(Cancel(ONE, "k")) == [(ONE, "send", talk.Nevermind(1))]
        made.log.clear()
        made.room.answer(ONE, talk.Refuse(1, bytes(64), talk.REFUSED_CANCELLED))
        assert made.log == []

    with_room(test)


def test_a_machine_that_asks_while_another_is_told_is_served_afterwards() -> None:
    async def test(made: World) -> None:
        """Ending a request at once, inside an action, enters the machine only when it is out."""
        sync = made.machines[Owner.SYNC]
        gone = PeerNumber(9)
        sync.wants["ended"] = lambda: [Send(ONE, PREFER)]
        assert made.perform(Ask(gone, "k", HEADERS), Send(TWO, PREFER), owner=Owner.SYNC) == [
            ("SYNC", "ended", gone, "k", End.LEFT),
            (TWO, "send", PREFER),
            (ONE, "send", PREFER),
        ]

    with_room(test)


def test_an_action_that_fails_does_not_stop_the_room() -> None:
    async def test(made: World) -> None:
        made.perform(Ask(ONE, "k", HEADERS))
        assert made.perform(Ask(ONE, "k", HEADERS)) == [("asked", ONE)]
        assert made.perform(Send(ONE, PREFER)) == [(ONE, "send", PREFER)]

    with_room(test)


def test_all_machines_hear_of_peers_and_of_the_chain() -> None:
    async def test(made: World) -> None:
        made.room.joined(peer(ONE))
        made.room.chain_changed()
        names = [owner.name for owner in Owner]
        assert made.log == [
            *((name, "joined", ONE) for name in names),
            *((name, "chain_changed") for name in names),
        ]

    with_room(test)


def test_requests_of_a_peer_that_left_end_before_the_machines_hear_of_it() -> None:
    async def test(made: World) -> None:
        made.perform(Ask(ONE, "k", HEADERS), owner=Owner.SYNC)
        made.log.clear()
        del made.lines[ONE]
        made.room.left(ONE)
        assert made.log[0] == ("SYNC", "ended", ONE, "k", End.LEFT)
        assert made.log[1:] == [(owner.name, "left", ONE) for owner in Owner]

    with_room(test)


def test_jobs_run_beside_each_other_and_come_back() -> None:
    async def test(made: World) -> None:
        assert made.perform(Job("slow", 2.0), Job("quick", 1.0), Send(ONE, PREFER)) == [
            (ONE, "send", PREFER)
        ]
        made.log.clear()
        made.machines[Owner.BLOCKS].wants["done"] = lambda: [Own("next")]
        await trio.sleep(3)
        assert made.log == [
            ("BLOCKS", "done", "quick", "value of quick"),
            ("told", "BLOCKS", Own("next")),
            ("BLOCKS", "done", "slow", "value of slow"),
        ]

    with_room(test)


def test_after_the_end_no_job_begins() -> None:
    async def main() -> None:
        made = World()
        async with trio.open_nursery() as nursery:
            await nursery.start(made.room.run, made.late.append)
            nursery.cancel_scope.cancel()
        made.room.perform(Owner.SYNC, [Job("late")])

    mocked(main)


def test_timers_of_machines_are_served_when_due() -> None:
    async def test(made: World) -> None:
        blocks = made.machines[Owner.BLOCKS]
        began = steady()
        blocks.at = began + 400
        # A timer set within an event is not slept through.
        made.perform(Own("x"))
        made.log.clear()
        blocks.wants["on_time"] = lambda: [Send(ONE, PREFER)]
        await trio.sleep(0.5)
        ((_, _, at), sent) = made.log
        assert 400 <= at - began <= 410
        assert sent == (ONE, "send", PREFER)

    with_room(test)


def test_a_request_that_is_late_ends_and_is_blamed() -> None:
    async def test(made: World) -> None:
        made.perform(Ask(ONE, "k", HEADERS), owner=Owner.SYNC)
        made.log.clear()
        await trio.sleep(ANSWER_BEGINS_MS / 1000 + 0.1)
        assert made.log[0] == ("SYNC", "ended", ONE, "k", End.LATE)
        assert [one[:3] for one in made.log[1:]] == [
            ("blamed", ONE, Offence.LATE_ANSWER),
            (ONE, "send", talk.Nevermind(1)),
        ]

    with_room(test)


def test_the_room_says_how_late_its_timers_came() -> None:
    async def test(made: World) -> None:
        await trio.sleep(5)
        assert len(made.late) >= 4
        assert max(made.late) <= 1
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        # As after SIGSTOP: the clock went on, the process did not.
        clock.jump(60)
        await trio.sleep(1)
        assert 58_000 < max(made.late) <= 60_000

    with_room(test)


def test_a_block_is_pushed_in_two_parts() -> None:
    async def test(made: World) -> None:
        proof = bulk.Proof(0, ID, b"proof")
        assert made.perform(Send(ONE, COMPACT), Send(ONE, proof)) == [
            (ONE, "push", COMPACT),
            (ONE, "push on", proof),
        ]

    with_room(test)


def test_a_block_that_cannot_be_pushed_is_announced() -> None:
    async def test(made: World) -> None:
        proof = bulk.Proof(0, ID, b"proof")
        made.lines[ONE].takes_pushes = False
        assert made.perform(Send(ONE, COMPACT), Send(ONE, proof), Send(TWO, COMPACT)) == [
            (ONE, "send", talk.Announce(b"header")),
            (TWO, "push", COMPACT),
        ]
        # The next one goes again.
        made.lines[ONE].takes_pushes = True
        assert len(made.perform(Send(ONE, COMPACT), Send(ONE, proof))) == 2

    with_room(test)
