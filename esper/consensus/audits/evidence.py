"""Rules about a Prove of evidence: its answer is the model's own to the receipt's prompt.

1. room   2. one group   3. proof

That this answer contradicts the one that was signed, execution has judged.
"""

from esper.consensus.audits.groups import ByKind, check_kinds, check_proof, check_room
from esper.consensus.call_groups import AUDIT
from esper.consensus.ports import WorkClaim, WorkVerifier
from esper.dao.benchmarks.fitting import audit_rows
from esper.dao.evidence import EVIDENCE_LISTED, EVIDENCE_SUBJECT, Evidence
from esper.dao.ready import audit_binding
from esper.vm.context import ExecutionContext
from esper.vm.governance.prove import Prove
from esper.vm.transaction import Transaction


def check_evidence_groups(
    transaction: Transaction,
    body: Evidence,
    groups: ByKind,
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    """All three. Raises AuditRoomViolation, AuditGroupViolation or AuditProofViolation."""
    prove = transaction.payload
    assert isinstance(prove, Prove)

    # 1. It takes no more of the block than was paid for.
    check_room(groups, prove.room)

    # 2. One model has answered one prompt.
    check_kinds(groups, (AUDIT,))

    # 3. The model gives this answer.
    claim = evidence_claim(context.genesis_hash, transaction.sender, prove.target, prove.body, body)
    check_proof(claim, groups[AUDIT], verifier)


def evidence_claim(
    genesis_hash: bytes, sender: bytes, target: bytes, data: bytes, body: Evidence
) -> WorkClaim:
    """What the proof must show of ``body``, whose bytes are ``data``; it is the sender's alone."""
    binding = audit_binding(genesis_hash, sender, EVIDENCE_SUBJECT, target, data, AUDIT)
    return WorkClaim(
        model_id=body.receipt.model_id,
        binding=binding,
        rows=audit_rows(len(body.receipt.prompt), body.limit),
        max_answers=(body.limit,),
        top_k=EVIDENCE_LISTED,
        inputs=(body.receipt.prompt,),
        answers=(body.answer.proven,),
    )
