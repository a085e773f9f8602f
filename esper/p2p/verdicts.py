"""What follows for a peer from what was found wrong with what it sent: section 10, by stage.

State judges who made a block, not who carried it; bytes that do not hash to what a header names
judge who carried them, not the block; and our own machine's troubles judge nobody.
"""

from dataclasses import dataclass
from typing import Final

from esper.p2p.faults import Offence
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation

NO_ROOM: Final = "no_room"
"""Stands for the rule where a block beside the chain is too light for the room that is left."""
_BLOCK: Final = {
    Consequence.INVALID: Offence.FORGED,
    Consequence.WRONG_BYTES: Offence.BYTES,
    Consequence.OTHER_RULES: Offence.OTHER_RULES,
}
_ADMISSION: Final = {
    Consequence.INVALID: Offence.BAD_TX,
    Consequence.WRONG_BYTES: Offence.BAD_TX,
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
        """What a violation that was found at a stage says.

        A header that was refused for good is refused again with what it was refused for, which may
        belong to a later stage: then that counts.
        """
        stage = _stage_of(violation, stage)
        consequence = consequence_of(violation, stage)
        offences = _ADMISSION if stage is Stage.ADMISSION else _BLOCK
        return cls(consequence, offences.get(consequence), str(violation), violation.rule)

    @classmethod
    def of_policy(cls, reason: str, rule: str) -> "Failure":
        """This node does not want it now, which says nothing of who brought it."""
        return cls(Consequence.RETRY, None, reason, rule)

    @classmethod
    def of_no_room(cls, error: BaseException) -> "Failure":
        """What is kept here weighs more: nobody is blamed, and trying again soon is of no use."""
        return cls(Consequence.RETRY, None, str(error), NO_ROOM)

    @classmethod
    def of_machine(cls, error: BaseException) -> "Failure":
        """Something here failed: nobody is blamed."""
        return cls(None, None, f"{type(error).__name__}: {error}")


def _stage_of(violation: RuleViolation, stage: Stage) -> Stage:
    for tried in (stage, Stage.WORK, Stage.LISTS):
        try:
            consequence_of(violation, tried)
        except LookupError:
            continue
        return tried
    return Stage.STATE
