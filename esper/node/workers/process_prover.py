"""Proofs in a process of their own, started with the first request."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import trio

from esper.consensus.call_groups import CallGroup
from esper.consensus.ports import WorkClaim
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob
from esper.node.workers.work_ports import LANE_PROOF, TICKET_PROOF, calls_proof
from esper.node.workers.worker_messages import (
    AnswerCalls,
    Failed,
    ProveCalls,
    ProveLane,
    ProveWork,
    Rehearse,
)
from esper.node.workers.worker_process import WorkerError, WorkerProcess, WorkerSettings, loss_told
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.params import CallParameters


class ProcessProver:
    """A ProverPort. A request that is cancelled ends the process; the next one starts another."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self.slot = WorkerSlot()
        """What is told of the process."""
        self._worker: WorkerProcess | None = None
        self._one_at_a_time = trio.Lock()
        self._restart = False

    async def start(self) -> None:
        """Load the model now, so that the first proof need not wait. Raises WorkerError."""
        async with self._one_at_a_time:
            await self._running()

    async def prove_work(self, claim: WorkClaim) -> bytes:
        """The proof of a ticket. Raises WorkerError."""
        proof: bytes = await self._proven(ProveWork(claim), TICKET_PROOF)
        return proof

    async def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        """Answers, in the order of the calls. Raises WorkerError."""
        answers: list[AnsweredCall] = await self._ask(AnswerCalls(calls), _answering(len(calls)))
        return answers

    async def prove_calls(
        self, calls: Sequence[AnsweredCall], payee: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of a payee's own calls, by the rules in force. Raises WorkerError."""
        what = calls_proof(len(calls))
        group: CallGroup = await self._proven(ProveCalls(calls, payee, rules), what)
        return group

    async def prove_lane(
        self, call: AnsweredCall, sender: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of an answer to a lane, by the rules in force. Raises WorkerError."""
        group: CallGroup = await self._proven(ProveLane(call, sender, rules), LANE_PROOF)
        return group

    async def rehearse(self, job: RehearsalJob) -> Rehearsal:
        """A ticket of a model that is about to be activated. Raises WorkerError."""
        rehearsal: Rehearsal = await self._ask(Rehearse(job), "rehearsal of a model")
        return rehearsal

    async def use_threads(self, threads: int) -> None:
        """Prove with so many threads from the next proof on: the pool's size is fixed at start."""
        self._settings = replace(self._settings, threads=threads)
        self._restart = True

    async def close(self) -> None:
        """End the process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self.slot.end()
            await worker.end()

    async def _proven(self, request: object, what: str) -> Any:
        proof = await self._ask(request, what)
        self.slot.proved()
        return proof

    async def _ask(self, request: object, what: str) -> Any:
        """What the process says to a request, which is ``what`` in words."""
        async with self._one_at_a_time:
            worker = await self._running()
            self.slot.work(what)
            try:
                with loss_told(self.slot):
                    await worker.send(request)
                    answer = await worker.receive()
            except BaseException:
                # Its answer would come to whoever asks next.
                await self.close()
                raise
            self.slot.rest()
        if isinstance(answer, Failed):
            raise WorkerError(answer.reason)
        return answer

    async def _running(self) -> WorkerProcess:
        if self._restart:
            self._restart = False
            await self.close()
        if self._worker is None:
            self.slot.ask()
            try:
                with loss_told(self.slot):
                    self._worker = await WorkerProcess.start("prove", self._settings)
                self.slot.begin(pid=self._worker.pid)
            finally:
                if self._worker is None:
                    self.slot.end()
        return self._worker


def _answering(calls: int) -> str:
    """What a prover that answers so many calls has in hand, in words."""
    return "answer to a call" if calls == 1 else f"answers to {calls} calls"
