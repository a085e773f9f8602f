"""Who may report on a model now, and for which bond.

1. an open model, a suite of it, a bit for each item   2. bond   3. how many are open   4. time
"""

from typing import Final

from esper.dao.benchmarks.report import ReportBody, has_bits_for
from esper.dao.benchmarks.standing import settled_height
from esper.dao.records import Proposal
from esper.dao.steps import OPEN, Subject
from esper.primitives.errors.dao_errors import (
    BondViolation,
    ReportBitsViolation,
    ReportLateViolation,
    ReportLimitViolation,
)
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of

BOND_DIVISOR: Final = 4
"""A report's bond is at least this part of the unit that its proposal's bond was measured in."""
MOST_OF_OTHERS: Final = 4
"""Reports of all but the proposer, together, at a time."""
MOST_OF_PROPOSER: Final = 1
"""Reports of the proposer on a suite, at a time: others cannot take these places."""


def least_report_bond(proposal: Proposal) -> int:
    """Units."""
    return -(-proposal.base // BOND_DIVISOR)


def check_report(
    sender: bytes,
    bond: int,
    body: ReportBody,
    records: DaoLedger,
    *,
    height: int,
    rules: GovernanceParameters,
) -> None:
    """All four, for a report in the block at ``height``.

    Raises ReportBitsViolation, BondViolation, ReportLimitViolation or ReportLateViolation.
    """
    # 1. It says something about every item of a suite that the vote is about.
    live = records.live(body.proposal)
    if live is None or live.subject != Subject.MODEL or live.step not in OPEN:
        raise ReportBitsViolation("it names no model that is open to votes")
    proposal = records.proposal(live.id)
    _check_bits(body, proposal)

    # 2. What it loses if it is false.
    least = least_report_bond(proposal)
    if bond < least:
        raise BondViolation(bond, least)

    # 3. There is room, for the proposer whatever others do.
    _check_limit(sender, body.suite, proposal, records)

    # 4. Its sample can be drawn and proven before the vote closes.
    settled = settled_height(height, rules)
    if settled > proposal.close:
        raise ReportLateViolation(settled, proposal.close)


def _check_bits(body: ReportBody, proposal: Proposal) -> None:
    suites = model_of(proposal).suites
    if body.suite >= len(suites):
        raise ReportBitsViolation(f"suite {body.suite}, the model names {len(suites)}")
    count = suites[body.suite].count
    if not has_bits_for(body.bits, count):
        size = -(-count // 8)
        raise ReportBitsViolation(
            f"{len(body.bits)} bytes of bits for {count} items, must be {size}, zeros behind the "
            "last item"
        )


def _check_limit(sender: bytes, suite: int, proposal: Proposal, records: DaoLedger) -> None:
    own = others = 0
    for place in proposal.reports:
        report = records.report(place.id)
        if report is not None and report.reporter != proposal.proposer:
            others += 1
        elif place.suite == suite:
            own += 1
    if sender == proposal.proposer and own >= MOST_OF_PROPOSER:
        raise ReportLimitViolation("the proposer on a suite", MOST_OF_PROPOSER)
    if sender != proposal.proposer and others >= MOST_OF_OTHERS:
        raise ReportLimitViolation("others than the proposer", MOST_OF_OTHERS)
