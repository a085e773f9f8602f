"""Where a new transaction belongs in its sender's line, if anywhere. Changes nothing."""

from dataclasses import dataclass
from typing import NoReturn

from esper.crypto.signatures import SignatureClaim
from esper.mempool.errors import (
    NonceTooFarError,
    PendingCreditsError,
    PendingFundsError,
    TooManyPendingError,
)
from esper.mempool.lines.next_block import NextBlock
from esper.mempool.lines.sender_line import SenderLine, arranged
from esper.mempool.policy import MempoolPolicy
from esper.mempool.waiting import Waiting
from esper.primitives.errors.call_errors import CreditsViolation, RateViolation
from esper.primitives.errors.transaction_errors import (
    FundsViolation,
    NonceUsedViolation,
    TransactionViolation,
)


@dataclass(frozen=True, slots=True)
class Placement:
    """A line with a new transaction in it."""

    line: SenderLine
    """As it would be."""
    claim: SignatureClaim
    """The new one's signature, still to be checked."""
    dropped: tuple[tuple[Waiting, Exception | str], ...] = ()
    """What has no place in the line any more; not the one that was replaced."""
    continues: bool = False
    """Whether the line's projection still has to take the new one in."""


def placed(
    new: Waiting, line: SenderLine, next_block: NextBlock, policy: MempoolPolicy
) -> Placement:
    """The line with ``new`` in it, in the place of what waits there with its nonce.

    Raises a TransactionViolation, TooManyPendingError, NonceTooFarError, PendingFundsError or
    PendingCreditsError.
    """
    if new.nonce < line.first_nonce:
        raise NonceUsedViolation(new.nonce, line.first_nonce)
    others = [waiting for waiting in line if waiting.nonce != new.nonce]
    replaces = len(others) < len(line)
    if new.nonce > line.next_nonce:
        if not replaces and len(line.aside) >= policy.aside_per_sender:
            raise NonceTooFarError(new.nonce, line.next_nonce, policy.aside_per_sender)
        return _beyond_gap(new, line, next_block)
    if new.nonce == line.next_nonce and len(line.ready) >= policy.pending_per_sender:
        raise TooManyPendingError(policy.pending_per_sender)
    if new.nonce == line.next_nonce and not line.aside:
        try:
            claim = line.projection.check(new.transaction, next_block)
        except TransactionViolation as violation:
            _refuse(violation, new, line, next_block)
        longer = SenderLine(line.projection, [*line.ready, new])
        return Placement(longer, claim, continues=True)

    arrangement = arranged(new.transaction.sender, [*others, new], next_block, policy)
    for waiting, reason in arrangement.dropped:
        if waiting is new and isinstance(reason, TransactionViolation):
            _refuse(reason, new, line, next_block)
    return Placement(arrangement.line, arrangement.claims[new.txid], arrangement.dropped)


def _beyond_gap(new: Waiting, line: SenderLine, next_block: NextBlock) -> Placement:
    try:
        claim = line.projection.check(new.transaction, next_block, beyond_gap=True)
    except TransactionViolation as violation:
        _refuse(violation, new, line, next_block)
    others = [waiting for waiting in line.aside if waiting.nonce != new.nonce]
    aside = sorted([*others, new], key=lambda waiting: waiting.nonce)
    return Placement(SenderLine(line.projection, line.ready, aside), claim)


def _refuse(
    violation: TransactionViolation, new: Waiting, line: SenderLine, next_block: NextBlock
) -> NoReturn:
    """Raise the violation, or say that it is what waits already that stands in the way."""
    alone = line.projection.before_all(next_block)
    try:
        alone.check(new.transaction, next_block, beyond_gap=True)
    except TransactionViolation:
        raise violation from None
    if isinstance(violation, FundsViolation):
        raise PendingFundsError(
            alone.account.balance, violation.balance, violation.needed
        ) from violation
    if isinstance(violation, CreditsViolation | RateViolation):
        held = sum(waiting.transaction.payload.credits_needed for waiting in line.ready)
        raise PendingCreditsError(held, violation.needed) from violation
    raise violation
