"""The rollback that a round opens by itself: a vote without a bond, and without a proposer's will.

Its record names the model's proposer, who has nothing of it: it holds no coins. Where somebody has
opened a rollback of the same model already, or its vote could not end in time, none opens.
"""

from esper.dao.bodies import BODIES, RollbackBody
from esper.dao.opened import opened_proposal
from esper.dao.records import MAX_LIVE, Live
from esper.dao.steps import Subject, first_step
from esper.primitives.codec import encode
from esper.primitives.errors.dao_errors import RollbackViolation
from esper.primitives.ids import Txid
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.electorate import bond_unit
from esper.vm.governance.rollback_rules import check_rollback, rollback_quorum
from esper.vm.ledger import Ledger


def open_rollback(
    target: Live, rollback_id: Txid, ledger: Ledger, context: ExecutionContext
) -> bool:
    """Open it where the rules of rollbacks allow; whether they did."""
    records, rules = DaoLedger(ledger), context.genesis.governance
    body, governance = RollbackBody(target.id), records.governance
    try:
        check_rollback(body, records, height=context.height, rules=rules)
    except RollbackViolation:
        return False
    if len(governance.live) >= MAX_LIVE:
        return False
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
    return True
