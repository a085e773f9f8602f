"""The workers of a miner's entries: who is loaded, who is mined, who answers calls."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from esper.consensus.context import ChainContext
from esper.consensus.tiers import TierState
from esper.dao.registry import ONE
from esper.dao.schedule import Activation, Scheduled, registry_at, still_ahead
from esper.node.entries.entry_workers import EntryWorkers
from esper.node.entries.prospects import HOLD_MS, Readiness
from esper.node.entries.room import EntryRoom
from esper.node.workers.loadable import Loadable
from esper.node.workers.worker_process import WorkerError
from tests.support.node.node_world import PARAMS, go, rest
from tests.support.node.rotation_world import (
    ACTIVE,
    LIFE,
    NEW,
    NEW_ONE,
    OLD_ONE,
    SETTLED,
    RotationCrew,
)

SIDE = replace(NEW, model=replace(NEW.model, tier=1))
SIDE_ONE = Loadable.of(SIDE)
TWO_TIERS = (Scheduled(2, Activation(SIDE, ONE // 4)),)


def at(height: int, schedule: tuple[Scheduled, ...] = LIFE) -> ChainContext:
    """A chain whose tip is below the block of a height."""
    begin = ChainContext.genesis(PARAMS)
    registry = registry_at(begin.registry, schedule, height)
    return replace(
        begin,
        height=height - 1,
        executed_height=height - 1,
        tip_registry=registry,
        schedule=still_ahead(schedule, height),
        tip_tiers=TierState.of(registry),
    )


class Room:
    """A room with its crew and a clock that stands where it is put."""

    def __init__(self, tier: int | None = None, **crew: Any) -> None:
        self.now_ms = 0
        self.crew = RotationCrew(lambda: self.now_ms, **crew)
        self.room = EntryRoom(self.crew, tier, lambda: self.now_ms)
        self.heard: list[tuple[Loadable, object]] = []
        self.changes = 0
        self.room.changed = self._changed

    def _changed(self) -> None:
        self.changes += 1

    def hear(self, entry: EntryWorkers, event: object) -> None:
        self.heard.append((entry.entry, event))

    async def look(self, height: int, schedule: tuple[Scheduled, ...] = LIFE) -> Loadable | None:
        """Look at the block of a height, let everybody come to rest; what is chosen then."""
        self.room.look(at(height, schedule))
        await rest()
        self.room.look(at(height, schedule))
        chosen = self.room.choose(at(height, schedule))
        return None if chosen is None else chosen.entry

    def readiness(self) -> dict[Loadable, Readiness]:
        return {entry: one.readiness for entry, one in self.room.loaded.items()}


@asynccontextmanager
async def running(room: Room) -> AsyncIterator[Room]:
    async with trio.open_nursery() as nursery:
        await nursery.start(room.room.run, room.hear, lambda: "and waits")
        yield room
        nursery.cancel_scope.cancel()


def lives(test: Callable[[Room], Any], **parts: Any) -> None:
    async def main() -> None:
        async with running(Room(**parts)) as room:
            await test(room)

    go(main)


def test_who_is_chosen_over_the_life_of_an_activation() -> None:
    async def test(room: Room) -> None:
        assert await room.look(1) == OLD_ONE
        assert room.readiness() == {OLD_ONE: Readiness.READY}
        assert await room.look(ACTIVE - 1) == OLD_ONE
        assert room.readiness() == {OLD_ONE: Readiness.READY, NEW_ONE: Readiness.READY}
        assert room.room.loaded[OLD_ONE].until == SETTLED - 1
        assert await room.look(ACTIVE) == NEW_ONE
        assert room.room.loaded[NEW_ONE].until is None
        # Long after the activation the old one rests; its calls are answered still.
        assert await room.look(SETTLED - 1) == NEW_ONE
        await rest()
        assert room.readiness() == {OLD_ONE: Readiness.RESTING, NEW_ONE: Readiness.READY}
        assert room.crew.work_prover(OLD_ONE).asked[-1] == "close"
        assert "close" not in room.crew.call_prover(OLD_ONE).asked
        assert await room.look(SETTLED) == NEW_ONE
        assert room.readiness() == {NEW_ONE: Readiness.READY}
        assert room.crew.call_prover(OLD_ONE).asked[-1] == "close"

    lives(test)


def test_numbers_are_no_greater_than_there_are_entries_at_one_time() -> None:
    async def test(room: Room) -> None:
        def numbers() -> dict[Loadable, int]:
            return {entry: one.number for entry, one in room.room.loaded.items()}

        await room.look(ACTIVE - 1)
        assert numbers() == {OLD_ONE: 1, NEW_ONE: 2}
        await room.look(SETTLED)
        # One that stays keeps its own; whoever comes has the first that is free.
        assert numbers() == {NEW_ONE: 2}
        await room.look(1)
        assert numbers() == {OLD_ONE: 1}

    lives(test)


def test_a_branch_without_the_activation_is_mined_at_once() -> None:
    async def test(room: Room) -> None:
        await room.look(ACTIVE - 1)
        assert await room.look(ACTIVE + 2) == NEW_ONE
        assert await room.look(ACTIVE - 1) == OLD_ONE
        assert await room.look(ACTIVE) == NEW_ONE
        assert [room.crew.searcher(one).starts for one in (OLD_ONE, NEW_ONE)] == [1, 1]

    lives(test)


def test_one_that_rested_is_started_again_when_it_is_needed() -> None:
    async def test(room: Room) -> None:
        await room.look(ACTIVE)
        await room.look(SETTLED - 1)
        await rest()
        assert await room.look(ACTIVE - 1) == OLD_ONE
        assert room.crew.searcher(OLD_ONE).starts == 2

    lives(test)


def test_who_works_is_not_ended() -> None:
    async def test(room: Room) -> None:
        await room.look(ACTIVE)
        before = room.changes
        with room.room.answering(NEW_ONE.model_id):
            pass
        # Nobody waits for those that stay.
        assert room.changes == before
        with room.room.answering(OLD_ONE.model_id) as prover:
            assert prover is room.crew.call_prover(OLD_ONE)
            await room.look(SETTLED)
            assert set(room.readiness()) == {OLD_ONE, NEW_ONE}
            before = room.changes
        # Whoever looks after them is told that they are free.
        assert room.changes == before + 1
        await room.look(SETTLED)
        assert set(room.readiness()) == {NEW_ONE}
        gone = room.room.answering(OLD_ONE.model_id)
        with pytest.raises(WorkerError, match="is no longer loaded"), gone:
            raise AssertionError

    lives(test)


def test_calls_are_answered_by_all_that_is_loaded() -> None:
    async def test(room: Room) -> None:
        await room.look(1)
        assert room.room.models == {OLD_ONE.model_id}
        await room.look(ACTIVE)
        assert room.room.models == {OLD_ONE.model_id, NEW_ONE.model_id}

    lives(test)


def test_the_last_that_cannot_begin_ends_the_miner() -> None:
    async def test(room: Room) -> None:
        await room.look(ACTIVE)

    with pytest.raises(BaseExceptionGroup) as group:
        lives(test, here={NEW_ONE}, unfit={NEW_ONE})
    assert group.value.subgroup(WorkerError) is not None


def test_a_search_that_died_is_started_again() -> None:
    async def test(room: Room) -> None:
        await room.look(1)
        room.crew.searcher(OLD_ONE).die()
        await rest()
        assert room.readiness() == {OLD_ONE: Readiness.LOADING}
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(6)
        await rest()
        assert room.readiness() == {OLD_ONE: Readiness.READY}

    lives(test)


def test_the_best_tier_is_mined_and_kept_for_a_while() -> None:
    async def test(room: Room) -> None:
        # Nothing is measured: one after the other is tried.
        assert await room.look(3, TWO_TIERS) == OLD_ONE
        old, side = room.room.loaded[OLD_ONE], room.room.loaded[SIDE_ONE]
        old.speed.searched(1_000, 1_000, 1_000)
        assert await room.look(3, TWO_TIERS) == SIDE_ONE
        side.speed.searched(1, 1, 1_000)
        assert await room.look(3, TWO_TIERS) == SIDE_ONE
        room.now_ms += HOLD_MS
        assert await room.look(3, TWO_TIERS) == OLD_ONE
        assert room.crew.searcher(SIDE_ONE).jobs[-1] is None
        room.now_ms += HOLD_MS
        assert await room.look(3, TWO_TIERS) == OLD_ONE

    lives(test, here={OLD_ONE, SIDE_ONE})


def test_a_tier_that_was_named_is_the_only_one_that_is_loaded() -> None:
    async def test(room: Room) -> None:
        assert await room.look(3, TWO_TIERS) == SIDE_ONE
        assert set(room.readiness()) == {SIDE_ONE}
        states = [one.readiness for one in room.room.prospects(at(3, TWO_TIERS))]
        assert states == [Readiness.LEFT, Readiness.READY]

    lives(test, tier=1, here={OLD_ONE, SIDE_ONE})


def test_a_tier_that_is_not_there_is_said_until_it_comes() -> None:
    async def test(room: Room) -> None:
        assert room.room.why_no_tier(at(3, ())) == (
            "there is no tier 1 at height 2: nothing is mined before a vote adds it; name one that "
            "is there with `--tier` (0)"
        )
        assert room.room.why_no_tier(at(3, TWO_TIERS)) == ""

    lives(test, tier=1, here={OLD_ONE, SIDE_ONE})


def test_the_best_tier_is_always_there() -> None:
    async def test(room: Room) -> None:
        assert room.room.why_no_tier(at(3, ())) == ""

    lives(test)


def test_threads_are_everybody_s_and_what_was_measured_with_others_is_forgotten() -> None:
    async def test(room: Room) -> None:
        await room.look(3, TWO_TIERS)
        old, side = room.room.loaded[OLD_ONE], room.room.loaded[SIDE_ONE]
        for one in (old, side):
            one.speed.searched(1, 1, 1_000)
        assert room.room.mined is old
        await room.room.use_threads(3, 4)
        for entry in (OLD_ONE, SIDE_ONE):
            assert room.crew.searcher(entry).threads == [3]
            assert room.crew.work_prover(entry).threads == [4]
            assert room.crew.call_prover(entry).threads == [4]
        assert (old.speed.attempts_per_second, side.speed.attempts_per_second) == (1.0, 0.0)

    lives(test, here={OLD_ONE, SIDE_ONE})
