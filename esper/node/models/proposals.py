"""What the state of a tip says of models: those under way, and those that may be mined."""

from __future__ import annotations

from esper.consensus.context import ChainContext
from esper.dao.steps import OPEN, Subject
from esper.node.models.wanted import Proposed
from esper.primitives.model_entry import ModelEntry
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay, StateView


def proposed(state: StateView) -> tuple[Proposed, ...]:
    """Every live Model, by number."""
    records = DaoLedger(Ledger(Overlay(state)))
    return tuple(
        Proposed(live.id, live.number, model_of(records.proposal(live.id)), live.step not in OPEN)
        for live in records.governance.live
        if live.subject == Subject.MODEL
    )


def mined(chain: ChainContext, state: StateView) -> frozenset[ModelEntry]:
    """Entries that blocks of the tip's height and of the next one may be mined with."""
    now = DaoLedger(Ledger(Overlay(state))).tiers.tiers
    tiers = (*now, *chain.registry.tiers)
    return frozenset(entry.model for tier in tiers for entry in tier.entries)


def extended_by(entry: ModelEntry, chain: ChainContext) -> ModelEntry | None:
    """The entry of a tier that ``entry`` gives a longer bank to, None if it does not."""
    tier = chain.registry.find(entry.tier)
    same = tier is not None and tier.model.model_id == entry.model_id
    return tier.model if tier is not None and same and tier.model != entry else None
