"""What a node does about a violation: one table, by the stage at which it was found and its class.

The stage decides as much as the class. Bytes that do not hash to what the header names say nothing
about the block; a state that fails says something about who made the block and nothing about who
passed it on; and a transaction may be refused only because the tip has moved.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from esper.primitives.errors import block_errors as b
from esper.primitives.errors import call_errors as c
from esper.primitives.errors import chain_errors as n
from esper.primitives.errors import header_errors as h
from esper.primitives.errors import transaction_errors as t
from esper.primitives.errors import work_errors as w
from esper.primitives.errors.rule_violation import Consequence, RuleViolation


class Stage(Enum):
    """How far a block or a transaction was looked at."""

    HEADER = "header"
    """Its header, by itself and on its parent's chain of headers."""
    WORK = "work"
    """Sizes, outputs, proof: what the header names, and whether it was earned."""
    LISTS = "lists"
    """Transactions, results and groups, without a state."""
    STATE = "state"
    """Executed on its parent's state."""
    ADMISSION = "admission"
    """A transaction offered to the mempool."""


_BRANCH: Final = {
    n.InvalidAncestorViolation: Consequence.FAILED,
    n.InvalidSiblingViolation: Consequence.FAILED,
    n.TooDeepReorganisation: Consequence.HALT,
}
"""About branches: the same at every stage."""

CONSEQUENCES: Final[Mapping[Stage, Mapping[type[RuleViolation], Consequence]]] = MappingProxyType(
    {
        Stage.HEADER: {
            **_BRANCH,
            h.IsolatedHeaderViolation: Consequence.INVALID,
            h.HeaderContextViolation: Consequence.INVALID,
            # What a release before or after this one may write.
            h.HeaderEncodingViolation: Consequence.OTHER_RULES,
            h.HeaderVersionViolation: Consequence.OTHER_RULES,
            h.NetworkViolation: Consequence.OTHER_RULES,
            h.TierViolation: Consequence.OTHER_RULES,
            h.ModelViolation: Consequence.OTHER_RULES,
            h.TargetViolation: Consequence.OTHER_RULES,
            h.BankViolation: Consequence.OTHER_RULES,
            h.OmegaViolation: Consequence.OTHER_RULES,
            h.UnknownParentViolation: Consequence.RETRY,
            h.TimeFutureViolation: Consequence.RETRY,
            h.HorizonViolation: Consequence.RETRY,
        },
        Stage.WORK: {
            **_BRANCH,
            w.WorkViolation: Consequence.INVALID,
            # Looked at before any hash: whoever carries a block could lengthen or break them.
            b.SizeViolation: Consequence.WRONG_BYTES,
            b.BodyEncodingViolation: Consequence.WRONG_BYTES,
            b.OutputsHashViolation: Consequence.WRONG_BYTES,
            b.ProofHashViolation: Consequence.WRONG_BYTES,
        },
        Stage.LISTS: {
            **_BRANCH,
            b.TransactionRootViolation: Consequence.WRONG_BYTES,
            b.ResultRootViolation: Consequence.WRONG_BYTES,
            b.CallsRootViolation: Consequence.WRONG_BYTES,
            # The roots held: the header names these very lists.
            b.IsolatedBlockViolation: Consequence.INVALID,
        },
        Stage.STATE: {
            **_BRANCH,
            RuleViolation: Consequence.FAILED,
            # Its parent was here when it was judged: what this node lost since blames nobody.
            h.UnknownParentViolation: Consequence.RETRY,
            h.HorizonViolation: Consequence.RETRY,
        },
        Stage.ADMISSION: {
            t.IsolatedTransactionViolation: Consequence.INVALID,
            t.UnknownKindViolation: Consequence.OTHER_RULES,
            t.SuiteViolation: Consequence.OTHER_RULES,
            t.ContextTransactionViolation: Consequence.RETRY,
            t.SignatureViolation: Consequence.INVALID,
            # The tip moved: it was good a moment ago.
            t.ExpiredViolation: Consequence.FAILED,
            t.NonceUsedViolation: Consequence.FAILED,
            c.CallShapeViolation: Consequence.INVALID,
            c.CallViolation: Consequence.RETRY,
            c.PromptTokenViolation: Consequence.INVALID,
            c.AnswerViolation: Consequence.INVALID,
        },
    }
)
"""The nearest class of a violation's that stands in its stage's table decides."""


def consequence_of(violation: RuleViolation, stage: Stage) -> Consequence:
    """What follows from a violation that was found at a stage.

    Raises LookupError for a class that cannot be found at that stage.
    """
    table = CONSEQUENCES[stage]
    for kind in type(violation).__mro__:
        if kind in table:
            return table[kind]
    raise LookupError(f"{violation.rule} is not found at the stage {stage.value}")
