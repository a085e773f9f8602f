"""Rules about a Prove that opens a hidden set: the answers are the model's.

1. room   2. one group, none if nothing of it fits a proof   3. proof

Which items these are and what the answers are worth, execution has judged. A set stays in its round
until a block after the one that opens it, so the records behind a block name the model.
"""

from esper.consensus.audits.groups import ByKind, check_kinds, check_proof, check_room
from esper.consensus.call_groups import AUDIT
from esper.consensus.ports import WorkClaim, WorkVerifier
from esper.dao.benchmarks.fitting import audit_rows
from esper.dao.hidden.openings import AskedTogether, HiddenProof, asked_together
from esper.dao.ready import audit_binding
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.governance.proving.openings import asked_model
from esper.vm.transaction import Transaction


def check_opening_groups(
    transaction: Transaction,
    body: HiddenProof,
    groups: ByKind,
    records: DaoLedger,
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    """All three; ``records`` are those behind the block.

    Raises AuditRoomViolation, AuditGroupViolation or AuditProofViolation.
    """
    prove = transaction.payload
    assert isinstance(prove, Prove)

    # 1. It takes no more of the block than was paid for.
    check_room(groups, prove.room)

    # 2. What was asked is proven, and nothing else.
    model = asked_model(records.hidden_set(prove.target), records)
    asked = asked_together(body, model, context.genesis.governance.audit_rows)
    if asked is None:
        check_kinds(groups, ())
        return
    check_kinds(groups, (AUDIT,))

    # 3. The model gives these answers.
    binding = audit_binding(
        context.genesis_hash, transaction.sender, prove.subject, prove.target, prove.body, AUDIT
    )
    check_proof(opening_claim(binding, asked), groups[AUDIT], verifier)


def opening_claim(binding: bytes, asked: AskedTogether) -> WorkClaim:
    """What the group's proof must show; ``binding`` is ``dao.ready.audit_binding``'s."""
    return WorkClaim(
        model_id=asked.model.model_id,
        binding=binding,
        rows=audit_rows(max(map(len, asked.prompts)), max(asked.limits)),
        max_answers=asked.limits,
        top_k=asked.listed,
        inputs=asked.prompts,
        answers=tuple(answer.proven for answer in asked.answers),
    )
