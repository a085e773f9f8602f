"""Subject 3: a curator opens items that were drawn of its set, and shows the model's answers.

1. target: a set that a round under way has drawn of   2. the curator   3. items: drawn, not open
yet, each once   4. paths   5. answers

That the model gives these answers is for ``consensus.audits`` to judge.
"""

from dataclasses import replace
from typing import Final

from esper.dao.hidden.hidden_set import HiddenSet, is_leaf_of
from esper.dao.hidden.openings import HiddenProof, graded
from esper.dao.steps import Step
from esper.primitives.errors.dao_errors import ProveTargetViolation
from esper.primitives.errors.hidden_errors import HiddenOpeningViolation
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of

IN_ROUND: Final = frozenset({Step.ROUND0, Step.ROUND1})
"""Steps of a model at which sets are opened."""


def check_openings(
    sender: bytes,
    target: Txid,
    body: HiddenProof,
    records: DaoLedger,
    rules: GovernanceParameters,
) -> None:
    """All five. Raises ProveTargetViolation, HiddenOpeningViolation or ListShortViolation."""
    # 1. A model that was taken back keeps its sets until it ends, and asks nothing of them.
    found = records.find_set(target)
    live = records.live(found.round[0]) if found is not None and found.round else None
    if found is None or live is None or live.step not in IN_ROUND:
        raise ProveTargetViolation(target)

    # 2. It is the curator's to open: nobody else has the salts, or answers for them.
    if sender != found.curator:
        raise HiddenOpeningViolation("the sender is not the set's curator")

    # 3. Something is opened, and nothing twice.
    if not body.openings:
        raise HiddenOpeningViolation("it opens nothing")
    indices = [one.index for one in body.openings]
    if len(set(indices)) != len(indices):
        raise HiddenOpeningViolation("an item stands in it twice")
    for index in indices:
        if found.place(index) is None:
            raise HiddenOpeningViolation(f"item {index} was not drawn, or is open already")

    # 4. The items are those that were committed to.
    for one in body.openings:
        if not is_leaf_of(found, one.index, one.salt, one.item, one.path):
            raise HiddenOpeningViolation(
                f"the path does not lead from item {one.index} to the set's root"
            )

    # 5. What the model is said to answer to what fits a proof is an answer.
    graded(body, asked_model(found, records), rules.audit_rows)


def note_openings(
    target: Txid, body: HiddenProof, records: DaoLedger, rules: GovernanceParameters
) -> None:
    """These items are open, and say what they say of the model."""
    found = records.hidden_set(target)
    answered, proven, right = found.answered, found.proven, found.right
    for one in graded(body, asked_model(found, records), rules.audit_rows):
        bit = 1 << found.drawn.index(one.index)
        answered |= bit
        proven |= bit * one.is_proven
        right |= bit * one.is_right
    records.set_hidden(target, replace(found, answered=answered, proven=proven, right=right))


def asked_model(found: HiddenSet, records: DaoLedger) -> ModelEntry:
    """The model of the round that a set is in. Raises KeyError for a state that lacks it."""
    return model_of(records.proposal(found.round[0])).entry
