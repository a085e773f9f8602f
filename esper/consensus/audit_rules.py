"""Rules about Prove transactions and the proofs that come with them, once a block was executed.

1. number   2. each has its groups, and no other is there   then, by what it is about:
3. room     4. the rehearsed ticket, or the answers of items or a receipt     5. size and proof
"""

from collections.abc import Sequence
from dataclasses import dataclass

from esper.consensus.audits.evidence import check_evidence_groups
from esper.consensus.audits.groups import (
    ByKind,
    check_kinds,
    check_proof,
    check_room,
    groups_by_transaction,
)
from esper.consensus.audits.items import check_item_groups
from esper.consensus.audits.openings import check_opening_groups
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import AUDIT, LANE_ANSWER, OWN_CALLS, CallGroup
from esper.consensus.execution import BlockExecution
from esper.consensus.ports import WorkVerifier
from esper.consensus.work_rules import check_ticket, ticket_claim
from esper.dao.benchmarks.item_proof import ItemProof
from esper.dao.benchmarks.report import ReportBody
from esper.dao.evidence import Evidence
from esper.dao.hidden.openings import HiddenProof
from esper.dao.ready import ReadyBody, audit_binding, rehearsal_seed
from esper.market.records.double import TwoRecords
from esper.primitives.errors.audit_errors import (
    AuditGroupViolation,
    AuditLimitViolation,
    AuditProofViolation,
    RehearsalViolation,
)
from esper.primitives.errors.work_errors import WorkViolation
from esper.primitives.ids import Txid
from esper.vm.context import ExecutionContext
from esper.vm.governance.claim import Claim
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
    proves = [(one, one.payload) for one in content.transactions if isinstance(one.payload, Prove)]
    groups = [one for one in content.groups if one.kind not in (OWN_CALLS, LANE_ANSWER)]

    # 1. Their number bounds what a block costs to verify.
    limit = context.genesis.governance.audits_per_block
    if len(proves) > limit:
        raise AuditLimitViolation(len(proves), limit)

    # 2. None without its transaction; each transaction's own are asked for below.
    by_id = groups_by_transaction(groups)
    if not by_id.keys() <= {one.txid for one, _ in proves}:
        raise AuditGroupViolation("one is for no Prove transaction of the block")

    # A draw of this very block is in the state that it leads to, and no proposal ends there.
    after = Overlay(state)
    after.absorb(execution.changes)
    sight = AuditSight(state, content.transactions, after, context)
    for transaction, _ in proves:
        check_prove_groups(transaction, by_id.get(transaction.txid, {}), sight, verifier)


@dataclass(frozen=True, slots=True)
class AuditSight:
    """What the groups of a Prove are judged by."""

    before: StateView
    """The parent's state."""
    transactions: Sequence[Transaction]
    """Those of the block."""
    after: StateView
    """The state behind the transaction, or behind all of them."""
    context: ExecutionContext
    """What they are executed in."""


def check_prove_groups(
    transaction: Transaction, groups: ByKind, sight: AuditSight, verifier: WorkVerifier
) -> None:
    """Rules 2 to 5 of one Prove that was executed, and of its groups.

    Raises AuditGroupViolation, AuditRoomViolation, RehearsalViolation or AuditProofViolation.
    """
    prove, context = transaction.payload, sight.context
    assert isinstance(prove, Prove)
    records, body = DaoLedger(Ledger(Overlay(sight.after))), prove.read()
    match body:
        case ItemProof():
            proposal = _reported(prove.target, sight)
            check_item_groups(transaction, body, proposal, groups, records, context, verifier)
        case HiddenProof():
            check_opening_groups(transaction, body, groups, records, context, verifier)
        case Evidence():
            check_evidence_groups(transaction, body, groups, context, verifier)
        case TwoRecords():
            # Signatures show it, and no model is run.
            check_kinds(groups, ())
        case ReadyBody():
            check_kinds(groups, (AUDIT,))
            check_ready(transaction, groups[AUDIT], records, context, verifier)


def _reported(report_id: Txid, sight: AuditSight) -> Txid:
    """The proposal that a report is about, which may have ended in the block, or been made there.

    Raises KeyError for a report that execution cannot have known.
    """
    report = DaoLedger(Ledger(Overlay(sight.before))).report(report_id)
    if report is not None:
        return report.proposal
    for one in sight.transactions:
        if one.txid == report_id and isinstance(one.payload, Claim):
            claimed = one.payload.read()
            if isinstance(claimed, ReportBody):
                return claimed.proposal
    raise KeyError(f"execution lets no proof about report {report_id.hex()} pass")


def check_ready(
    transaction: Transaction,
    group: CallGroup,
    records: DaoLedger,
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    """Rules 3 to 5, of a Prove of readiness and its group; ``records`` are those behind its block.

    Raises AuditRoomViolation, AuditGroupViolation, RehearsalViolation or AuditProofViolation.
    """
    prove = transaction.payload
    assert isinstance(prove, Prove)
    rehearsed = prove.read()
    assert isinstance(rehearsed, ReadyBody)

    # 3. It takes no more of the block than was paid for.
    check_room({AUDIT: group}, prove.room)

    # 4. A ticket of the proposed model, drawn for this sender.
    proposal, outputs = records.proposal(prove.target), rehearsed.outputs
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
    claim = ticket_claim(binding, inputs, outputs, puzzle, body.entry)
    check_proof(claim, group, verifier)
