"""Rules about Prove transactions and the proofs that come with them, once a block was executed.

1. number   2. each has its group, and no other is there   3. room   4. the rehearsed ticket
5. size and proof
"""

from collections.abc import Sequence

from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import AUDIT, LANE_ANSWER, OWN_CALLS, CallGroup
from esper.consensus.execution import BlockExecution
from esper.consensus.ports import ProofRejectedError, WorkVerifier
from esper.consensus.work_rules import check_ticket, ticket_claim
from esper.dao.ready import audit_binding, rehearsal_seed
from esper.primitives.errors.audit_errors import (
    AuditGroupViolation,
    AuditLimitViolation,
    AuditProofViolation,
    AuditRoomViolation,
    RehearsalViolation,
)
from esper.primitives.errors.work_errors import WorkViolation
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay, StateView


def check_audits(
    content: BlockContent,
    state: StateView,
    execution: BlockExecution,
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    """All rules, for a block that ``execution`` was made of, on ``state``, the parent's.

    Raises a subclass of BodyViolation.
    """
    proves = [one for one in content.transactions if isinstance(one.payload, Prove)]
    groups = [one for one in content.groups if one.kind not in (OWN_CALLS, LANE_ANSWER)]

    # 1. Their number bounds what a block costs to verify.
    limit = context.genesis.governance.audits_per_block
    if len(proves) > limit:
        raise AuditLimitViolation(len(proves), limit)

    # 2. One group of the right kind for each, in any order.
    by_id = _by_transaction(groups)
    if by_id.keys() != {one.txid for one in proves}:
        raise AuditGroupViolation(f"{len(groups)} for {len(proves)} proofs in transactions")

    # A draw of this very block is in the state that it leads to, and nothing ends there.
    after = Overlay(state)
    after.absorb(execution.changes)
    records = DaoLedger(Ledger(after))
    for transaction in proves:
        check_ready(transaction, by_id[transaction.txid], records, context, verifier)


def _by_transaction(groups: Sequence[CallGroup]) -> dict[bytes, CallGroup]:
    by_id: dict[bytes, CallGroup] = {}
    for group in groups:
        if group.kind != AUDIT:
            raise AuditGroupViolation(f"one is of kind {group.kind}, must be {AUDIT}")
        if len(group.calls) != 1 or group.calls[0].logits:
            raise AuditGroupViolation("one does not name one transaction and nothing else")
        if group.calls[0].call_id in by_id:
            raise AuditGroupViolation("two are for one transaction")
        by_id[group.calls[0].call_id] = group
    return by_id


def check_ready(
    transaction: Transaction,
    group: CallGroup,
    records: DaoLedger,
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    """Rules 3 to 5, of a Prove and its group; ``records`` are those behind its block.

    Raises AuditRoomViolation, AuditGroupViolation, RehearsalViolation or AuditProofViolation.
    """
    prove = transaction.payload
    assert isinstance(prove, Prove)

    # 3. It takes no more of the block than was paid for.
    size = len(group.to_bytes())
    if size > prove.room:
        raise AuditRoomViolation(size, prove.room)

    # 4. A ticket of the proposed model, drawn for this sender.
    proposal, outputs = records.proposal(prove.target), prove.read().outputs
    body = model_of(proposal)
    if group.model_id != body.entry.model_id:
        raise AuditGroupViolation("one is of another model than the proposal's")
    puzzle = body.puzzle.on(context.genesis.puzzle)
    sender = transaction.sender
    seed = rehearsal_seed(context.genesis_hash, prove.target, sender, proposal.seed)
    try:
        _, inputs = check_ticket(seed, outputs, puzzle, body.entry)
    except WorkViolation as error:
        raise RehearsalViolation(str(error)) from error

    # 5. The model gives these answers, and the proof would fit a block.
    most = context.params.limits.proof_bytes
    if len(group.proof) > most:
        raise AuditProofViolation(f"{len(group.proof)} bytes, a block's may have {most}")
    binding = audit_binding(
        context.genesis_hash, sender, prove.subject, prove.target, prove.body, group.kind
    )
    try:
        verifier.verify(ticket_claim(binding, inputs, outputs, puzzle, body.entry), group.proof)
    except ProofRejectedError as error:
        raise AuditProofViolation(str(error)) from error
