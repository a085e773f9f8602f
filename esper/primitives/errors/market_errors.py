"""Rules about what providers claim and settle, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.transaction_errors import ContextTransactionViolation


class MarketViolation(ContextTransactionViolation):
    """Something that the market does not take now."""


@dataclass(eq=False)
class BeatWindowViolation(MarketViolation):
    """A Beat outside the few blocks behind the drawn height, or of another slot."""

    height: int
    slot: int
    first: int
    last: int
    template: ClassVar[str] = (
        "Beat of slot {slot} at height {height}, must stand from {first} to {last}"
    )


@dataclass(eq=False)
class BeatBeaconViolation(MarketViolation):
    """A Beat for another branch of the chain: its load answers would be false on this one."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "Beat for the beacon {got}, the drawn height's is {expected}"


@dataclass(eq=False)
class BeatTwiceViolation(MarketViolation):
    """A second Beat of a provider in one slot."""

    slot: int
    template: ClassVar[str] = "the provider has sent a Beat in slot {slot}; one counts"


@dataclass(eq=False)
class LoadViolation(MarketViolation):
    """A Beat with more load than its provider offers."""

    load: int
    most: int
    template: ClassVar[str] = "load of {load} units, the offer says {most} at most"


@dataclass(eq=False)
class BeatOpeningViolation(MarketViolation):
    """A load answer that is not the drawn one of the last Beat."""

    reason: str
    template: ClassVar[str] = "opened load answer: {reason}"


@dataclass(eq=False)
class SettleLateViolation(MarketViolation):
    """A claim that is settled too early or too late."""

    slot: int
    claimed: int
    first: int
    last: int
    template: ClassVar[str] = (
        "claim of slot {claimed} settled in slot {slot}, must be from {first} to {last}"
    )


@dataclass(eq=False)
class BeatPathViolation(MarketViolation):
    """A claim that is not under the Beat that it is said to be under, or not about this one."""

    reason: str
    template: ClassVar[str] = "claim and Beat: {reason}"


@dataclass(eq=False)
class ClaimOrderViolation(MarketViolation):
    """A claim of what was settled before, or of nothing."""

    what: str
    got: int
    least: int
    template: ClassVar[str] = "claim with {what} {got}, must be {least} at least"


@dataclass(eq=False)
class ClaimRequestViolation(MarketViolation):
    """A request that does not acknowledge what is claimed, or is not signed by its session."""

    reason: str
    template: ClassVar[str] = "request of a claim: {reason}"


@dataclass(eq=False)
class ClaimLimitViolation(MarketViolation):
    """A claim of more than its session holds, or that came too late for it."""

    reason: str
    template: ClassVar[str] = "claim: {reason}"


@dataclass(eq=False)
class StatusesViolation(MarketViolation):
    """Statuses that are not of the claim's draws, or name a verifier that was not drawn."""

    reason: str
    template: ClassVar[str] = "statuses of a claim: {reason}"


@dataclass(eq=False)
class VoidViolation(MarketViolation):
    """A draw that is said to be void although somebody could have answered it."""

    draw: int
    template: ClassVar[str] = "draw {draw} is not void: a verifier of it sent its Beat"


@dataclass(eq=False)
class DrawOpeningViolation(MarketViolation):
    """A draw that is said to be answered, and is not shown to be."""

    draw: int
    reason: str
    template: ClassVar[str] = "opening of draw {draw}: {reason}"
