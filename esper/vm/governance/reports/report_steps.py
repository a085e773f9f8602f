"""What happens to reports at heights that their claims have set, and what becomes of their bonds.

| when | bond |
|---|---|
| its sample is not proven in time | burns |
| an item is proven to be otherwise | half to whoever proved it, half burns |
| the judge of its suite is no model of a tier any more | back |
| it stands when the vote closes | back |
"""

from dataclasses import replace

from esper.dao.benchmarks.report import Report, ReportBody, drawn_sample
from esper.dao.benchmarks.standing import (
    STANDS,
    draw_height,
    open_next,
    with_place,
    without_place,
)
from esper.dao.records import Live, Proposal, ReportPlace
from esper.dao.steps import Step
from esper.primitives.ids import Txid
from esper.primitives.params import GovernanceParameters
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of


def open_report(
    report_id: Txid,
    reporter: bytes,
    bond: int,
    body: ReportBody,
    records: DaoLedger,
    *,
    height: int,
    rules: GovernanceParameters,
) -> None:
    """Add a report that keeps all rules; its bond has left the reporter's balance."""
    report = Report(body.proposal, reporter, body.suite, bond, body.bits, (), 0, 0)
    records.set_report(report_id, report)
    place = ReportPlace(report_id, body.suite, draw_height(height, rules))
    live = records.place(body.proposal)
    _put(live, with_place(records.proposal(live.id), place), records, rules)


def step_reports(live: Live, records: DaoLedger, context: ExecutionContext) -> None:
    """Draw and settle what is due of an open model, in the order of the claims."""
    rules = context.genesis.governance
    proposal = records.proposal(live.id)
    for place in proposal.reports:
        if place.next != context.height:
            continue
        report = required_report(place.id, records)
        if not report.sample:
            count = model_of(proposal).suites[report.suite].count
            wanted = context.params.governance.report_samples
            sample = drawn_sample(place.id, context.beacon, count, wanted)
            records.set_report(place.id, replace(report, sample=sample))
            _move(live, replace(place, next=context.height + rules.round_window), records, rules)
        elif report.is_proven:
            records.set_report(place.id, replace(report, standing=1))
            _move(live, replace(place, next=STANDS), records, rules)
        else:
            burn_report(live, place.id, records, rules)


def settle_reports(live: Live, records: DaoLedger) -> None:
    """The vote has closed: what stood is over, and its bonds go back. What stood stays written."""
    proposal = records.proposal(live.id)
    for place in proposal.reports:
        _release(place.id, records, required_report(place.id, records).bond)
    records.set_proposal(live.id, replace(proposal, reports=()))


def note_proven(report_id: Txid, place: int, records: DaoLedger) -> None:
    """One more item of a report's sample, its ``place``-th, is as it says."""
    records.set_report(report_id, required_report(report_id, records).with_proven(place))


def burn_report(
    live: Live, report_id: Txid, records: DaoLedger, rules: GovernanceParameters
) -> None:
    """A report ends whose sample nobody has proven."""
    _release(report_id, records, 0)
    _put(live, without_place(records.proposal(live.id), report_id), records, rules)


def refute_report(
    live: Live, report_id: Txid, prover: bytes, records: DaoLedger, rules: GovernanceParameters
) -> None:
    """A report ends that says of an item what is not so; ``prover`` has shown it."""
    share = required_report(report_id, records).bond // 2
    _release(report_id, records, 0, share)
    records.settle(report_id, prover, share, 0)
    _put(live, without_place(records.proposal(live.id), report_id), records, rules)


def return_report(
    live: Live, report_id: Txid, records: DaoLedger, rules: GovernanceParameters
) -> None:
    """A report ends that nobody can prove any more."""
    _release(report_id, records, required_report(report_id, records).bond)
    _put(live, without_place(records.proposal(live.id), report_id), records, rules)


def required_report(report_id: Txid, records: DaoLedger) -> Report:
    """A report that a proposal names. Raises KeyError for a state that lacks it."""
    report = records.report(report_id)
    if report is None:
        raise KeyError(f"the state lacks report {report_id.hex()} that a proposal names")
    return report


def _release(report_id: Txid, records: DaoLedger, returned: int, to_others: int = 0) -> None:
    """Take a report out of the state; of its bond burns what nobody gets."""
    report = required_report(report_id, records)
    records.set_report(report_id, None)
    records.settle(report_id, report.reporter, returned, report.bond - returned - to_others)


def _move(live: Live, place: ReportPlace, records: DaoLedger, rules: GovernanceParameters) -> None:
    _put(live, with_place(records.proposal(live.id), place), records, rules)


def _put(live: Live, proposal: Proposal, records: DaoLedger, rules: GovernanceParameters) -> None:
    """Write what a model's reports are now, and when it goes on."""
    records.set_proposal(live.id, proposal)
    step = Step(records.place(live.id).step)
    records.move(live, step, open_next(proposal, step, rules))
