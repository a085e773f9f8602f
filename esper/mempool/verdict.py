"""What an admission means for who brought the transaction, and for whether to fetch it again."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from esper.mempool.errors import PolicyError
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid


class Outcome(Enum):
    """What became of a transaction that was offered."""

    ACCEPTED = "accepted"
    """It waits now, and is passed on."""
    KNOWN = "known"
    """One of its txid waits already, these bytes or others: nothing changed."""
    INVALID = "invalid"
    """Never valid: the one refusal that counts against who brought it."""
    OTHER_RULES = "other rules"
    """Of a kind or a suite that a newer release may know."""
    RETRY = "retry"
    """May become valid with another tip."""
    STALE = "stale"
    """The tip has left it behind."""
    POLICY = "policy"
    """Valid, and not wanted here now."""


_OUTCOMES: Final = {
    Consequence.INVALID: Outcome.INVALID,
    Consequence.OTHER_RULES: Outcome.OTHER_RULES,
    Consequence.RETRY: Outcome.RETRY,
    Consequence.FAILED: Outcome.STALE,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a node answers to a transaction that a peer sent."""

    outcome: Outcome
    """What became of it."""
    txid: Txid | None = None
    """64 bytes; None where it could not be read."""
    refusal: TransactionViolation | PolicyError | None = None
    """What it was refused for, None if it waits."""

    @property
    def blames(self) -> bool:
        """Whether it counts against who brought it."""
        return self.outcome is Outcome.INVALID

    @classmethod
    def of_refusal(
        cls, refusal: TransactionViolation | PolicyError, txid: Txid | None = None
    ) -> "Verdict":
        """What follows from a refusal of ``Mempool.add``, or of reading the bytes."""
        if isinstance(refusal, PolicyError):
            return cls(Outcome.POLICY, txid, refusal)
        return cls(_OUTCOMES[consequence_of(refusal, Stage.ADMISSION)], txid, refusal)
