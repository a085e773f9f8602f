"""Rules about whole branches of the block tree."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.rule_violation import RuleViolation, Scope
from esper.primitives.ids import BlockId, WorkId


class BranchViolation(RuleViolation):
    """A block or a branch that cannot become part of the chain."""

    scope = Scope.CONTEXT


@dataclass(eq=False)
class InvalidAncestorViolation(BranchViolation):
    """A block that builds on one marked invalid."""

    block: BlockId
    ancestor: BlockId
    template: ClassVar[str] = "block {block} builds on {ancestor}, which is invalid"


@dataclass(eq=False)
class InvalidSiblingViolation(BranchViolation):
    """Another proof of a work whose body was executed and failed: no proof mends the body."""

    block: BlockId
    work: WorkId
    template: ClassVar[str] = "block {block} proves work {work}, whose body is invalid"


@dataclass(eq=False)
class TooDeepReorganisation(BranchViolation):
    """A better branch that would undo more blocks than a node does by itself."""

    depth: int
    limit: int
    template: ClassVar[str] = (
        "the best branch undoes {depth} blocks, at most {limit} are undone unasked: "
        "the operator must decide which branch to follow"
    )
