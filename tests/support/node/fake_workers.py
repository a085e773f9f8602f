"""Stand-ins for the processes that search and prove: the fake work, on the event loop.

Nothing runs beside the loop and nothing waits for a clock, so what they do follows from what they
are asked alone. Both write down what they were asked.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trio

from esper.consensus.call_groups import CallGroup
from esper.consensus.genesis import genesis_hash
from esper.consensus.ports import WorkClaim
from esper.node.calls.call_desk import CallProvers
from esper.node.clock import Clock
from esper.node.entries.crew import Crew
from esper.node.workers.call_answerer import AnsweredCall, CallAnswerer, OpenCall
from esper.node.workers.loadable import Loadable
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob, rehearse
from esper.node.workers.search import PromptSource, SearchJob, TicketSearch
from esper.node.workers.work_ports import ProverPort, SearcherPort, Workers
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import CallParameters, NetworkParameters
from tests.support.fake_work import BANK, FakeInference, FakeProver, prompt_source

STEP_MS = 1
"""What a batch is said to take."""


class OneCrew(Crew):
    """The same workers for whatever is mined, which is always here."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def is_here(self, entry: Loadable) -> bool:
        return True

    def workers(self, entry: Loadable) -> Workers:
        return self._workers

    def use_threads(self, search: int | None, prove: int | None) -> None:
        """Nobody else will be made."""


class OneProver(CallProvers):
    """One prover for calls to one model."""

    def __init__(self, prover: ProverPort, model_id: ModelId) -> None:
        self._prover = prover
        self._model_id = model_id

    @property
    def models(self) -> frozenset[ModelId]:
        return frozenset((self._model_id,))

    @contextmanager
    def answering(self, model_id: ModelId) -> Iterator[ProverPort]:
        assert model_id == self._model_id
        yield self._prover


class FakeSearcher(SearcherPort):
    """Tries one nonce at a time and lets the other tasks of the loop go on in between."""

    def __init__(
        self, params: NetworkParameters, clock: Clock, entry: Loadable | None = None
    ) -> None:
        """``entry`` is the network's first one if it is not given."""
        puzzle, model = params.puzzle, params.model
        if entry is not None:
            puzzle, model = entry.puzzle.on(puzzle), entry.model
        self._search = TicketSearch(puzzle, model, FakeInference(model), prompt_source(params))
        self._clock = clock
        self.slot = WorkerSlot()
        self._news = trio.Event()
        self._job: SearchJob | None = None
        self._next_nonce = 0
        self.jobs: list[SearchJob | None] = []
        """Every job that it was given, None where it was to stop."""
        self.threads: list[int] = []
        """Every number of threads that it was given."""

    async def run(
        self,
        events: "trio.MemorySendChannel[Found | Progress]",
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        task_status.started()
        while True:
            await trio.lowlevel.checkpoint()
            if self._job is None:
                self._news = trio.Event()
                await self._news.wait()
            else:
                await self._step(self._job, events)

    def search(self, job: SearchJob | None) -> None:
        self.jobs.append(job)
        self._job, self._next_nonce = job, 0
        self._news.set()

    def use_threads(self, threads: int) -> None:
        self.threads.append(threads)

    async def _step(
        self, job: SearchJob, events: "trio.MemorySendChannel[Found | Progress]"
    ) -> None:
        nonce = self._next_nonce
        searched = self._search.step(job, self._clock(), range(nonce, nonce + 1))
        self._next_nonce += 1
        if searched.ticket is not None:
            # As the process does: nothing more is searched until the next job.
            self._job = None
        await events.send(Progress(searched.attempts, searched.tokens, STEP_MS))
        if searched.ticket is not None:
            await events.send(Found(job.number, searched.ticket))


class FakeProverPort(ProverPort):
    """Answers with the fake model and makes fake proofs, at once."""

    def __init__(self, params: NetworkParameters, model: ModelEntry | None = None) -> None:
        self.slot = WorkerSlot()
        self._prover = FakeProver()
        self._answerer = CallAnswerer(
            FakeInference(model or params.model),
            self._prover,
            params.calls,
            genesis_hash=genesis_hash(params),
        )
        self.asked: list[str] = []
        """Names of the requests, in order."""
        self.threads: list[int] = []
        """Every number of threads that it was given."""

    async def start(self) -> None:
        await self._heard("start")

    async def prove_work(self, claim: WorkClaim) -> bytes:
        await self._heard("prove_work")
        return self._prover.prove(claim)

    async def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        await self._heard("answer")
        return self._answerer.answer(calls)

    async def prove_calls(
        self, calls: Sequence[AnsweredCall], payee: bytes, rules: CallParameters
    ) -> CallGroup:
        await self._heard("prove_calls")
        self._answerer.rules = rules
        return self._answerer.prove_own(calls, payee)

    async def prove_lane(
        self, call: AnsweredCall, sender: bytes, rules: CallParameters
    ) -> CallGroup:
        await self._heard("prove_lane")
        self._answerer.rules = rules
        return self._answerer.prove_lane(call, sender)

    async def rehearse(self, job: RehearsalJob) -> Rehearsal:
        await self._heard("rehearse")
        bank = PromptSource.of(BANK, job.entry.model)
        return rehearse(job, FakeInference(job.entry.model), self._prover, bank)

    async def use_threads(self, threads: int) -> None:
        await self._heard("use_threads")
        self.threads.append(threads)

    async def close(self) -> None:
        # Also where the task is cancelled: no checkpoint.
        self.asked.append("close")

    async def _heard(self, request: str) -> None:
        self.asked.append(request)
        await trio.lowlevel.checkpoint()
