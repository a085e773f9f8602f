"""Which tiers models may be proposed for, beside all else that is under way.

    TierBusy        a tier has one model on its way at a time
    TierLimit       at most MAX_TIERS tiers, those on their way counted
    DuplicateModel  a model is in one tier alone

Asked when a model is proposed, and again when its vote closes.
"""

from collections.abc import Iterable

from esper.dao.bodies import ModelBody
from esper.dao.records import Live
from esper.dao.registry import MAX_TIERS, TierRegistry
from esper.dao.steps import OPEN, Step, Subject
from esper.primitives.errors.dao_errors import (
    DuplicateModelViolation,
    TierBusyViolation,
    TierLimitViolation,
)
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of

SCHEDULED = frozenset({Step.DRAW, Step.ROUND0, Step.CHECK})
ACTIVE = frozenset({Step.DRAW1, Step.ROUND1, Step.TRIAL, Step.END})


def under_way(records: DaoLedger) -> tuple[Live, ...]:
    """Models whose vote has passed and that have not ended."""
    live = records.governance.live
    return tuple(one for one in live if one.subject == Subject.MODEL and one.step not in OPEN)


def check_tier_free(
    tier: int, records: DaoLedger, *, height: int, rules: GovernanceParameters
) -> None:
    """At opening: who is active may stay if it ends before the vote can close.

    Raises TierBusyViolation.
    """
    for live in under_way(records):
        if live.tier != tier:
            continue
        if live.step in ACTIVE:
            ends = records.proposal(live.id).active + rules.trial
            if ends <= height + rules.vote_window:
                continue
        raise TierBusyViolation(tier, live.number)


def is_tier_free(tier: int, records: DaoLedger) -> bool:
    """At closing: nothing of the tier is past its vote."""
    return all(live.tier != tier for live in under_way(records))


def check_tier_limit(tier: int, tiers: TierRegistry, records: DaoLedger) -> None:
    """A new tier has a place; ``tiers`` are those that the schedule leads to.

    Raises TierLimitViolation.
    """
    if tiers.find(tier) is not None:
        return
    coming = {live.tier for live in under_way(records) if live.step in SCHEDULED}
    if len({one.id for one in tiers.tiers} | coming) >= MAX_TIERS:
        raise TierLimitViolation(tier, f"would be one too many: at most {MAX_TIERS}")


def check_not_elsewhere(body: ModelBody, tiers: TierRegistry, records: DaoLedger) -> None:
    """No other tier has the model, nor is about to. Raises DuplicateModelViolation."""
    for tier, model_id in _models(tiers, records):
        if tier != body.entry.tier and model_id == body.entry.model_id:
            raise DuplicateModelViolation(tier)


def _models(tiers: TierRegistry, records: DaoLedger) -> Iterable[tuple[int, bytes]]:
    for registry in (records.tiers, tiers):
        for tier in registry.tiers:
            for entry in (tier.own, *tier.previous):
                yield tier.id, entry.model.model_id
    for live in under_way(records):
        if live.step in SCHEDULED:
            yield live.tier, model_of(records.proposal(live.id)).entry.model_id
