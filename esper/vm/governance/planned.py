"""What the confirmed entries of the state do, and the tiers and settings that they lead to."""

from dataclasses import replace
from typing import Final

from esper.dao.bodies import ChangeBody, ModelBody, RollbackBody, read_body
from esper.dao.records import Due, Governance, Proposal, SettingValues
from esper.dao.registry import Entry, TierRegistry
from esper.dao.schedule import (
    Act,
    Activation,
    Op,
    Reshaping,
    Reversal,
    Scheduled,
    Settlement,
    registry_at,
)
from esper.dao.setting_values import after_change
from esper.vm.governance.dao_ledger import DaoLedger

FAR: Final = 1 << 32
"""Beyond every height."""


def body_of(proposal: Proposal) -> ModelBody | ChangeBody | RollbackBody:
    """What a live proposal says; a model's descriptor is empty."""
    return read_body(proposal.subject, proposal.body)


def model_of(proposal: Proposal) -> ModelBody:
    """What a live proposal of a model says. Raises KeyError for another subject."""
    body = body_of(proposal)
    if not isinstance(body, ModelBody):
        raise KeyError(f"proposal {proposal.number} is of no model")
    return body


def change_of(proposal: Proposal) -> ChangeBody:
    """What a live proposal of a change says. Raises KeyError for another subject."""
    body = body_of(proposal)
    if not isinstance(body, ChangeBody):
        raise KeyError(f"proposal {proposal.number} is no change")
    return body


def act_of(due: Due, records: DaoLedger) -> Act:
    """What a confirmed entry does: its proposal, which is live until then, says it."""
    proposal = records.proposal(due.id)
    if due.op == Op.CHANGE:
        change = change_of(proposal)
        shares = tuple((one.of, one.to) for one in change.shares)
        omegas = tuple((one.of, one.to) for one in change.omegas)
        return Reshaping(change.retire, shares, omegas)
    body = model_of(proposal)
    if due.op == Op.ACTIVATE:
        return Activation(Entry(body.entry, body.omega, body.puzzle), body.share)
    if due.op == Op.SETTLE:
        return Settlement(body.entry)
    return Reversal(body.entry, new_tier=body.share != 0)


def scheduled(records: DaoLedger, dues: tuple[Due, ...]) -> tuple[Scheduled, ...]:
    """Confirmed entries as headers are judged by them, in the same order."""
    return tuple(Scheduled(due.height, act_of(due, records)) for due in dues)


def tiers_by(records: DaoLedger, height: int = FAR) -> TierRegistry:
    """The tiers that what is confirmed leads to by ``height``."""
    return registry_at(records.tiers, scheduled(records, records.governance.schedule), height)


def settings_by(records: DaoLedger, height: int = FAR) -> SettingValues:
    """What votes will have moved by ``height``."""
    values = records.settings
    changes = [due for due in records.governance.schedule if due.op == Op.CHANGE]
    for due in sorted(changes, key=lambda one: one.height):
        if due.height <= height:
            values = after_change(values, change_of(records.proposal(due.id)), due.height)
    return values


def confirmed_since(before: Governance, records: DaoLedger, height: int) -> tuple[Scheduled, ...]:
    """What the block at ``height`` confirmed, ``before`` being what was under way at its parent."""
    kept = sum(due.height != height for due in before.schedule)
    return scheduled(records, records.governance.schedule[kept:])


def act_due(records: DaoLedger, height: int) -> None:
    """Let everything act that was confirmed for ``height``, in the order of its confirmation.

    Settings hold from the block after: those of this block were read before.
    """
    governance = records.governance
    due = tuple(one for one in governance.schedule if one.height == height)
    if not due:
        return
    settings = settings_by(records, height)
    records.set_tiers(registry_at(records.tiers, scheduled(records, due), height))
    if settings != records.settings:
        records.set_settings(settings)
    governance = records.governance
    later = tuple(one for one in governance.schedule if one.height != height)
    records.set_governance(replace(governance, schedule=later))
