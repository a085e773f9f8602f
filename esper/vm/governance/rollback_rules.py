"""What may be taken back, and until when: a vote has to end before the model is judged."""

from esper.dao.bodies import RollbackBody
from esper.dao.records import Live
from esper.dao.steps import Subject
from esper.primitives.errors.dao_errors import RollbackViolation
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.closing import CANCELLED, REVERTED, target_of
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.electorate import quorum_of, revert_quorum


def check_rollback(
    body: RollbackBody, records: DaoLedger, *, height: int, rules: GovernanceParameters
) -> Live:
    """The model's place in the list of what is live. Raises RollbackViolation."""
    target = records.live(body.proposal)
    if target is None or target.subject != Subject.MODEL:
        raise RollbackViolation("it names no model that is under way")
    other = open_rollback_of(target, records)
    if other is not None:
        raise RollbackViolation(f"proposal {other.number} is open about the same model")
    check_rollback_heights(target, records, height=height, rules=rules)
    return target


def open_rollback_of(target: Live, records: DaoLedger) -> Live | None:
    """The vote on taking a model back that is open; there is one at a time."""
    for live in records.governance.live:
        if live.subject == Subject.ROLLBACK:
            other = target_of(records.proposal(live.id), records)
            if other is not None and other.id == target.id:
                return live
    return None


def check_rollback_heights(
    target: Live, records: DaoLedger, *, height: int, rules: GovernanceParameters
) -> None:
    """A vote from ``height`` on ends before the model is judged. Raises RollbackViolation."""
    active = records.proposal(target.id).active
    close = height + rules.rollback_window
    if target.step in CANCELLED:
        latest = active - rules.horizon - 1
    elif target.step in REVERTED:
        latest = active + rules.trial - rules.horizon
    else:
        raise RollbackViolation("the model's height is not drawn yet, or it has been settled")
    if close > latest:
        raise RollbackViolation(f"its vote would close at {close}, {latest} is the last height")


def rollback_quorum(
    target: Live | None, stake: int, issued: int, rules: GovernanceParameters
) -> int:
    """The quorum of a rollback of ``target``, units: what is confirmed takes another one."""
    if target is not None and target.step not in CANCELLED:
        return revert_quorum(stake, issued, rules)
    return quorum_of(stake, issued, rules)
