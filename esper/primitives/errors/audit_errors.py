"""Rules about proofs of readiness in a block, in the order of checking."""

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
    """Not exactly one group for each proof in a transaction."""

    reason: str
    template: ClassVar[str] = "groups of proofs in transactions: {reason}"


@dataclass(eq=False)
class AuditRoomViolation(AuditViolation):
    """A group larger than the room that its transaction paid for."""

    got: int
    room: int
    template: ClassVar[str] = "the proof's group has {got} bytes, its transaction paid for {room}"


@dataclass(eq=False)
class RehearsalViolation(AuditViolation):
    """A rehearsed ticket that is none of its sender's for the proposed model."""

    reason: str
    template: ClassVar[str] = "rehearsal: {reason}"


@dataclass(eq=False)
class AuditProofViolation(AuditViolation):
    """A proof that does not show the rehearsed ticket, or would not fit a block."""

    reason: str
    template: ClassVar[str] = "proof of the rehearsal: {reason}"
