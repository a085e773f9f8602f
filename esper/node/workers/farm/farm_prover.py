"""Proofs by the farm's workers, verified before they are used; else by the node's own prover."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import trio

from esper.consensus.call_groups import LANE_ANSWER, OWN_CALLS, CallGroup
from esper.consensus.ports import ProofRejectedError, WorkClaim, WorkVerifier
from esper.node.workers.call_answerer import AnsweredCall, OpenCall, claimed_group
from esper.node.workers.farm.farm import Farm, LostWorkError
from esper.node.workers.farm.link_messages import sentence
from esper.node.workers.farm.work_records import claim_bytes
from esper.node.workers.loadable import Loadable
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob
from esper.node.workers.work_ports import LANE_PROOF, TICKET_PROOF, ProverPort, calls_proof
from esper.primitives.params import CallParameters
from esper.vm.call_rows import call_rows

MOST_TRIES: Final = 3
"""Workers of the farm that are asked for one proof; after them this machine is."""


class FarmProver:
    """A ProverPort. Calls are answered, and models rehearsed, on the node's own machine.

    A made-up answer would cost its proof, and then the next one: nobody else can tell whether it or
    the prover is wrong.
    """

    def __init__(
        self,
        local: ProverPort,
        farm: Farm,
        entry: Loadable,
        verifier: WorkVerifier,
        genesis_hash: bytes,
    ) -> None:
        self._local = local
        self.slot = local.slot
        """Of the own prover; the farm has its workers'."""
        self._farm = farm
        self._entry = entry
        self._verifier = verifier
        self._genesis_hash = genesis_hash

    async def start(self) -> None:
        """Let the own prover be ready for when the farm is not. Raises WorkerError."""
        await self._local.start()

    async def prove_work(self, claim: WorkClaim) -> bytes:
        """The proof of a ticket. Raises WorkerError."""
        proof = await self._proof(claim, TICKET_PROOF)
        return await self._local.prove_work(claim) if proof is None else proof

    async def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        """Answers, in the order of the calls. Raises WorkerError."""
        return await self._local.answer(calls)

    async def prove_calls(
        self, calls: Sequence[AnsweredCall], payee: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of a payee's own calls, by the rules in force. Raises WorkerError."""
        group = await self._group(OWN_CALLS, calls, payee, rules, calls_proof(len(calls)))
        return await self._local.prove_calls(calls, payee, rules) if group is None else group

    async def prove_lane(
        self, call: AnsweredCall, sender: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of an answer to a lane, by the rules in force. Raises WorkerError."""
        group = await self._group(LANE_ANSWER, [call], sender, rules, LANE_PROOF)
        return await self._local.prove_lane(call, sender, rules) if group is None else group

    async def rehearse(self, job: RehearsalJob) -> Rehearsal:
        """A ticket of a model that is about to be activated. Raises WorkerError."""
        return await self._local.rehearse(job)

    async def use_threads(self, threads: int) -> None:
        """Of the own prover; a worker of the farm has as many as it takes processors."""
        await self._local.use_threads(threads)

    async def close(self) -> None:
        """End the own prover; the farm's workers end with its search."""
        await self._local.close()

    async def _group(
        self,
        kind: int,
        calls: Sequence[AnsweredCall],
        party: bytes,
        rules: CallParameters,
        what: str,
    ) -> CallGroup | None:
        rows = call_rows(rules, self._entry.model.shape)
        model_id = self._entry.model_id
        group, claim = claimed_group(kind, model_id, calls, party, rows, self._genesis_hash)
        proof = await self._proof(claim, what)
        return None if proof is None else replace(group, proof=proof)

    async def _proof(self, claim: WorkClaim, what: str) -> bytes | None:
        """A proof of the farm's that holds; None if it gives none. ``what``: for people."""
        try:
            data = claim_bytes(claim)
        except ValueError:
            # Larger than any network's; whoever proves it is not far.
            return None
        for _ in range(MOST_TRIES):
            worker = await self._farm.idle_prover(self._entry)
            if worker is None:
                return None
            try:
                reply = await self._farm.prove(worker, data, what)
            except LostWorkError:
                continue
            if reply.failed:
                # Its machine or build, or answers that were made up: the own prover finds out.
                self._farm.replace(worker.number, f"it cannot prove: {sentence(reply.data)}")
                return None
            try:
                await trio.to_thread.run_sync(self._verifier.verify, claim, reply.data)
            except ProofRejectedError as error:
                self._farm.replace(worker.number, f"its proof does not hold: {error}")
                continue
            worker.slot.proved()
            return reply.data
        return None
