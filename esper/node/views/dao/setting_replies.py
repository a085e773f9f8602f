"""What votes may move, as the RPC shows it."""

from collections.abc import Iterator

from esper.dao.bodies import ChangeBody
from esper.dao.entry_records import TIER
from esper.dao.registry import TierRegistry
from esper.dao.setting_values import in_force, moved_at
from esper.dao.settings import REST_WINDOWS, SETTINGS, Setting
from esper.dao.steps import Step
from esper.node.views.dao.sight import Sight
from esper.primitives.codec import encode
from esper.rpc import schema as s
from esper.vm.governance.planned import body_of


def dao_settings(sight: Sight, tiers: TierRegistry) -> s.DaoSettings:
    """Every parameter that votes may move; ``tiers`` are those of the next block."""
    return s.DaoSettings(
        settings=[_setting(setting, sight) for setting in SETTINGS.values()],
        tiers=[
            s.TierReply(
                tier=tier.id,
                model_id=tier.model.model_id.hex(),
                share=tier.share,
                omega=str(tier.omega),
                since=tier.since,
                previous_model_id=tier.previous[0].model.model_id.hex() if tier.previous else "",
                record=encode(TIER, tier).hex(),
            )
            for tier in tiers.tiers
        ],
        texts=[text.hex() for text in sight.records.settings.texts],
        as_of=sight.as_of,
    )


def _setting(setting: Setting, sight: Sight) -> s.SettingReply:
    values = sight.records.settings
    least, most = setting.bounds(sight.genesis)
    changed = moved_at(values).get(setting.key)
    rests = None
    if changed is not None:
        rests = changed + REST_WINDOWS * sight.rules.vote_window
    return s.SettingReply(
        key=setting.key,
        name=setting.name,
        genesis=str(setting.of(sight.genesis)),
        in_force=str(setting.of(in_force(sight.genesis, values))),
        least=str(least),
        most=str(most),
        power_of_two=setting.power_of_two,
        changed=changed,
        rests_until=rests,
        pending=list(_pending(setting.key, sight)),
    )


def _pending(key: int, sight: Sight) -> Iterator[s.PendingValue]:
    """What live proposals would make of it, by their numbers."""
    for live in sight.records.governance.live:
        proposal = sight.records.proposal(live.id)
        body = body_of(proposal)
        for one in body.settings if isinstance(body, ChangeBody) else ():
            if one.of == key:
                yield s.PendingValue(
                    number=live.number,
                    value=str(one.to),
                    height=proposal.active or None,
                    confirmed=live.step == Step.ACT,
                )
