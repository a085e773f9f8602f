"""What the node's own status says of the DAO: what comes next, and which models grow old."""

from esper.dao.registry import TierRegistry
from esper.node.views.dao.dao_words import then_of
from esper.node.views.dao.sight import Sight


def next_event(sight: Sight) -> tuple[str, int | None]:
    """The next step of a live proposal, a sentence and its height; nothing and None without."""
    records = sight.records
    live = min(records.governance.live, key=lambda one: (one.next, one.number), default=None)
    if live is None:
        return "", None
    then = then_of(live, records.proposal(live.id), records)
    return f"proposal {live.number}: {then}", live.next


def reminders(sight: Sight, tiers: TierRegistry) -> list[str]:
    """A sentence for each tier whose model has been mined for longer than it should be."""
    after = sight.rules.rotation_reminder
    return [
        f"the model of tier {tier.id} is active since height {tier.since}, longer than "
        f"{after} blocks: propose another one, or a longer bank"
        for tier in tiers.tiers
        if sight.as_of.height - tier.since > after
    ]
