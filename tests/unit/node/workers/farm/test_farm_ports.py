"""What mining asks of a farm: one search whoever takes part, and proofs that hold."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
import trio.testing

from esper.consensus.genesis import genesis_hash
from esper.node.workers.call_answerer import OpenCall
from esper.node.workers.farm.farm import Farm
from esper.node.workers.farm.farm_prover import MOST_TRIES, FarmProver
from esper.node.workers.farm.farm_search import FarmSearcher
from esper.node.workers.farm.found_record import FoundRecord, found_bytes
from esper.node.workers.farm.link_messages import LinkKind, LinkMessage
from esper.node.workers.farm.ticket_check import TicketCheck
from esper.node.workers.farm.work_records import (
    SearchNews,
    WorkReply,
    decode_claim,
    decode_told,
    news_bytes,
    reply_bytes,
)
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.search import SearchJob, Ticket, TicketSearch
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import WorkerError
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.ids import Txid
from esper.vm.llm_call import LlmCall
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.farm.assignments import assignment_of
from tests.support.farm.played_driver import Drivers
from tests.support.farm.search_jobs import EASY_JOB
from tests.support.node.fake_workers import FakeProverPort

PARAMS = fake_network()
NOW_MS = PARAMS.genesis_time_ms + 20_000
ASSIGNED = assignment_of(PARAMS)


class OwnSearch:
    """The node's own process: it does what a test has it do."""

    def __init__(self) -> None:
        self.jobs: list[SearchJob | None] = []
        self.events: trio.MemorySendChannel[Found | Progress] | None = None
        self.fails = trio.Event()
        self.slot = WorkerSlot()

    async def run(
        self,
        events: "trio.MemorySendChannel[Found | Progress]",
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        self.events = events
        task_status.started()
        await self.fails.wait()
        self.fails = trio.Event()
        raise WorkerError("search worker ended with status 1")

    def search(self, job: SearchJob | None) -> None:
        self.jobs.append(job)

    def last(self) -> SearchJob | None:
        return self.jobs[-1]

    def use_threads(self, threads: int) -> None:
        """Nothing is computed."""


class Play:
    """A searcher and a prover over a farm whose driver a test plays."""

    def __init__(self, drivers: Drivers) -> None:
        self.drivers = drivers
        self.own, self.own_prover = OwnSearch(), FakeProverPort(PARAMS)
        steady = lambda: int(1000 * trio.current_time())  # noqa: E731
        self.farm = Farm(["driver"], "auto", steady)
        check = TicketCheck(PARAMS.puzzle, PARAMS.model, prompt_source(PARAMS))
        self.searcher = FarmSearcher(
            self.own, self.farm, ASSIGNED, lambda: check, lambda: NOW_MS, steady
        )
        self.prover = FarmProver(
            self.own_prover,
            self.farm,
            ASSIGNED.entry,
            FakeVerifier(PARAMS.model),
            genesis_hash(PARAMS),
        )
        self.send, self.events = trio.open_memory_channel[Found | Progress](100)

    async def settle(self) -> None:
        await trio.sleep(0.01)

    async def ready(self, role: Role, count: int = 1) -> list[int]:
        """So many workers of a role; others are ready as well."""
        while len(self.farm.ready(role)) < count:
            await self.settle()
            waiting = [one.number for one in self.farm.workers.values() if one.ready_ms is None]
            self.drivers.now.place(waiting[0])
            await self.settle()
        return [one.number for one in self.farm.ready(role)]

    def told(self, worker: int) -> SearchJob | None:
        """What a worker was told last."""
        tells = [one for one in self.drivers.now.of(LinkKind.TELL) if one.worker == worker]
        return decode_told(tells[-1].data).job

    def mined(self, worker: int) -> Ticket:
        """What a worker finds that does as it was told last."""
        tells = [one for one in self.drivers.now.of(LinkKind.TELL) if one.worker == worker]
        search = decode_told(tells[-1].data)
        assert search.job is not None
        engine = FakeInference(PARAMS.model)
        tries = TicketSearch(PARAMS.puzzle, PARAMS.model, engine, prompt_source(PARAMS))
        for start in range(search.first_nonce, search.first_nonce + 10_000, 16):
            ticket = tries.step(search.job, NOW_MS, range(start, start + 16)).ticket
            if ticket is not None:
                return ticket
        raise AssertionError("none of ten thousand nonces wins")

    def find(self, worker: int, number: int, ticket: Ticket) -> None:
        record = FoundRecord(number, ticket.pre.time_ms, ticket.pre.nonce, ticket.outputs.answers)
        news = SearchNews(1, 2, number, found_bytes(record))
        self.drivers.now.say(LinkKind.NEWS, worker, data=news_bytes(news))

    async def found(self) -> list[Found]:
        """What mining is told until nothing more comes."""
        await self.settle()
        events: list[Found | Progress] = []
        with trio.move_on_after(0.5):
            while True:
                events.append(await self.events.receive())
        return [one for one in events if isinstance(one, Found)]


Story = Callable[[Play], Awaitable[None]]


def play(drivers: Drivers, story: Story) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            played = Play(drivers)
            await nursery.start(played.farm.run)
            await nursery.start(played.searcher.run, played.send)
            await played.settle()
            await story(played)
            nursery.cancel_scope.cancel()

    # Threads that load and verify take no time of the clock, but some of it must go by.
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.02))


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> Drivers:
    return Drivers(monkeypatch)


def test_the_own_process_searches_while_no_worker_is_ready(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        assert played.own.last() == EASY_JOB
        [first] = await played.ready(Role.SEARCH)
        assert played.own.last() is None
        assert played.told(first) == EASY_JOB
        drivers.now.say(LinkKind.GONE, first)
        await played.settle()
        assert played.own.last() == EASY_JOB

    play(drivers, story)


def test_a_cluster_that_goes_leaves_the_own_process_with_the_job(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        await played.ready(Role.SEARCH, 2)
        drivers.now.die()
        await played.settle()
        assert played.own.last() == EASY_JOB
        await trio.sleep(5)
        [again] = await played.ready(Role.SEARCH)
        assert played.told(again) == EASY_JOB
        assert played.own.last() is None

    play(drivers, story)


def test_a_new_tip_is_told_to_all_and_their_old_finds_are_dropped(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        workers = await played.ready(Role.SEARCH, 2)
        old = played.mined(workers[0])
        pre = replace(EASY_JOB.pre, parent=type(EASY_JOB.pre.parent)(bytes(64)))
        new = replace(EASY_JOB, number=2, pre=pre)
        played.searcher.search(new)
        await played.settle()
        assert [played.told(one) for one in workers] == [new, new]
        played.find(workers[0], 1, old)
        assert await played.found() == []
        assert len(played.farm.ready(Role.SEARCH)) == 2
        played.searcher.search(None)
        await played.settle()
        assert [played.told(one) for one in workers] == [None, None]
        assert played.own.last() is None

    play(drivers, story)


def test_a_job_is_found_once_by_whoever_is_first(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        first, second = await played.ready(Role.SEARCH, 2)
        tickets = [played.mined(one) for one in (first, second)]
        played.find(first, 1, tickets[0])
        played.find(second, 1, tickets[1])
        assert await played.found() == [Found(1, tickets[0])]
        assert played.told(first) is played.told(second) is None

    play(drivers, story)


def test_a_find_of_the_own_process_ends_the_search_of_all(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        [worker] = await played.ready(Role.SEARCH)
        ticket = played.mined(worker)
        assert played.own.events is not None
        # It was found while the worker began.
        await played.own.events.send(Found(1, ticket))
        assert await played.found() == [Found(1, ticket)]
        assert played.told(worker) is None
        played.find(worker, 1, ticket)
        assert await played.found() == []

    play(drivers, story)


def test_a_worker_whose_find_does_not_hold_is_replaced(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        [worker] = await played.ready(Role.SEARCH)
        ticket = played.mined(worker)
        wrong = replace(ticket, pre=replace(ticket.pre, nonce=ticket.pre.nonce + 1))
        played.find(worker, 1, wrong)
        assert await played.found() == []
        assert worker not in played.farm.workers
        assert played.farm.counts.replaced == 1
        # The job goes on.
        assert played.own.last() == EASY_JOB

    play(drivers, story)


def test_what_all_workers_did_is_told_as_one_speed(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        workers = await played.ready(Role.SEARCH, 2)
        for _ in range(10):
            for one in workers:
                news = news_bytes(SearchNews(50, 700))
                drivers.now.say(LinkKind.NEWS, one, data=news)
            await trio.sleep(1)
        told: list[Progress] = []
        with trio.move_on_after(0.1):
            while True:
                event = await played.events.receive()
                assert isinstance(event, Progress)
                told.append(event)
        assert sum(one.attempts for one in told) == 1000
        assert sum(one.tokens for one in told) == 14_000
        assert sum(one.ms for one in told) == pytest.approx(10_000, abs=600)
        assert played.farm.workers[workers[0]].slot.standing().attempts == 500

    play(drivers, story)


def test_workers_are_kept_over_the_death_of_the_own_process(drivers: Drivers) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            played = Play(drivers)
            await nursery.start(played.farm.run)
            failed = False
            try:
                async with trio.open_nursery() as first:
                    await first.start(played.searcher.run, played.send)
                    played.searcher.search(EASY_JOB)
                    [worker] = await played.ready(Role.SEARCH)
                    ticket = played.mined(worker)
                    played.own.fails.set()
            except* WorkerError:
                failed = True
            assert failed
            assert worker in played.farm.workers
            played.find(worker, 1, ticket)
            await played.settle()
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as second:
                    await second.start(played.searcher.run, played.send)
                    assert await played.found() == [Found(1, ticket)]
                    scope.cancel()
            # Now the entry rests.
            assert played.farm.workers == {}
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.02))


async def answering(played: Play, answer: Callable[[LinkMessage], tuple[LinkKind, bytes]]) -> None:
    """Answer each work that a worker is asked for."""
    done = 0
    while True:
        works = played.drivers.now.of(LinkKind.DO)
        for work in works[done:]:
            kind, data = answer(work)
            played.drivers.now.say(kind, work.worker, work.call, data)
        done = len(works)
        waiting = [one for one in played.farm.workers.values() if one.ready_ms is None]
        for one in waiting:
            if one.role is Role.PROVE:
                played.drivers.now.place(one.number)
        await trio.sleep(0.05)


def honest(work: LinkMessage) -> tuple[LinkKind, bytes]:
    proof = FakeProver().prove(decode_claim(work.data))
    return LinkKind.DONE, reply_bytes(WorkReply(0, proof))


def test_proofs_are_the_farms_and_hold(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        [worker] = await played.ready(Role.SEARCH)
        ticket = played.mined(worker)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answering, played, honest)
            proof = await played.prover.prove_work(ticket.claim)
            assert proof == FakeProver().prove(ticket.claim)
            call = LlmCall(PARAMS.model.model_id, (5, 6, 7), 16, 1)
            calls = await played.prover.answer([OpenCall(Txid(bytes(64)), call)])
            group = await played.prover.prove_calls(calls, b"p" * 33, PARAMS.calls)
            lane = await played.prover.prove_lane(calls[0], b"s" * 33, PARAMS.calls)
            nursery.cancel_scope.cancel()
        # The same as by the own prover, which answered and proved nothing.
        assert played.own_prover.asked == ["answer"]
        assert group == await played.own_prover.prove_calls(calls, b"p" * 33, PARAMS.calls)
        assert lane == await played.own_prover.prove_lane(calls[0], b"s" * 33, PARAMS.calls)
        assert sum(one.slot.standing().proofs for one in played.farm.workers.values()) == 3

    play(drivers, story)


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        (lambda work: (LinkKind.GONE, b"killed"), MOST_TRIES),
        (lambda work: (LinkKind.DONE, reply_bytes(WorkReply(0, b"no proof"))), MOST_TRIES),
        (lambda work: (LinkKind.DONE, b"\xc1"), MOST_TRIES),
        (lambda work: (LinkKind.DONE, reply_bytes(WorkReply(1, b"engine differs"))), 1),
    ],
)
def test_a_proof_that_the_farm_does_not_give_is_made_here(
    drivers: Drivers, answer: Callable[[LinkMessage], tuple[LinkKind, bytes]], tries: int
) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        [worker] = await played.ready(Role.SEARCH)
        await played.ready(Role.PROVE, 2)
        ticket = played.mined(worker)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answering, played, answer)
            proof = await played.prover.prove_work(ticket.claim)
            nursery.cancel_scope.cancel()
        assert proof == FakeProver().prove(ticket.claim)
        assert played.own_prover.asked == ["prove_work"]
        asked = drivers.now.of(LinkKind.DO)
        assert 1 <= len(asked) <= tries
        # Each was asked of another worker, and none of them is there any more.
        assert len({one.worker for one in asked}) == len(asked)
        assert not {one.worker for one in asked} & set(played.farm.workers)

    play(drivers, story)


def test_a_proof_whose_worker_dies_is_another_workers(drivers: Drivers) -> None:
    async def story(played: Play) -> None:
        played.searcher.search(EASY_JOB)
        [worker] = await played.ready(Role.SEARCH)
        await played.ready(Role.PROVE, 2)
        ticket = played.mined(worker)
        died: list[int] = []

        def dies_once(work: LinkMessage) -> tuple[LinkKind, bytes]:
            if not died:
                died.append(work.worker)
                return LinkKind.GONE, b"killed"
            return honest(work)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answering, played, dies_once)
            proof = await played.prover.prove_work(ticket.claim)
            nursery.cancel_scope.cancel()
        assert proof == FakeProver().prove(ticket.claim)
        assert len(drivers.now.of(LinkKind.DO)) == 2
        assert played.own_prover.asked == []

    play(drivers, story)
