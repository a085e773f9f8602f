"""Why the mempool refuses a transaction that breaks no rule of the chain.

Broken rules are raised as they are: see ``transaction_errors`` and ``call_errors``.
"""

from dataclasses import dataclass, fields
from typing import ClassVar

from esper.primitives.errors.wording import worded
from esper.primitives.ids import Txid
from esper.primitives.units import FIXED_POINT_ONE, format_credits


@dataclass(eq=False)
class PolicyError(Exception):
    """Base of all refusals. Subclasses are dataclasses whose fields are the values that led to it.

    Another node may think otherwise: nothing here makes a transaction invalid.
    """

    retry: ClassVar[bool] = True
    """Whether the very same transaction may be taken later."""
    template: ClassVar[str]
    """Message with the fields' names in braces: what was found, and what would help."""

    def __post_init__(self) -> None:
        # BaseException keeps only positional arguments; pickling needs them all.
        self.args = tuple(getattr(self, field.name) for field in fields(self))

    @property
    def rule(self) -> str:
        """The class name: the stable name of the refusal, as rules have one."""
        return type(self).__name__

    def __str__(self) -> str:
        return worded(self.template, self)


@dataclass(eq=False)
class ResultFromOutsideError(PolicyError):
    """An LlmResult by itself: it would have no proof."""

    retry = False
    template: ClassVar[str] = (
        "an llm-result travels with the block that proves it; send the proof's block instead"
    )


@dataclass(eq=False)
class TooEarlyError(PolicyError):
    """A window that begins so late that the transaction would only take up room until then."""

    not_before: int
    latest: int
    template: ClassVar[str] = (
        "not_before {not_before} is too far ahead, at most {latest} now; send it later"
    )


@dataclass(eq=False)
class MempoolFullError(PolicyError):
    """No room at this rate: all that waits pays more."""

    rate: int
    """What the transaction offers, as ``Waiting.rate``."""
    minimum_rate: int
    """What would do now: units per 1,000 bytes, for a call its score."""
    is_call: bool = False
    """Whether it is the room of calls that is full."""
    template: ClassVar[str] = (
        "the mempool is full: the fee is {rate:esp} for 1,000 bytes, at least {minimum_rate:esp} "
        "needed; raise the fee, or wait"
    )

    def __str__(self) -> str:
        if not self.is_call:
            return super().__str__()
        offered, needed = self.rate // FIXED_POINT_ONE, -(-self.minimum_rate // FIXED_POINT_ONE)
        return (
            f"the mempool is full of calls: this one offers {format_credits(offered)} for a token, "
            f"at least {format_credits(needed)} needed; raise the bid, or wait"
        )


@dataclass(eq=False)
class TooManyPendingError(PolicyError):
    """As many transactions of the sender wait as may."""

    limit: int
    template: ClassVar[str] = "{limit} transactions of the sender wait already; wait for a block"


@dataclass(eq=False)
class NonceTooFarError(PolicyError):
    """A nonce beyond a gap, and as many as may be held aside are."""

    nonce: int
    expected: int
    limit: int
    template: ClassVar[str] = (
        "nonce {nonce} lies beyond a gap, the next is {expected}, and {limit} are held aside "
        "already; send the missing ones first"
    )


@dataclass(eq=False)
class NonceWaitsError(PolicyError):
    """Another transaction waits with the nonce, and this one was not sent to replace it."""

    nonce: int
    waiting: Txid
    template: ClassVar[str] = (
        "nonce {nonce} is taken by {waiting}, which waits, and nothing was replaced; take the "
        "next nonce"
    )


@dataclass(eq=False)
class ReplacementFeeError(PolicyError):
    """A replacement that does not pay enough more than what it replaces."""

    retry = False
    fee: int
    needed: int
    template: ClassVar[str] = (
        "fee {fee:esp}, at least {needed:esp} needed to replace the transaction of this nonce"
    )


@dataclass(eq=False)
class ReplacementPriceError(PolicyError):
    """A call that does not bid enough more than the call it replaces."""

    retry = False
    price: int
    needed: int
    template: ClassVar[str] = (
        "bid of {price:credits} a token, at least {needed:credits} needed to replace the call"
    )


@dataclass(eq=False)
class ReplacementKindError(PolicyError):
    """A call, which pays no fee, in the place of a transaction that pays one."""

    retry = False
    nonce: int
    template: ClassVar[str] = (
        "a call cannot replace the transaction of nonce {nonce}, which pays a fee; "
        "replace it by one with a higher fee"
    )


@dataclass(eq=False)
class ReplacementRateError(PolicyError):
    """Too many replacements by one sender: each costs all nodes as much as a new transaction."""

    limit: int
    wait_ms: int
    template: ClassVar[str] = (
        "the sender replaced {limit} transactions within an hour; wait {wait_ms} ms"
    )


@dataclass(eq=False)
class CallAnsweredError(PolicyError):
    """A replacement that would take from a miner a call that it works for."""

    nonce: int
    template: ClassVar[str] = (
        "the call of nonce {nonce} is being answered here or waits for its block with its proof; "
        "neither it nor what comes before it can be replaced, wait for the block"
    )


@dataclass(eq=False)
class PendingFundsError(PolicyError):
    """Funds that would do, if the sender's other transactions were not waiting for them."""

    balance: int
    left: int
    needed: int
    template: ClassVar[str] = (
        "balance {balance:esp}, {left:esp} left after what waits, {needed:esp} needed; "
        "wait for a block or replace one that waits"
    )


@dataclass(eq=False)
class PendingCreditsError(PolicyError):
    """Credits that would do, if the sender's other transactions were not waiting for them."""

    waiting: int
    needed: int
    template: ClassVar[str] = (
        "the sender's waiting transactions hold {waiting:credits}, {needed:credits} more needed; "
        "wait for a block or replace one that waits"
    )
