"""Rules about a Prove of an item: its answers are the model's, and the judge's where one reads.

1. room   2. groups: one of the model, none for what does not fit; one of the judge if it reads
3. proofs

Which answers these are and what they are worth, execution has judged.
"""

from esper.consensus.audits.groups import ByKind, check_kinds, check_proof, check_room
from esper.consensus.call_groups import AUDIT, JUDGE
from esper.consensus.ports import WorkClaim, WorkVerifier
from esper.dao.benchmarks.fitting import audit_rows
from esper.dao.benchmarks.item_proof import Asked, ItemProof
from esper.dao.ready import audit_binding
from esper.primitives.ids import Txid
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of
from esper.vm.governance.prove import Prove
from esper.vm.governance.proving.items import judged_outcome
from esper.vm.transaction import Transaction


def check_item_groups(
    transaction: Transaction,
    body: ItemProof,
    proposal: Txid,
    groups: ByKind,
    records: DaoLedger,
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    """All three, of a Prove about a report on ``proposal``; ``records`` are those behind its block.

    Raises AuditRoomViolation, AuditGroupViolation or AuditProofViolation.
    """
    prove = transaction.payload
    assert isinstance(prove, Prove)

    # 1. They take no more of the block than was paid for.
    check_room(groups, prove.room)

    # 2. What was asked is proven, and nothing else.
    model, rules = model_of(records.proposal(proposal)).entry, context.genesis.governance
    asked = judged_outcome(body, model, records, rules).asked
    kinds = (AUDIT, JUDGE)[: len(asked)]
    check_kinds(groups, kinds)

    # 3. The models give these answers.
    for kind, one in zip(kinds, asked, strict=True):
        binding = audit_binding(
            context.genesis_hash, transaction.sender, prove.subject, prove.target, prove.body, kind
        )
        check_proof(item_claim(binding, one), groups[kind], verifier)


def item_claim(binding: bytes, asked: Asked) -> WorkClaim:
    """What a group's proof must show; ``binding`` is ``dao.ready.audit_binding``'s."""
    longest = max(map(len, asked.prompts))
    return WorkClaim(
        model_id=asked.model.model_id,
        binding=binding,
        rows=audit_rows(longest, asked.limit),
        max_answers=(asked.limit,) * len(asked.prompts),
        top_k=asked.listed,
        inputs=asked.prompts,
        answers=tuple(answer.proven for answer in asked.answers),
    )
