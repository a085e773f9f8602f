"""Subject 2: an item of a report is as it says, or is not.

Of the sample each item is to be proven in time; any item that is otherwise ends the report. The
judge of a suite is a model that a tier has or had last: one that is gone cannot be asked, and a
report that waits for it ends without loss.
"""

from esper.dao.benchmarks.item import is_item_of
from esper.dao.benchmarks.item_proof import ItemProof, Outcome, outcome
from esper.dao.benchmarks.report import Report, bit
from esper.dao.benchmarks.suite import Form
from esper.dao.bodies import ModelBody
from esper.primitives.errors.dao_errors import (
    BenchSuiteViolation,
    ItemViolation,
    ProveTargetViolation,
    SampleViolation,
)
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of
from esper.vm.governance.reports.report_steps import (
    note_proven,
    refute_report,
    required_report,
    return_report,
)


def check_item(
    target: Txid, body: ItemProof, records: DaoLedger, rules: GovernanceParameters
) -> None:
    """The item is the report's, its answers say something, and that is of use.

    Raises ProveTargetViolation, BenchSuiteViolation, ItemViolation, ListShortViolation or
    SampleViolation.
    """
    report = records.report(target)
    if report is None:
        raise ProveTargetViolation(target)
    model = model_of(records.proposal(report.proposal))
    _check_suite(body, report, model, records)
    if not is_item_of(body.suite, body.index, body.item, body.path):
        raise ItemViolation(f"the path does not lead from item {body.index} to the suite's root")
    if is_judge_gone(body, records):
        _check_waits(body, report)
        return
    found = judged_outcome(body, model.entry, records, rules)
    if found.is_right == bit(report.bits, body.index) and report.place(body.index) is None:
        raise SampleViolation(body.index)


def apply_item(
    sender: bytes, target: Txid, body: ItemProof, records: DaoLedger, rules: GovernanceParameters
) -> None:
    """One more of the sample is proven; or the report ends, and the sender has half its bond."""
    report = required_report(target, records)
    live = records.place(report.proposal)
    if is_judge_gone(body, records):
        return_report(live, target, records, rules)
        return
    model = model_of(records.proposal(report.proposal)).entry
    found = judged_outcome(body, model, records, rules)
    place = report.place(body.index)
    if found.is_right != bit(report.bits, body.index):
        refute_report(live, target, sender, records, rules)
    elif place is not None:
        note_proven(target, place, records)


def judged_outcome(
    body: ItemProof, model: ModelEntry, records: DaoLedger, rules: GovernanceParameters
) -> Outcome:
    """What the answers in a body say, and what has to be proven for that.

    Nothing has if the suite's judge is gone. Raises ItemViolation or ListShortViolation.
    """
    if is_judge_gone(body, records):
        return Outcome(is_right=False, asked=())
    return outcome(body, model, _judge(body, records), rules.audit_rows)


def is_judge_gone(body: ItemProof, records: DaoLedger) -> bool:
    """Whether the suite is a judged one, and no tier has or had its judge last."""
    return body.suite.form == Form.JUDGED and _judge(body, records) is None


def _judge(body: ItemProof, records: DaoLedger) -> ModelEntry | None:
    for tier in records.tiers.tiers:
        for entry in (tier.own, *tier.previous):
            if entry.model.model_id == body.suite.judge:
                return entry.model
    return None


def _check_suite(body: ItemProof, report: Report, model: ModelBody, records: DaoLedger) -> None:
    named = model.suites[report.suite]
    if body.suite.id != named.suite or body.suite.count != named.count:
        raise BenchSuiteViolation("the proof's is not the one that the report is about")
    judge = _judge(body, records)
    if judge is not None and judge.tokenizer_id != body.suite.tokenizer:
        raise BenchSuiteViolation("its judge reads another tokenizer's ids")


def _check_waits(body: ItemProof, report: Report) -> None:
    """That there is no judge any more helps a report that needs one. Raises as ``check_item``."""
    if report.standing or report.is_proven:
        raise BenchSuiteViolation("its judge is none of the tiers' models")
    if body.answers:
        raise ItemViolation("has answers, its suite's judge is none of the tiers' models")
