"""Who may commit to a hidden set now, and who may take one back.

    commit    1. items   2. bond   3. a place, or one that is taken from a set with half the bond
    withdraw  1. it is the sender's   2. no round has it   3. no model that is under way awaits it

A set is *awaited* while a round to come would draw of it before others: it was there when the model
was proposed, or when its vote closed. Such a set can be neither displaced nor taken back, or else
who is measured could choose, once the model is known, which sets are left.
"""

from collections.abc import Iterator
from typing import Final

from esper.dao.hidden.hidden_set import (
    LEAST_COUNT,
    MAX_SETS,
    HiddenSet,
    SetBody,
    WithdrawBody,
)
from esper.dao.records import Proposal
from esper.dao.steps import Step, Subject
from esper.primitives.errors.dao_errors import BondViolation
from esper.primitives.errors.hidden_errors import (
    SetCountViolation,
    SetLimitViolation,
    SetWithdrawnViolation,
)
from esper.primitives.ids import Txid
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.electorate import bond_unit
from esper.vm.governance.planned import model_of

BOND_DIVISOR: Final = 2
"""A set's bond is at least this part of the bonds' unit."""
DISPLACES: Final = 2
"""Who takes the place of a set brings so many times its bond."""


def check_set(bond: int, body: SetBody, records: DaoLedger, rules: GovernanceParameters) -> None:
    """All three. Raises SetCountViolation, BondViolation or SetLimitViolation."""
    # 1. Enough that no round could guess what the next ones draw.
    if body.count < LEAST_COUNT:
        raise SetCountViolation(body.count, LEAST_COUNT)

    # 2. What a curator loses who does not open.
    least = least_set_bond(records, rules)
    if bond < least:
        raise BondViolation(bond, least)

    # 3. There is a place.
    needed = needed_bond(body.tokenizer, records, rules)
    if needed is None:
        raise SetLimitViolation(MAX_SETS)
    if bond < needed:
        raise BondViolation(bond, needed)


def least_set_bond(records: DaoLedger, rules: GovernanceParameters) -> int:
    """Units, while there is a place."""
    return -(-bond_unit(records.governance.stake, rules) // BOND_DIVISOR)


def needed_bond(tokenizer: bytes, records: DaoLedger, rules: GovernanceParameters) -> int | None:
    """Units that a set gets a place with now; None if none may go and all are taken."""
    least = least_set_bond(records, rules)
    if len(records.sets_of(tokenizer)) < MAX_SETS:
        return least
    gone = displaced(tokenizer, records)
    return None if gone is None else max(least, DISPLACES * records.hidden_set(gone).bond)


def displaced(tokenizer: bytes, records: DaoLedger) -> Txid | None:
    """Of the sets that may go, the first with the least bond; None if none may."""
    begun = list(_awaiting(tokenizer, records))
    free = [
        (found.bond, at, set_id)
        for at, set_id in enumerate(records.sets_of(tokenizer))
        if (found := records.hidden_set(set_id)).is_idle and not _is_awaited(found, begun)
    ]
    return min(free)[2] if free else None


def is_awaited(found: HiddenSet, records: DaoLedger) -> bool:
    """Whether a model is under way whose round a set is there for."""
    return _is_awaited(found, list(_awaiting(found.tokenizer, records)))


def check_withdrawal(sender: bytes, body: WithdrawBody, records: DaoLedger) -> None:
    """All three. Raises SetWithdrawnViolation."""
    found = records.find_set(body.set_id)

    # 1. Its bond is the sender's.
    if found is None or found.curator != sender:
        raise SetWithdrawnViolation("it names no set of the sender")

    # 2. What is drawn is opened, or costs the bond.
    if not found.is_idle:
        raise SetWithdrawnViolation("a round has drawn of it; it is judged first")

    # 3. Who promised a model's round a set keeps it there.
    if is_awaited(found, records):
        raise SetWithdrawnViolation("a model that is under way waits for it; wait until its trial")


def commit_set(
    set_id: Txid, sender: bytes, bond: int, body: SetBody, height: int, records: DaoLedger
) -> None:
    """Add a set that keeps all rules; its bond has left the sender's balance."""
    if len(records.sets_of(body.tokenizer)) >= MAX_SETS:
        gone = displaced(body.tokenizer, records)
        assert gone is not None
        return_set(gone, records)
    found = HiddenSet(
        sender, body.tokenizer, body.root, body.count, bond, height, (), (), (), 0, 0, 0
    )
    records.set_hidden(set_id, found)
    records.set_sets_of(body.tokenizer, (*records.sets_of(body.tokenizer), set_id))


def return_set(set_id: Txid, records: DaoLedger) -> None:
    """A set ends, and its bond goes back."""
    end_set(set_id, records.hidden_set(set_id).bond, records)


def end_set(set_id: Txid, returned: int, records: DaoLedger) -> None:
    """A set ends; of its bond burns what its curator does not get."""
    found = records.hidden_set(set_id)
    left = tuple(one for one in records.sets_of(found.tokenizer) if one != set_id)
    records.set_sets_of(found.tokenizer, left)
    records.set_hidden(set_id, None)
    records.settle(set_id, found.curator, returned, found.bond - returned)


def has_rounds(proposal: Proposal) -> bool:
    """Whether a model is measured by hidden sets: one with a longer bank alone pays for none."""
    return proposal.subject == Subject.MODEL and proposal.fee > 0


def _awaiting(tokenizer: bytes, records: DaoLedger) -> Iterator[int]:
    """Of each model that has a round to come, the height before which its sets were committed."""
    for live in records.governance.live:
        if live.subject != Subject.MODEL or live.step > Step.ROUND1:
            continue
        proposal = records.proposal(live.id)
        if has_rounds(proposal) and model_of(proposal).entry.tokenizer_id == tokenizer:
            # The vote has closed: those that were there by then are drawn of if others lack.
            yield proposal.final or proposal.opened


def _is_awaited(found: HiddenSet, begun: list[int]) -> bool:
    return any(found.since < height for height in begun)
