"""Rules about hidden sets of items, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.dao_errors import DaoViolation


@dataclass(eq=False)
class SetCountViolation(DaoViolation):
    """A hidden set of too few items."""

    got: int
    least: int
    template: ClassVar[str] = "a hidden set of {got} items, must have {least} at least"


@dataclass(eq=False)
class SetLimitViolation(DaoViolation):
    """A hidden set for which there is no place: none that it displaces is idle and not awaited."""

    limit: int
    template: ClassVar[str] = (
        "{limit} hidden sets are there for this tokenizer, and none of them may be displaced: "
        "models that are under way wait for them"
    )


@dataclass(eq=False)
class SetWithdrawnViolation(DaoViolation):
    """A hidden set that is not its sender's, or that may not be taken back now."""

    reason: str
    template: ClassVar[str] = "withdrawal of a hidden set: {reason}"


@dataclass(eq=False)
class HiddenOpeningViolation(DaoViolation):
    """Items that were not drawn of a hidden set, or are open already, or are not its own."""

    reason: str
    template: ClassVar[str] = "opening of a hidden set: {reason}"
