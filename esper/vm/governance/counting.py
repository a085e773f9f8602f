"""What a block says of the models and changes that wait for a check: counted when it closes."""

from esper.dao.records import Live
from esper.dao.steps import COUNTED, Step, Subject, counted, in_window
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import change_of
from esper.vm.ledger import Ledger


def count_block(ledger: Ledger, context: ExecutionContext) -> None:
    """Count the block for every proposal in whose window it lies; transactions were executed."""
    records = DaoLedger(ledger)
    rules = context.genesis.governance
    for live in records.governance.live:
        if live.step in COUNTED and in_window(live.next, context.height, rules):
            _count(live, records, context)


def _count(live: Live, records: DaoLedger, context: ExecutionContext) -> None:
    proposal = records.proposal(live.id)
    if live.subject == Subject.CHANGE:
        retired = change_of(proposal).retire
        if not retired:
            return
        seen, ready = True, context.tier != retired[0]
    elif live.step == Step.CHECK:
        # A block of any tier: one's miners may all be elsewhere while its model is idle.
        seen = context.tier == live.tier
        ready = live.number in records.voter(context.payee).ready
    else:
        seen = context.tier == live.tier
        ready = seen and context.fresh
    if seen or ready:
        records.set_proposal(live.id, counted(proposal, seen, ready))
