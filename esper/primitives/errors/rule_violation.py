"""Broken consensus rules: one exception class per rule, with the values that broke it.

The classes stand in ``header_errors``, ``work_errors``, ``block_errors``, ``transaction_errors``
and ``call_errors``, in the order in which the rules are checked; those about whole branches in
``chain_errors``. What a node does about a violation follows from its class and the stage at which
it was found: see ``consequences``.
"""

from dataclasses import dataclass, fields
from enum import Enum
from typing import ClassVar

from esper.primitives.errors.wording import worded


class Scope(Enum):
    """What must be known before a rule can be judged."""

    ISOLATION = "isolation"
    """The bytes alone."""
    CONTEXT = "context"
    """The chain up to the parent, or the node's clock."""
    BODY = "body"
    """The body, the proof and the parent's state."""


class Consequence(Enum):
    """How a node treats a violation, and who brought it; ``consequences`` says which it is."""

    INVALID = "invalid"
    """Never valid, as whoever carries it can see: the id is marked, the carrier is blamed."""
    WRONG_BYTES = "wrong bytes"
    """Not the bytes that the id names: the carrier is blamed, the id says nothing."""
    OTHER_RULES = "other rules"
    """What an honest node of another release may take for valid: nobody is blamed, nothing kept."""
    FAILED = "failed"
    """Not valid, which only who executed it can know: the id is marked, its maker paid for it."""
    RETRY = "retry"
    """May become valid by waiting or fetching: nothing is marked, nobody is blamed."""
    HALT = "halt"
    """Needs the operator."""

    @property
    def marks(self) -> bool:
        """Whether the id is never looked at again."""
        return self in (Consequence.INVALID, Consequence.FAILED)

    @property
    def blames(self) -> bool:
        """Whether it counts against who brought it."""
        return self in (Consequence.INVALID, Consequence.WRONG_BYTES)


@dataclass(eq=False)
class RuleViolation(Exception):
    """Base of all rules. Subclasses are dataclasses whose fields are the values that broke them."""

    scope: ClassVar[Scope]
    template: ClassVar[str]
    """Message with the fields' names in braces: what was found, and what must be. ``worded`` says
    how amounts stand in it."""

    def __post_init__(self) -> None:
        # BaseException keeps only positional arguments; pickling to a worker needs them all.
        self.args = tuple(getattr(self, field.name) for field in fields(self))

    @property
    def rule(self) -> str:
        """The class name: the stable name of the rule in logs, tests and peer scores."""
        return type(self).__name__

    def __str__(self) -> str:
        return worded(self.template, self)
