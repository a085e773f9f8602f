"""Which groups of a block belong to which Prove transaction, and what they take of its room."""

from collections.abc import Iterable, Mapping

from esper.consensus.call_groups import AUDIT, JUDGE, CallGroup
from esper.consensus.ports import ProofRejectedError, WorkClaim, WorkVerifier
from esper.primitives.errors.audit_errors import (
    AuditGroupViolation,
    AuditProofViolation,
    AuditRoomViolation,
)
from esper.primitives.ids import Txid

ByKind = Mapping[int, CallGroup]
"""The groups of one transaction."""


def groups_by_transaction(groups: Iterable[CallGroup]) -> dict[Txid, dict[int, CallGroup]]:
    """By transaction and kind. Raises AuditGroupViolation for one of no use, or a second alike."""
    found: dict[Txid, dict[int, CallGroup]] = {}
    for group in groups:
        if group.kind not in (AUDIT, JUDGE):
            raise AuditGroupViolation(f"one is of kind {group.kind}, must be {AUDIT} or {JUDGE}")
        if len(group.calls) != 1 or group.calls[0].logits:
            raise AuditGroupViolation("one does not name one transaction and nothing else")
        kinds = found.setdefault(group.calls[0].call_id, {})
        if group.kind in kinds:
            raise AuditGroupViolation("two of one kind are for one transaction")
        kinds[group.kind] = group
    return found


def check_room(groups: ByKind, room: int) -> None:
    """They take no more of the block than was paid for. Raises AuditRoomViolation."""
    size = sum(len(group.to_bytes()) for group in groups.values())
    if size > room:
        raise AuditRoomViolation(size, room)


def check_kinds(groups: ByKind, expected: Iterable[int]) -> None:
    """Each that is needed is there, and no other. Raises AuditGroupViolation."""
    needed = set(expected)
    if groups.keys() != needed:
        raise AuditGroupViolation(
            f"kinds {sorted(groups)} are for one transaction, must be {sorted(needed)}"
        )


def check_proof(claim: WorkClaim, group: CallGroup, verifier: WorkVerifier) -> None:
    """The proof of a group shows this claim. Raises AuditGroupViolation or AuditProofViolation."""
    if group.model_id != claim.model_id:
        raise AuditGroupViolation("one is of another model than its transaction's")
    try:
        verifier.verify(claim, group.proof)
    except ProofRejectedError as error:
        raise AuditProofViolation(str(error)) from error
