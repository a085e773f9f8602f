"""The node's side of a farm, against a driver that the test plays: who is asked for, and when."""

from dataclasses import replace

import pytest
import trio

from esper.node.workers.farm.farm import (
    FIRST_PAUSE_S,
    LAG_MS,
    LEAST_PATIENCE_S,
    PROOF_S,
    SLOW,
    WAITING_MESSAGES,
    FarmWorker,
    LostWorkError,
)
from esper.node.workers.farm.link_messages import LinkKind
from esper.node.workers.farm.work_records import SearchNews, WorkReply, news_bytes
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.worker_messages import Search
from tests.support.farm.assignments import assignment_of
from tests.support.farm.farm_play import Heard, Play, play
from tests.support.farm.played_driver import Drivers

ENTRY = assignment_of().entry


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> Drivers:
    return Drivers(monkeypatch)


def test_one_worker_more_than_runs_is_asked_for(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        driver = drivers.now
        [first] = driver.asked(Role.PROVE)
        assert driver.asked(Role.SEARCH) == []
        driver.place(first)
        await played.settle()
        [second] = driver.asked(Role.SEARCH)
        driver.place(second, b"a machine\n\x1b[31m")
        await played.settle()
        assert played.heard.events == [("joined", second)]
        # What a machine calls itself is shown to people.
        assert played.farm.workers[second].host == "a machine  [31m"
        assert len(driver.asked(Role.PROVE)) == 2
        await trio.sleep(5)
        assert len(driver.told) == 3

    play(drivers, story)


def test_workers_that_died_are_replaced(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        search = await played.searcher()
        asked = len(drivers.now.asked(Role.SEARCH))
        drivers.now.say(LinkKind.GONE, search, data=b"its process died")
        await played.settle()
        assert played.heard.events[-1] == ("left", search)
        assert len(drivers.now.asked(Role.SEARCH)) == asked + 1
        assert played.farm.counts.lost == 1
        await trio.sleep(3)
        drivers.now.place(drivers.now.asked(Role.SEARCH)[-1])
        await played.settle()
        assert played.farm.counts.recovery_ms == [pytest.approx(3010, abs=20)]
        # A word of one that is gone means nothing.
        drivers.now.say(LinkKind.NEWS, search, data=news_bytes(SearchNews(1)))
        await played.settle()
        assert ("said", search) not in played.heard.events

    play(drivers, story)


def test_the_first_prover_goes_before_a_search_that_waits(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        worker = await played.prover()
        [waiting] = drivers.now.asked(Role.SEARCH)
        drivers.now.say(LinkKind.GONE, worker.number)
        await played.settle()
        assert [one.worker for one in drivers.now.of(LinkKind.END)] == [waiting]
        assert len(drivers.now.asked(Role.PROVE)) == 2
        assert len(drivers.now.asked(Role.SEARCH)) == 1

    play(drivers, story)


def test_workers_that_say_nothing_are_replaced(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        search = await played.searcher()
        [prover] = played.farm.ready(Role.PROVE)
        for _ in range(2 * LAG_MS // 1000):
            drivers.now.say(LinkKind.NEWS, prover.number)
            await trio.sleep(1)
        # The second prover gives way: there is no search at all.
        [ended, second] = [one.worker for one in drivers.now.of(LinkKind.END)]
        assert ended == search
        assert second in drivers.now.asked(Role.PROVE)
        assert played.heard.events == [("joined", search), ("left", search)]
        assert played.farm.counts.replaced == 1
        assert played.farm.ready(Role.PROVE) == [prover]

    play(drivers, story)


def test_workers_that_cannot_begin_are_asked_for_less_and_less(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        for _ in range(200):
            for number in list(played.farm.workers):
                drivers.now.say(LinkKind.GONE, number, data=b"no such module: esper")
            await trio.sleep(1)
        assert 5 < len(drivers.now.asked(Role.PROVE)) < 12

    play(drivers, story)


def test_a_driver_that_dies_is_started_again_and_nobody_of_it_is_left(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        search = await played.searcher()
        worker = await played.prover()
        first = drivers.now

        async def lost() -> None:
            with pytest.raises(LostWorkError):
                await played.farm.prove(worker, b"claim")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lost)
            await played.settle()
            first.die()
        assert first.ended
        assert played.heard.events[-1] == ("left", search)
        assert played.farm.workers == {}
        assert "status 1" in played.farm.down
        assert await played.farm.idle_prover(ENTRY) is None
        await trio.sleep(2 * FIRST_PAUSE_S)
        assert drivers.now is not first
        assert played.farm.down == ""
        assert len(drivers.now.asked(Role.PROVE)) == 1

    play(drivers, story)


def test_a_cluster_that_is_not_there_is_looked_for_less_and_less(drivers: Drivers) -> None:
    drivers.refuse = "no cluster of Ray at auto"

    async def story(played: Play) -> None:
        assert played.farm.down == drivers.refuse
        assert await played.farm.idle_prover(ENTRY) is None
        await trio.sleep(1000)
        drivers.refuse = ""
        await trio.sleep(61)
        assert len(drivers.lives) == 1

    play(drivers, story)


def test_a_prover_has_one_proof_and_the_next_one_waits(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        worker = await played.prover()
        replies: list[WorkReply] = []

        async def prove(taken: FarmWorker | None) -> None:
            taken = taken or await played.farm.idle_prover(ENTRY)
            assert taken is worker
            replies.append(await played.farm.prove(taken, b"claim"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(prove, worker)
            await played.settle()
            nursery.start_soon(prove, None)
            await played.settle()
            [first] = drivers.now.of(LinkKind.DO)
            # An answer to what was not asked of this worker is nobody's.
            drivers.now.say(LinkKind.DONE, worker.number, first.call + 1, b"x")
            await played.settle()
            assert replies == []
            drivers.now.prove(first, b"one")
            await played.settle()
            drivers.now.prove(drivers.now.of(LinkKind.DO)[1], b"two")
        assert [one.data for one in replies] == [b"one", b"two"]
        assert not worker.busy

    play(drivers, story)


def test_a_proof_of_another_entry_is_not_the_farms(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        await played.prover()
        strange = replace(ENTRY, puzzle=replace(ENTRY.puzzle, rows=ENTRY.puzzle.rows + 1))
        assert await played.farm.idle_prover(strange) is None

    play(drivers, story)


def test_a_proof_that_nobody_wants_any_more_ends_its_worker(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        worker = await played.prover()
        with trio.move_on_after(1):
            await played.farm.prove(worker, b"claim")
        await played.settle()
        assert worker.number in [one.worker for one in drivers.now.of(LinkKind.END)]
        assert worker.number not in played.farm.workers
        # Nobody is at fault.
        assert played.farm.counts.replaced == played.farm.counts.lost == 0

    play(drivers, story)


def test_a_proof_that_takes_too_long_is_another_workers(drivers: Drivers) -> None:
    async def alive(played: Play, worker: int) -> None:
        while True:
            drivers.now.say(LinkKind.NEWS, worker)
            await trio.sleep(1)

    async def story(played: Play) -> None:
        async def lost(patience_s: float) -> None:
            worker = await played.prover()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(alive, played, worker.number)
                began = trio.current_time()
                with pytest.raises(LostWorkError):
                    await played.farm.prove(worker, b"claim")
                assert trio.current_time() - began == pytest.approx(patience_s, abs=1)
                nursery.cancel_scope.cancel()
            assert worker.number not in played.farm.workers

        async def proven(seconds: float) -> None:
            worker = await played.prover()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(alive, played, worker.number)

                async def answer() -> None:
                    await trio.sleep(seconds)
                    drivers.now.prove(drivers.now.of(LinkKind.DO)[-1], b"proof")

                nursery.start_soon(answer)
                await played.farm.prove(worker, b"claim")
                nursery.cancel_scope.cancel()

        await lost(PROOF_S)
        await proven(1)
        await lost(LEAST_PATIENCE_S)
        await proven(20)
        await lost(SLOW * 20)

    play(drivers, story)


@pytest.mark.parametrize("data", [b"", b"\xc1", bytes(100_000)])
def test_a_worker_that_says_what_none_says_is_replaced(drivers: Drivers, data: bytes) -> None:
    async def story(played: Play) -> None:
        search = await played.searcher()
        drivers.now.say(LinkKind.NEWS, search, data=data)
        await played.settle()
        assert search not in played.farm.workers
        worker = await played.prover()

        async def answer() -> None:
            await played.settle()
            drivers.now.say(
                LinkKind.DONE, worker.number, drivers.now.of(LinkKind.DO)[-1].call, data
            )

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with pytest.raises(LostWorkError):
                await played.farm.prove(worker, b"claim")
        assert worker.number not in played.farm.workers
        waiting = next(iter(played.farm.workers))
        drivers.now.say(LinkKind.PLACED, waiting, data=data)
        await played.settle()
        assert waiting not in played.farm.workers
        assert played.farm.counts.replaced == 3

    play(drivers, story)


def test_a_driver_that_says_what_none_says_or_reads_nothing_is_started_again(
    drivers: Drivers,
) -> None:
    async def story(played: Play) -> None:
        search = await played.searcher()
        drivers.now.say(LinkKind.ASK, search)
        await trio.sleep(2 * FIRST_PAUSE_S)
        assert len(drivers.lives) == 2
        for _ in range(WAITING_MESSAGES + 10):
            played.farm.tell(1, Search(None))
        await trio.sleep(10 * FIRST_PAUSE_S)
        assert len(drivers.lives) == 3

    play(drivers, story)


def test_who_rests_has_no_workers(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        await played.searcher()
        numbers = set(played.farm.workers)
        played.farm.release(Heard())
        assert set(played.farm.workers) == numbers
        played.farm.release(played.heard)
        await trio.sleep(5)
        assert {one.worker for one in drivers.now.of(LinkKind.END)} == numbers
        assert played.farm.workers == {}

    play(drivers, story)


def test_searches_take_cards_beside_provers(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.farm.assign(assignment_of(gpus=1), played.heard)
        await played.settle()
        ended = {one.worker for one in drivers.now.of(LinkKind.END)}
        waiting = set(played.farm.workers) - ended
        assert {played.farm.workers[one].role for one in waiting} == set(Role)

    play(drivers, story)
