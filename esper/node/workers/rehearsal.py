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

    def group(self, txid: Txid) -> CallGroup:
        """The group beside the transaction of this id."""
        return CallGroup(AUDIT, self.entry.model.model_id, (ProvenCall(txid, ()),), self.proof)


def rehearse(
    entry: Entry,
    network: PuzzleParameters,
    *,
    genesis_hash: bytes,
    proposal: Txid,
    sender: bytes,
    drawn: bytes,
    reward_height: int,
    inference: Inference,
    prover: WorkProver,
    bank: PromptSource,
) -> Rehearsal:
    """Answer and prove the sender's ticket. Slow: seconds.

    ``drawn`` is the proposal's seed of 64 bytes, ``reward_height`` the height of a block whose
    reward is pending for ``sender``; ``network`` has what of a ticket is no model's.
    """
    puzzle = entry.puzzle.on(network)
    seed = rehearsal_seed(genesis_hash, proposal, sender, drawn)
    indices = draw_indices(seed, entry.model.bank_size, puzzle.sequences)
    prompts = [bank.prompts[index] for index in indices]
    inputs = batch_inputs(seed, prompts, puzzle, entry.model)
    answers = inference.answer(inputs, puzzle.max_answer, puzzle.top_k)
    outputs = WorkOutputs(bank.openings(indices), answers)
    body = ready_bytes(ReadyBody(reward_height, outputs))
    binding = audit_binding(genesis_hash, sender, READY_SUBJECT, proposal, body, AUDIT)
    proof = prover.prove(ticket_claim(binding, inputs, outputs, puzzle, entry.model))
    return Rehearsal(body, len(proof) + GROUP_ROOM, proof, entry)
