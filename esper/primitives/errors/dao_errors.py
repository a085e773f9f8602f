"""Rules about what may be proposed to the DAO, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.transaction_errors import (
    ContextTransactionViolation,
    IsolatedTransactionViolation,
)
from esper.primitives.ids import Txid


@dataclass(eq=False)
class DaoEncodingViolation(IsolatedTransactionViolation):
    """A body that its subject does not have, or a subject or choice that is unknown."""

    reason: str
    template: ClassVar[str] = "encoding of what the DAO is told: {reason}"


class DaoViolation(ContextTransactionViolation):
    """A vote, a delegation or a proof that the DAO does not take now."""


@dataclass(eq=False)
class DaoSuiteViolation(IsolatedTransactionViolation):
    """A sender of another signature suite than the DAO takes."""

    suite: int
    expected: int
    template: ClassVar[str] = (
        "sender of signature suite {suite}; the DAO takes addresses of suite {expected} alone"
    )


@dataclass(eq=False)
class ElectorateViolation(DaoViolation):
    """A proposal while too little is staked to decide anything."""

    stake: int
    needed: int
    template: ClassVar[str] = (
        "{stake:esp} were staked when the credit epoch began, proposals need {needed:esp}: what is "
        "staked now counts when the next one begins"
    )


@dataclass(eq=False)
class ProposerStakeViolation(DaoViolation):
    """A proposer with too small a stake when the epoch began."""

    stake: int
    needed: int
    template: ClassVar[str] = (
        "the proposer had {stake:esp} staked when the credit epoch began, must have {needed:esp}: "
        "what is staked now counts when the next one begins"
    )


@dataclass(eq=False)
class OpenLimitViolation(DaoViolation):
    """As many proposals as may be under way."""

    what: str
    limit: int
    template: ClassVar[str] = "{limit} {what} already, which is the most; wait until one ends"


@dataclass(eq=False)
class BondViolation(DaoViolation):
    """A bond too small."""

    bond: int
    least: int
    template: ClassVar[str] = "bond of {bond:esp}, must be {least:esp} at least"


@dataclass(eq=False)
class TierBusyViolation(DaoViolation):
    """A model for a tier that waits for another one."""

    tier: int
    number: int
    template: ClassVar[str] = "tier {tier} is busy with proposal {number} until it ends"


@dataclass(eq=False)
class DuplicateModelViolation(DaoViolation):
    """A model that another tier has, or is about to have."""

    tier: int
    template: ClassVar[str] = "tier {tier} has this model, or is about to have it"


@dataclass(eq=False)
class RollbackViolation(DaoViolation):
    """A rollback of something that cannot be taken back, or not any more."""

    reason: str
    template: ClassVar[str] = "rollback: {reason}"


@dataclass(eq=False)
class VoteClosedViolation(DaoViolation):
    """A vote on a proposal that is not open."""

    proposal: Txid
    template: ClassVar[str] = "proposal {proposal} is not open"


@dataclass(eq=False)
class VotedViolation(DaoViolation):
    """A second vote on one proposal."""

    proposal: Txid
    template: ClassVar[str] = "the sender has voted on proposal {proposal}; votes stand"


@dataclass(eq=False)
class NoWeightViolation(DaoViolation):
    """A vote that weighs nothing."""

    epoch: int
    template: ClassVar[str] = (
        "the sender had no stake, its own or delegated, when credit epoch {epoch} began, "
        "or all of it has voted"
    )


@dataclass(eq=False)
class DelegateViolation(DaoViolation):
    """A delegate that is the sender, or has no stake."""

    reason: str
    template: ClassVar[str] = "delegate: {reason}"


@dataclass(eq=False)
class ProveTargetViolation(DaoViolation):
    """A proof about something that is not under way, or has ended."""

    target: Txid
    template: ClassVar[str] = "{target} is nothing under way that such a proof is about"


@dataclass(eq=False)
class ReadinessViolation(DaoViolation):
    """A proof of readiness while nobody asks for it."""

    number: int
    template: ClassVar[str] = (
        "readiness for proposal {number} counts from the draw of its height until it is checked"
    )


@dataclass(eq=False)
class ReadyTwiceViolation(DaoViolation):
    """A second proof of readiness."""

    number: int
    template: ClassVar[str] = "the sender is known to be ready for proposal {number}"


@dataclass(eq=False)
class RewardMissingViolation(DaoViolation):
    """Readiness of somebody who mined no block of late."""

    height: int
    template: ClassVar[str] = "no reward of block {height} is pending for the sender"


@dataclass(eq=False)
class ReportBitsViolation(DaoViolation):
    """A report on no suite of an open model, or with another number of bits than the suite's."""

    reason: str
    template: ClassVar[str] = "report: {reason}"


@dataclass(eq=False)
class ReportLimitViolation(DaoViolation):
    """As many reports on a model as there may be at a time."""

    what: str
    limit: int
    template: ClassVar[str] = "{limit} reports of {what} are open, which is the most at a time"


@dataclass(eq=False)
class ReportLateViolation(DaoViolation):
    """A report whose sample could not be proven before the vote closes."""

    settled: int
    close: int
    template: ClassVar[str] = (
        "a report made now is settled at height {settled}, the vote closes at {close}"
    )


@dataclass(eq=False)
class SampleViolation(DaoViolation):
    """A proof that agrees with a report on an item that does not wait to be proven."""

    index: int
    template: ClassVar[str] = (
        "the report is right about item {index}, which is not of its sample, or is proven"
    )


@dataclass(eq=False)
class ItemViolation(DaoViolation):
    """An item that is not the suite's, or answers that are not those to be shown."""

    reason: str
    template: ClassVar[str] = "item: {reason}"


@dataclass(eq=False)
class ListShortViolation(DaoViolation):
    """Lists that hold none of the choices, while longer ones might."""

    listed: int
    longest: int
    template: ClassVar[str] = (
        "none of the choices is among the {listed} candidates listed; list {longest}"
    )


@dataclass(eq=False)
class ReceiptViolation(DaoViolation):
    """A receipt that is no evidence: not the gateway's, of no model here, or not contradicted."""

    reason: str
    template: ClassVar[str] = "evidence of a receipt: {reason}"


@dataclass(eq=False)
class EvidenceOldViolation(DaoViolation):
    """Evidence before the receipt's height, or after its gateway's stake may have been paid out."""

    height: int
    first: int
    last: int
    template: ClassVar[str] = (
        "the receipt is evidence from height {first} to {last}, this is {height}"
    )


@dataclass(eq=False)
class EvidenceTwiceViolation(DaoViolation):
    """Evidence about a receipt that has cost its gateway the penalty."""

    digest: Txid
    template: ClassVar[str] = "receipt {digest} has cost its gateway the penalty already"


@dataclass(eq=False)
class AuditRowsViolation(DaoViolation):
    """Prompt and answer longer than a proof in a transaction may be."""

    rows: int
    limit: int
    template: ClassVar[str] = "a proof of {rows} rows, at most {limit}"


@dataclass(eq=False)
class NothingTakenViolation(DaoViolation):
    """Evidence that would cost its gateway nothing."""

    gateway: bytes
    template: ClassVar[str] = (
        "gateway {gateway} has no stake, and none of the rewards and unbondings named is its own"
    )


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

    reason: str
    template: ClassVar[str] = (
        "{reason}; the tier's own model may come back with a longer bank alone"
    )


@dataclass(eq=False)
class PuzzleViolation(ProposalViolation):
    """A ticket of a shape that is not allowed, or that the model cannot fill."""

    reason: str
    template: ClassVar[str] = "ticket: {reason}"


@dataclass(eq=False)
class TierOmegaViolation(ProposalViolation):
    """A weight too far from what the shapes say."""

    tier: int
    got: int
    least: int
    most: int
    template: ClassVar[str] = (
        "omega {got:fixed} of tier {tier}, must be {least:fixed} to {most:fixed}"
    )


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
        "proving a ticket costs {cost} times 10 ns of two cores, at most {limit}"
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
    kind: str = ""
    """What else it must be, behind a comma."""
    template: ClassVar[str] = "{name} {got}, must be {least} to {most}{kind}"


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
    """A tier that is not there is weighed or ended, the last one is ended, or one is too many."""

    tier: int
    reason: str
    template: ClassVar[str] = "tier {tier} {reason}"
