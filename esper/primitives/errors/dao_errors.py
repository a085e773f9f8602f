"""Rules about what may be proposed to the DAO, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.transaction_errors import ContextTransactionViolation


class ProposalViolation(ContextTransactionViolation):
    """A proposal that does not fit the tiers and parameters it would change."""


@dataclass(eq=False)
class ProofVersionViolation(ProposalViolation):
    """A model for a proof system that this release does not verify."""

    got: int
    expected: int
    template: ClassVar[str] = (
        "the model is for version {got} of the proof, this release verifies version {expected}"
    )


@dataclass(eq=False)
class DescriptorViolation(ProposalViolation):
    """A descriptor that is none, or that is not the entry's."""

    reason: str
    template: ClassVar[str] = "descriptor: {reason}"


@dataclass(eq=False)
class ExtensionViolation(ProposalViolation):
    """A tier's own model proposed again with something else than a longer bank."""

    field: str
    template: ClassVar[str] = (
        "{field} differs from the tier's, whose own model this is: only its bank may grow"
    )


@dataclass(eq=False)
class PuzzleViolation(ProposalViolation):
    """A ticket of a shape that is not allowed, or that the model cannot fill."""

    reason: str
    template: ClassVar[str] = "ticket: {reason}"


@dataclass(eq=False)
class TierOmegaViolation(ProposalViolation):
    """A weight too far from what the shapes say, or for a tier that is not there."""

    tier: int
    got: int
    least: int
    most: int
    template: ClassVar[str] = "omega {got} of tier {tier}, must be {least} to {most}"


@dataclass(eq=False)
class BankSizeViolation(ProposalViolation):
    """A prompt bank too small, too large, or grown too fast."""

    got: int
    least: int
    most: int
    template: ClassVar[str] = "a bank of {got} prompts, must have {least} to {most}"


@dataclass(eq=False)
class ShareViolation(ProposalViolation):
    """Shares that do not fit the tiers."""

    reason: str
    template: ClassVar[str] = "shares: {reason}"


@dataclass(eq=False)
class ProvingCostViolation(ProposalViolation):
    """A ticket that takes too long to prove."""

    cost: int
    limit: int
    template: ClassVar[str] = (
        "proving a ticket costs {cost} units of 10 ns of two cores, at most {limit}"
    )


@dataclass(eq=False)
class ProofRoomViolation(ProposalViolation):
    """A model whose embedding rows would not fit a proof: they travel in the clear."""

    size: int
    limit: int
    template: ClassVar[str] = "embedding rows of {size} bytes in a proof, at most {limit}"


@dataclass(eq=False)
class BenchSuiteViolation(ProposalViolation):
    """Suites that are not made from the registered texts, or have no items or too many."""

    reason: str
    template: ClassVar[str] = "suites: {reason}"


@dataclass(eq=False)
class SettingKeyViolation(ProposalViolation):
    """A parameter that votes cannot move."""

    key: int
    template: ClassVar[str] = "parameter {key} is none that votes may move"


@dataclass(eq=False)
class SettingBoundsViolation(ProposalViolation):
    """A parameter beyond what a vote may ever set it to."""

    name: str
    got: int
    least: int
    most: int
    template: ClassVar[str] = "{name} {got}, must be {least} to {most}, and as its kind demands"


@dataclass(eq=False)
class SettingStepViolation(ProposalViolation):
    """A parameter moved too far at once."""

    name: str
    got: int
    now: int
    template: ClassVar[str] = "{name} {got}: it is {now}, one vote doubles or halves it at most"


@dataclass(eq=False)
class CooldownViolation(ProposalViolation):
    """A parameter that moved a short time ago."""

    name: str
    height: int
    rests_until: int
    template: ClassVar[str] = "{name} rests until height {rests_until}, this is {height}"


@dataclass(eq=False)
class TierLimitViolation(ProposalViolation):
    """The end of a tier that is not there, or of the last one."""

    tier: int
    template: ClassVar[str] = "tier {tier} cannot be retired: it is not there, or the last"
