"""Hidden sets that a round has drawn of, and how they leave it.

A set of which MAX_USED items were drawn ends with its round, and its bond goes back.
"""

from dataclasses import replace

from esper.dao.hidden.hidden_set import HiddenSet
from esper.dao.records import Proposal
from esper.dao.steps import Subject
from esper.primitives.ids import Txid
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.hidden.set_rules import return_set
from esper.vm.governance.planned import model_of


def release_sets(proposal_id: Txid, records: DaoLedger) -> None:
    """A round is over, or its model has ended: its sets are idle, those used up end."""
    for set_id, found in sets_in_round(proposal_id, records.proposal(proposal_id), records):
        if found.is_used_up:
            return_set(set_id, records)
            continue
        idle = replace(found, round=(), drawn=(), answered=0, proven=0, right=0)
        records.set_hidden(set_id, idle)


def sets_in_round(
    proposal_id: Txid, proposal: Proposal, records: DaoLedger
) -> list[tuple[Txid, HiddenSet]]:
    """The sets that a model's round has drawn of, in the order in which they were taken."""
    if proposal.subject != Subject.MODEL:
        return []
    found = (
        (one, records.hidden_set(one))
        for one in records.sets_of(model_of(proposal).entry.tokenizer_id)
    )
    return [(one, held) for one, held in found if held.round == (proposal_id,)]
