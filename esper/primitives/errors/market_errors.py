"""Rules about what providers claim and settle, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.transaction_errors import (
    ContextTransactionViolation,
    IsolatedTransactionViolation,
)


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


@dataclass(eq=False)
class MarketEncodingViolation(IsolatedTransactionViolation):
    """Fields that an action of the market does not have, or an action that is unknown."""

    reason: str
    template: ClassVar[str] = "encoding of what the market is told: {reason}"


@dataclass(eq=False)
class MarketSuiteViolation(IsolatedTransactionViolation):
    """An address of another signature suite than the market takes."""

    what: str
    suite: int
    expected: int
    template: ClassVar[str] = (
        "{what} of signature suite {suite}; the market takes addresses of suite {expected} alone"
    )


@dataclass(eq=False)
class MarketNotTakenViolation(MarketViolation):
    """A transaction for the market on a network that has none."""

    network: str
    template: ClassVar[str] = "{network} takes no transactions of the market yet"


@dataclass(eq=False)
class MarketModelViolation(MarketViolation):
    """An offer of a model that no tier has, or of another than the provider serves."""

    model_id: bytes
    reason: str
    template: ClassVar[str] = "model {model_id}: {reason}"


@dataclass(eq=False)
class ProviderOwnerViolation(MarketViolation):
    """An offer that names another owner than the first one did."""

    owner: bytes
    expected: bytes
    template: ClassVar[str] = "owner {owner}, the provider's is {expected} for good"


@dataclass(eq=False)
class ProviderDepositViolation(MarketViolation):
    """A first offer of somebody who cannot leave the deposit."""

    balance: int
    needed: int
    template: ClassVar[str] = (
        "balance of {balance:esp}, bond, deposit and fee need {needed:esp}; the deposit comes back "
        "to the owner"
    )


@dataclass(eq=False)
class MarketBondViolation(MarketViolation):
    """A bond that is neither nothing nor enough."""

    bond: int
    least: int
    template: ClassVar[str] = "bond of {bond:esp} in all, must be 0 or {least:esp} at least"


@dataclass(eq=False)
class ProviderUnknownViolation(MarketViolation):
    """Something about a provider that is none, or has left."""

    provider: bytes
    template: ClassVar[str] = "{provider} is no provider"


@dataclass(eq=False)
class ProviderOffViolation(MarketViolation):
    """Something that a provider cannot do, or be asked for, any more."""

    reason: str
    template: ClassVar[str] = "provider: {reason}"


@dataclass(eq=False)
class ProviderBusyViolation(MarketViolation):
    """A provider that wants its bond back before what it stands for has ended."""

    reason: str
    template: ClassVar[str] = "the provider cannot have its bond yet: {reason}"


@dataclass(eq=False)
class SessionUnknownViolation(MarketViolation):
    """A session that is not open."""

    session: bytes
    template: ClassVar[str] = "session {session} is not open"


@dataclass(eq=False)
class SessionLimitViolation(MarketViolation):
    """A provider with as many open sessions as it may have."""

    limit: int
    template: ClassVar[str] = "{limit} open sessions of the provider, which is the most"


@dataclass(eq=False)
class OfferChangedViolation(MarketViolation):
    """A session for an offer that the provider has replaced."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "the session is for offer {got}, the provider's is {expected} now"


@dataclass(eq=False)
class SessionDepositViolation(MarketViolation):
    """A session that holds too little, or more than an amount can be."""

    deposit: int
    least: int
    most: int
    template: ClassVar[str] = "deposit of {deposit:esp}, must be {least:esp} to {most:esp}"


@dataclass(eq=False)
class SessionExpiryViolation(MarketViolation):
    """A session that would end before it began, or live too long."""

    expiry: int
    first: int
    last: int
    template: ClassVar[str] = "expiry in slot {expiry}, must be {first} to {last}"


@dataclass(eq=False)
class SessionPayerViolation(MarketViolation):
    """Somebody else than its payer who wants to extend a session."""

    sender: bytes
    payer: bytes
    template: ClassVar[str] = "{sender} is not the session's payer, {payer} is"


@dataclass(eq=False)
class SessionOpenViolation(MarketViolation):
    """A session that cannot be closed yet."""

    reason: str
    template: ClassVar[str] = "the session stays open: {reason}"


@dataclass(eq=False)
class SettleSessionViolation(MarketViolation):
    """A claim that is settled for a session of another provider, or of none."""

    session: bytes
    template: ClassVar[str] = "session {session} is not open with this provider"


@dataclass(eq=False)
class PicksViolation(MarketViolation):
    """A claim that is settled before it is drawn which answered draws are shown."""

    height: int
    drawn: int
    template: ClassVar[str] = "settled at height {height}, the picks are drawn at {drawn}"


@dataclass(eq=False)
class OpeningCountViolation(MarketViolation):
    """More or fewer openings than were picked."""

    got: int
    expected: int
    template: ClassVar[str] = "{got} openings of draws, must be {expected}"


@dataclass(eq=False)
class NotAFaultViolation(MarketViolation):
    """What is shown against a provider contradicts nothing that it signed."""

    reason: str
    template: ClassVar[str] = "no fault: {reason}"


@dataclass(eq=False)
class FaultTwiceViolation(MarketViolation):
    """A fault of a provider that was expelled."""

    provider: bytes
    template: ClassVar[str] = "{provider} was expelled already"
