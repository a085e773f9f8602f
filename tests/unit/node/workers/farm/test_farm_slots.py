"""What a farm tells of its workers: as many slots as workers at one time, whoever dies."""

import pytest
import trio

from esper.node.workers.farm.farm import LAG_MS, LostWorkError
from esper.node.workers.farm.link_messages import LinkKind
from esper.node.workers.farm.work_records import SearchNews, news_bytes
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.worker_messages import Search
from esper.node.workers.worker_slot import SlotStanding, WorkerState
from tests.support.farm.assignments import assignment_of
from tests.support.farm.farm_play import ENTRY, Play, play
from tests.support.farm.played_driver import Drivers
from tests.support.farm.search_jobs import EASY_JOB


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> Drivers:
    return Drivers(monkeypatch)


def standings(played: Play, role: Role) -> list[SlotStanding]:
    return [one.standing() for one in played.farm.slots[role]]


def test_a_worker_is_told_of_from_when_it_is_asked_for(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        [first] = standings(played, Role.PROVE)
        assert (first.state, first.worker) == (WorkerState.STARTING, 1)
        search = await played.searcher()
        [there, *_] = standings(played, Role.SEARCH)
        assert (there.state, there.worker, there.host, there.pid) == (
            WorkerState.IDLE,
            search,
            "there",
            7,
        )
        played.farm.tell(search, Search(EASY_JOB))
        await trio.sleep(2)
        drivers.now.say(LinkKind.NEWS, search, data=news_bytes(SearchNews(3, 90)))
        await played.settle()
        [there, *_] = standings(played, Role.SEARCH)
        assert (there.state, there.in_hand) == (WorkerState.BUSY, "block 1")
        assert there.in_hand_ms == pytest.approx(2010, abs=20)
        assert (there.attempts, there.tokens) == (3, 90)
        played.farm.tell(search, Search(None))
        assert standings(played, Role.SEARCH)[0].state is WorkerState.IDLE

    play(drivers, story)


def test_a_proof_is_in_hand_until_it_is_given(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        worker = await played.prover()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(played.farm.prove, worker, b"claim", "proof of a ticket")
            await trio.sleep(3)
            there = worker.slot.standing()
            assert (there.state, there.in_hand) == (WorkerState.BUSY, "proof of a ticket")
            assert there.in_hand_ms == pytest.approx(3000, abs=20)
            drivers.now.prove(drivers.now.of(LinkKind.DO)[-1], b"proof")
        there = worker.slot.standing()
        assert there.state is WorkerState.IDLE
        # Whether it holds is the prover's to see.
        assert there.proofs == 0
        assert there.busy_ms == pytest.approx(3000, abs=20)

    play(drivers, story)


def test_there_are_never_more_slots_than_workers_whoever_dies(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        for turn in range(100):
            await played.searcher()
            for role in Role:
                for worker in played.farm.ready(role):
                    drivers.now.say(LinkKind.GONE, worker.number, data=b"death %d" % turn)
            await played.settle()
        most = assignment_of().most
        for role in Role:
            found = standings(played, role)
            assert len(found) <= most[role]
            assert found[0].restarts >= 98
            assert found[0].lost is not None
            assert found[0].lost.why == "death 99"

    play(drivers, story)


def test_a_lost_worker_is_told_with_its_machine_and_why(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        search = await played.searcher()
        drivers.now.say(LinkKind.GONE, search, data=b"its process died\n\x1b[31m")
        await trio.sleep(4)
        [there, *_] = standings(played, Role.SEARCH)
        assert there.state is WorkerState.STARTING
        assert there.worker != search
        assert there.lost is not None
        assert (there.lost.worker, there.lost.host) == (search, "there")
        # What other machines say is shown to people.
        assert there.lost.why == "its process died  [31m"
        assert there.lost.ago_ms == pytest.approx(4000, abs=20)
        drivers.now.place(there.worker)
        await played.settle()
        assert standings(played, Role.SEARCH)[0].restarts == 1

    play(drivers, story)


def test_one_that_waited_comes_in_the_slot_of_one_that_was_lost(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        # All provers, so that searches alone are asked for.
        while len(played.farm.ready(Role.PROVE)) < 2:
            await played.searcher()
            drivers.now.place(next(iter(reversed(played.farm.workers))))
            await played.settle()
        [first, waiting] = standings(played, Role.SEARCH)
        assert (first.state, waiting.state) == (WorkerState.IDLE, WorkerState.STARTING)
        drivers.now.say(LinkKind.GONE, first.worker, data=b"its process died")
        await played.settle()
        assert standings(played, Role.SEARCH)[0].state is WorkerState.NONE
        drivers.now.place(waiting.worker)
        await played.settle()
        [first, another] = standings(played, Role.SEARCH)
        assert (first.worker, first.state, first.restarts) == (waiting.worker, WorkerState.IDLE, 1)
        assert (another.state, another.lost) == (WorkerState.STARTING, None)

    play(drivers, story)


def test_one_that_was_replaced_is_lost_as_well(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        await played.searcher()
        [prover] = played.farm.ready(Role.PROVE)
        for _ in range(2 * LAG_MS // 1000):
            drivers.now.say(LinkKind.NEWS, prover.number)
            await trio.sleep(1)
        lost = standings(played, Role.SEARCH)[0].lost
        assert lost is not None
        assert lost.why == "it said nothing for 20 s"

    play(drivers, story)


def test_with_the_driver_all_workers_are_lost(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        await played.searcher()
        worker = await played.prover()
        ready = sum(len(played.farm.ready(role)) for role in Role)

        async def lost() -> None:
            with pytest.raises(LostWorkError):
                await played.farm.prove(worker, b"claim")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lost)
            await played.settle()
            drivers.now.die()
        for role in Role:
            found = standings(played, role)
            assert {one.state for one in found} == {WorkerState.NONE}
            assert found[0].lost is not None
            assert found[0].lost.why == "farm worker ended with status 1"
        assert played.farm.counts.lost == ready
        await trio.sleep(0.5)
        assert played.farm.since_ms == pytest.approx(500, abs=20)
        await trio.sleep(1)
        # Whoever comes now is in the same slots.
        assert standings(played, Role.PROVE)[0].state is WorkerState.STARTING
        assert played.farm.since_ms == pytest.approx(500, abs=20)

    play(drivers, story)


def test_what_is_wanted_no_more_is_not_lost(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        await played.searcher()
        worker = await played.prover()
        # A proof that nobody wants any more ends its worker.
        with trio.move_on_after(1):
            await played.farm.prove(worker, b"claim")
        assert played.farm.entry == ENTRY
        played.farm.release(played.heard)
        for role in Role:
            for one in standings(played, role):
                assert (one.state, one.lost) == (WorkerState.NONE, None)
        assert played.farm.entry is None

    play(drivers, story)
