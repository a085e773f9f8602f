"""What must hold of an answered draw that is shown.

1. the record is this session's       4. it is claimed in its own slot
2. the payer acknowledged it          5. its seal is the trace's
3. the draw hits it                   6. the verifier said so in time
"""

from collections.abc import Callable
from dataclasses import dataclass

from esper.market.draws import Draw
from esper.market.parameters import REPORT_SLOTS
from esper.market.records.acks import is_acknowledged
from esper.market.records.beat import is_report
from esper.market.records.claim import SessionClaim
from esper.market.records.offer import reply_cost
from esper.market.records.opening import DrawOpening
from esper.market.records.record import MarketRecord
from esper.market.records.report import ReplayReport
from esper.market.records.statuses import DrawStatus
from esper.market.records.windows import seal
from esper.primitives.errors.market_errors import DrawOpeningViolation


@dataclass(frozen=True, slots=True)
class OpenedClaim:
    """What openings of a claim are compared with."""

    genesis_hash: bytes
    """64 bytes."""
    claim: SessionClaim
    provider: bytes
    """33 bytes."""
    model_id: bytes
    """64 bytes."""
    slot: int
    """Of the Beat that claims."""
    slot_before: int | None
    """Of the provider's Beat before it; None if that is its first."""
    price_in: int
    """As the session copied it."""
    price_out: int
    """As the session copied it."""


def check_opening(
    opened: OpenedClaim,
    at: int,
    draw: Draw,
    status: DrawStatus,
    opening: DrawOpening,
    root_of: Callable[[bytes, int], bytes | None],
) -> None:
    """An opening shows that draw ``at`` was answered by the verifier that the status names.

    ``root_of`` gives the root of a provider's Beat of a slot, None without one. Raises
    DrawOpeningViolation.
    """
    _check_record(opened, at, draw, opening)
    record = opening.record
    if seal(opening.salt, opening.trace) != record.seal:
        raise DrawOpeningViolation(at, "the seal is not the trace's")
    verifier = draw.verifier(status)
    if verifier is None:
        raise DrawOpeningViolation(at, "nobody is said to have answered it")
    if not opened.slot < opening.beat <= opened.slot + REPORT_SLOTS:
        raise DrawOpeningViolation(
            at,
            f"the report is of slot {opening.beat}, must be from {opened.slot + 1} to "
            f"{opened.slot + REPORT_SLOTS}",
        )
    report = ReplayReport(opened.genesis_hash, verifier.provider, record.digest, opening.trace)
    root = root_of(verifier.provider, opening.beat)
    if root is None or not is_report(root, opening.index, report.digest, opening.path):
        raise DrawOpeningViolation(at, "the verifier's Beat holds no such report")


def _check_record(opened: OpenedClaim, at: int, draw: Draw, opening: DrawOpening) -> None:
    record, claim = opening.record, opened.claim
    _check_named(opened, at, record)
    if not claim.first <= record.turn < claim.turn:
        raise DrawOpeningViolation(
            at, f"turn {record.turn}, must be from {claim.first} to {claim.turn - 1}"
        )
    if not is_acknowledged(claim.acks, claim.turn, record.turn, record.digest, opening.acked):
        raise DrawOpeningViolation(at, "the payer acknowledged another record for this turn")
    if not record.before <= draw.amount < record.spent:
        raise DrawOpeningViolation(at, f"the record does not hold the drawn unit {draw.amount}")
    cost = reply_cost(opened.price_in, opened.price_out, record.prompt_tokens, record.answer_tokens)
    if record.spent - record.before != cost:
        raise DrawOpeningViolation(
            at, f"the record costs {record.spent - record.before} units, its tokens {cost}"
        )
    if record.slot > opened.slot:
        raise DrawOpeningViolation(at, f"the record is of slot {record.slot}, which is later")
    if opened.slot_before is not None and record.slot <= opened.slot_before:
        raise DrawOpeningViolation(
            at, f"the record is of slot {record.slot}, and was to be claimed in a Beat before"
        )


def _check_named(opened: OpenedClaim, at: int, record: MarketRecord) -> None:
    told = (record.genesis_hash, record.session, record.provider, record.model_id)
    claim = opened.claim
    if told != (opened.genesis_hash, claim.session, opened.provider, opened.model_id):
        raise DrawOpeningViolation(
            at, "the record is another session's, provider's, model's or network's"
        )
