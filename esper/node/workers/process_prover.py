"""Proofs in a process of their own, started with the first request."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import trio

from esper.consensus.call_groups import CallGroup
from esper.consensus.ports import WorkClaim
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob
from esper.node.workers.worker_messages import (
    AnswerCalls,
    Failed,
    ProveCalls,
    ProveLane,
    ProveWork,
    Rehearse,
)
from esper.node.workers.worker_process import WorkerError, WorkerProcess, WorkerSettings
from esper.primitives.params import CallParameters


class ProcessProver:
    """A ProverPort. A request that is cancelled ends the process; the next one starts another."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._worker: WorkerProcess | None = None
        self._one_at_a_time = trio.Lock()
        self._restart = False

    async def start(self) -> None:
        """Load the model now, so that the first proof need not wait. Raises WorkerError."""
        async with self._one_at_a_time:
            await self._running()

    async def prove_work(self, claim: WorkClaim) -> bytes:
        """The proof of a ticket. Raises WorkerError."""
        proof: bytes = await self._ask(ProveWork(claim))
        return proof

    async def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        """Answers, in the order of the calls. Raises WorkerError."""
        answers: list[AnsweredCall] = await self._ask(AnswerCalls(calls))
        return answers

    async def prove_calls(
        self, calls: Sequence[AnsweredCall], payee: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of a payee's own calls, by the rules in force. Raises WorkerError."""
        group: CallGroup = await self._ask(ProveCalls(calls, payee, rules))
        return group

    async def prove_lane(
        self, call: AnsweredCall, sender: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of an answer to a lane, by the rules in force. Raises WorkerError."""
        group: CallGroup = await self._ask(ProveLane(call, sender, rules))
        return group

    async def rehearse(self, job: RehearsalJob) -> Rehearsal:
        """A ticket of a model that is about to be activated. Raises WorkerError."""
        rehearsal: Rehearsal = await self._ask(Rehearse(job))
        return rehearsal

    async def use_threads(self, threads: int) -> None:
        """Prove with so many threads from the next proof on: the pool's size is fixed at start."""
        self._settings = replace(self._settings, threads=threads)
        self._restart = True

    async def close(self) -> None:
        """End the process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()

    async def _ask(self, request: object) -> Any:
        async with self._one_at_a_time:
            worker = await self._running()
            try:
                await worker.send(request)
                answer = await worker.receive()
            except BaseException:
                # Its answer would come to whoever asks next.
                await self.close()
                raise
        if isinstance(answer, Failed):
            raise WorkerError(answer.reason)
        return answer

    async def _running(self) -> WorkerProcess:
        if self._restart:
            self._restart = False
            await self.close()
        if self._worker is None:
            self._worker = await WorkerProcess.start("prove", self._settings)
        return self._worker
