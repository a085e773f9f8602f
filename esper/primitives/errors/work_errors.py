"""Rules about the work of a block, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.rule_violation import RuleViolation, Scope


class WorkViolation(RuleViolation):
    """Work that does not follow from the header, or is not proven."""

    scope = Scope.BODY


@dataclass(eq=False)
class OutputsEncodingViolation(WorkViolation):
    """Bytes under the header's outputs hash that are no outputs: whoever made the header hid it."""

    reason: str
    template: ClassVar[str] = "outputs: {reason}"


@dataclass(eq=False)
class IndexViolation(WorkViolation):
    """Prompts other than those the seed draws."""

    got: tuple[int, ...]
    expected: tuple[int, ...]
    template: ClassVar[str] = "prompt indices {got}, the seed draws {expected}"


@dataclass(eq=False)
class OpeningViolation(WorkViolation):
    """A prompt that is not in the bank at its index."""

    sequence: int
    index: int
    reason: str
    template: ClassVar[str] = "sequence {sequence}: prompt {index} of the bank: {reason}"


@dataclass(eq=False)
class InputLengthViolation(WorkViolation):
    """A prompt that leaves too little room for salt."""

    sequence: int
    prompt_tokens: int
    limit: int
    template: ClassVar[str] = (
        "sequence {sequence}: prompt of {prompt_tokens} tokens, at most {limit} leave enough salt"
    )


@dataclass(eq=False)
class AnswerShapeViolation(WorkViolation):
    """An answer that stops too early, too late or continues after EOS."""

    sequence: int
    reason: str
    template: ClassVar[str] = "sequence {sequence}: answer {reason}"


@dataclass(eq=False)
class TopListViolation(WorkViolation):
    """A top-K list that is unsorted, repeats an id or contradicts the answer."""

    sequence: int
    position: int
    reason: str
    template: ClassVar[str] = "sequence {sequence}, answer position {position}: top list {reason}"


@dataclass(eq=False)
class DigestViolation(WorkViolation):
    """A work result other than the digest of the answers."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "r {got} is not the digest of the answers, {expected}"


@dataclass(eq=False)
class TicketViolation(WorkViolation):
    """A work result above what target and work allow."""

    result: int
    target: int
    work: int
    reference_work: int
    template: ClassVar[str] = (
        "r {result} x reference work {reference_work} must be below target {target} x work {work}"
    )


@dataclass(eq=False)
class ProofEncodingViolation(WorkViolation):
    """Proof bytes that are no canonical proof."""

    reason: str
    scope: ClassVar[Scope] = Scope.ISOLATION
    template: ClassVar[str] = "proof encoding: {reason}"


@dataclass(eq=False)
class ProofViolation(WorkViolation):
    """A proof that does not show the answers to be the model's."""

    reason: str
    template: ClassVar[str] = "proof: {reason}"
