"""The rollback that a round opens by itself: a vote without a bond, and without a proposer's will.

Its record names the model's proposer, who has nothing of it: it holds no coins. Where somebody has
opened a rollback of the same model already, that one stays open for as long instead: or else who
fears the score opens one that closes before anybody has seen it. Where a vote could not end in
time, none opens.
"""

from dataclasses import replace

from esper.dao.bodies import BODIES, RollbackBody
from esper.dao.opened import opened_proposal
from esper.dao.records import MAX_LIVE, Live
from esper.dao.steps import Step, Subject, first_step
from esper.primitives.codec import encode
from esper.primitives.errors.dao_errors import RollbackViolation
from esper.primitives.ids import Txid
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.electorate import bond_unit
from esper.vm.governance.rollback_rules import (
    check_rollback_heights,
    open_rollback_of,
    rollback_quorum,
)
from esper.vm.ledger import Ledger


def open_rollback(
    target: Live, rollback_id: Txid, ledger: Ledger, context: ExecutionContext
) -> Txid | None:
    """Open it, or keep the one open that is; the id of that vote, None where heights forbid it."""
    records, rules = DaoLedger(ledger), context.genesis.governance
    try:
        check_rollback_heights(target, records, height=context.height, rules=rules)
    except RollbackViolation:
        return None
    other = open_rollback_of(target, records)
    if other is not None:
        _keep_open(other, context.height + rules.rollback_window, records)
        return other.id
    body, governance = RollbackBody(target.id), records.governance
    if len(governance.live) >= MAX_LIVE:
        return None
    subject = Subject.ROLLBACK
    step, next_height, close = first_step(subject, context.height, rules)
    live = Live(governance.number + 1, rollback_id, subject, target.tier, step, next_height)
    records.open(
        live,
        opened_proposal(
            live,
            governance,
            proposer=records.proposal(target.id).proposer,
            bond=0,
            fee=0,
            base=bond_unit(governance.stake, rules),
            opened=context.height,
            quorum=rollback_quorum(target, governance.stake, ledger.chain.issued, rules),
            close=close,
            gate=0,
            body=encode(BODIES[subject], body),
        ),
    )
    return rollback_id


def _keep_open(live: Live, close: int, records: DaoLedger) -> None:
    """Let an open vote close no earlier than one that opens now; what was voted stands."""
    proposal = records.proposal(live.id)
    if proposal.close < close:
        records.set_proposal(live.id, replace(proposal, close=close))
        records.move(live, Step.CLOSE, close)
