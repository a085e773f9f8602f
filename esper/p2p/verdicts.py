"""What follows for a peer from what was found wrong with what it sent: section 10, by stage.

State judges who made a block, not who carried it; bytes that do not hash to what a header names
judge who carried them, not the block; and our own machine's troubles judge nobody.
"""

from dataclasses import dataclass
from typing import Final

from esper.p2p.faults import Offence
from esper.primitives.errors.block_errors import SizeViolation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation

_BLOCK: Final = {
    Consequence.INVALID: Offence.FORGED,
    Consequence.WRONG_BYTES: Offence.BYTES,
    Consequence.OTHER_RULES: Offence.OTHER_RULES,
    Consequence.FAILED: None,
    Consequence.RETRY: None,
    Consequence.HALT: None,
}
_ADMISSION: Final = {
    Consequence.INVALID: Offence.BAD_TX,
    Consequence.WRONG_BYTES: Offence.BAD_TX,
    Consequence.OTHER_RULES: None,
    Consequence.FAILED: None,
    Consequence.RETRY: None,
    Consequence.HALT: None,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A block or a transaction that was refused, or a machine that could not judge it."""

    consequence: Consequence | None
    """None: this machine's trouble (disk, memory, a closing verifier), which is no verdict."""
    offence: Offence | None
    """What its carrier did, if anything."""
    reason: str
    """For people: the rule that was broken, with its values."""
    rule: str = ""
    """The rule's stable name."""

    @classmethod
    def of(cls, violation: RuleViolation, stage: Stage) -> "Failure":
        """What a violation that was found at a stage says."""
        consequence = consequence_of(violation, stage)
        offence = _offence(violation, stage, consequence)
        return cls(consequence, offence, str(violation), violation.rule)

    @classmethod
    def of_machine(cls, error: BaseException) -> "Failure":
        """Something here failed: nobody is blamed."""
        return cls(None, None, f"{type(error).__name__}: {error}")


def _offence(violation: RuleViolation, stage: Stage, consequence: Consequence) -> Offence | None:
    if stage is Stage.ADMISSION:
        return _ADMISSION[consequence]
    if stage is Stage.WORK and isinstance(violation, SizeViolation):
        # Whoever carries a block can lengthen its proof, and nobody else gains by one that is.
        return Offence.BYTES
    return _BLOCK[consequence]
