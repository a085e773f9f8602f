"""Rules about proofs of Prove transactions in a block, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.block_errors import BodyViolation


class AuditViolation(BodyViolation):
    """Base of what may be wrong with a proof in a transaction."""


@dataclass(eq=False)
class AuditLimitViolation(AuditViolation):
    """More proofs in transactions than a block may hold."""

    got: int
    limit: int
    template: ClassVar[str] = "{got} Prove transactions, at most {limit}"


@dataclass(eq=False)
class AuditGroupViolation(AuditViolation):
    """Not exactly the groups that the proofs in transactions need."""

    reason: str
    template: ClassVar[str] = "groups of proofs in transactions: {reason}"


@dataclass(eq=False)
class AuditRoomViolation(AuditViolation):
    """Groups larger than the room that their transaction paid for."""

    got: int
    room: int
    template: ClassVar[str] = "the proof's groups have {got} bytes, its transaction paid for {room}"


@dataclass(eq=False)
class RehearsalViolation(AuditViolation):
    """A rehearsed ticket that is none of its sender's for the proposed model."""

    reason: str
    template: ClassVar[str] = "rehearsal: {reason}"


@dataclass(eq=False)
class AuditProofViolation(AuditViolation):
    """A proof that does not show what its transaction says, or would not fit a block."""

    reason: str
    template: ClassVar[str] = "proof of a Prove transaction: {reason}"
