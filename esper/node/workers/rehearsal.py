"""Rehearsing a model that is about to be activated: a ticket of one's own, answered and proven.

What a miner shows with it, ``dao.ready`` and ``consensus.audit_rules`` say.
"""

from dataclasses import dataclass

from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.call_groups import AUDIT, CallGroup, ProvenCall
from esper.consensus.ports import Inference, WorkProver
from esper.consensus.work_rules import ticket_claim
from esper.dao.ready import (
    READY_SUBJECT,
    ReadyBody,
    audit_binding,
    ready_bytes,
    rehearsal_seed,
)
from esper.dao.registry import Entry
from esper.node.workers.search import PromptSource
from esper.primitives.ids import Txid
from esper.primitives.params import PuzzleParameters
from esper.primitives.work_outputs import WorkOutputs

GROUP_ROOM = 256
"""Bytes of a group beside its proof, at most."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A proven ticket, before the transaction that names it is signed."""

    body: bytes
    """The transaction's body."""
    room: int
    """Bytes that the group takes, at most: what the transaction has to pay for."""
    proof: bytes
    """The proof, for the group."""
    entry: Entry
    """What was rehearsed."""
    drawn: bytes
    """64 bytes: the seed that it was drawn by, of one branch alone."""
    reward_height: int
    """Height of the block whose pending reward the body names."""

    def group(self, txid: Txid) -> CallGroup:
        """The group beside the transaction of this id."""
        return CallGroup(AUDIT, self.entry.model.model_id, (ProvenCall(txid, ()),), self.proof)


@dataclass(frozen=True, slots=True)
class RehearsalJob:
    """What is to be rehearsed, and for whom."""

    entry: Entry
    """The proposed one."""
    network: PuzzleParameters
    """The network's ticket, for what of it is no model's."""
    genesis_hash: bytes
    """64 bytes."""
    proposal: Txid
    """64 bytes."""
    sender: bytes
    """33 bytes: who shows that it is ready."""
    drawn: bytes
    """64 bytes: the proposal's seed."""
    reward_height: int
    """Height of a block whose reward is pending for the sender."""


def rehearse(
    job: RehearsalJob, inference: Inference, prover: WorkProver, bank: PromptSource
) -> Rehearsal:
    """Answer and prove the sender's ticket. Slow: seconds."""
    entry, sender = job.entry, job.sender
    puzzle = entry.puzzle.on(job.network)
    seed = rehearsal_seed(job.genesis_hash, job.proposal, sender, job.drawn)
    indices = draw_indices(seed, entry.model.bank_size, puzzle.sequences)
    prompts = [bank.prompts[index] for index in indices]
    inputs = batch_inputs(seed, prompts, puzzle, entry.model)
    answers = inference.answer(inputs, puzzle.max_answer, puzzle.top_k)
    outputs = WorkOutputs(bank.openings(indices), answers)
    body = ready_bytes(ReadyBody(job.reward_height, outputs))
    binding = audit_binding(job.genesis_hash, sender, READY_SUBJECT, job.proposal, body, AUDIT)
    proof = prover.prove(ticket_claim(binding, inputs, outputs, puzzle, entry.model))
    return Rehearsal(body, len(proof) + GROUP_ROOM, proof, entry, job.drawn, job.reward_height)
