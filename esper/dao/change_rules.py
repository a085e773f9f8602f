"""What a proposed change must keep, for the tiers and parameters that the schedule leads to.

1. keys   2. bounds   3. steps   4. rest   5. the end of a tier   6. shares   7. omegas

Judged when it is proposed, and once more before it acts, when others may have acted meanwhile.
"""

from collections.abc import Mapping

from esper.dao.bodies import ChangeBody
from esper.dao.omega import computed_omega, omega_bounds
from esper.dao.registry import LEAST_SHARE, ONE, Puzzle, TierRegistry
from esper.dao.schedule import without_tier
from esper.dao.settings import REST_WINDOWS, SETTINGS, calls_fit, steps_far, with_settings
from esper.primitives.errors.dao_errors import (
    CooldownViolation,
    SettingBoundsViolation,
    SettingKeyViolation,
    SettingStepViolation,
    ShareViolation,
    TierLimitViolation,
    TierOmegaViolation,
)
from esper.primitives.params import NetworkParameters


def check_change(
    body: ChangeBody,
    tiers: TierRegistry,
    genesis: NetworkParameters,
    in_force: NetworkParameters,
    moved: Mapping[int, int],
    height: int,
) -> None:
    """All seven, for a block at ``height``.

    ``genesis`` are the parameters that the network began with, ``in_force`` those of now, ``moved``
    the heights at which keys last moved. Raises a subclass of ProposalViolation.
    """
    _check_settings(body, genesis, in_force, moved, height)

    # 5. A tier ends that is there and not the last.
    for tier in body.retire:
        if tiers.find(tier) is None:
            raise TierLimitViolation(tier, f"is not there: {_named(tiers)}")
        if len(tiers.tiers) == 1:
            raise TierLimitViolation(tier, "cannot be retired: it is the last")
        tiers = without_tier(tiers, tier)

    # 6. Shares name every tier that is left, and add up.
    if body.shares:
        _check_shares(body, tiers)

    # 7. Weights stay near what shapes say.
    ticket = Puzzle.of(genesis.puzzle)
    for one in body.omegas:
        found = tiers.find(one.of)
        if found is None:
            raise TierLimitViolation(one.of, f"is not there: {_named(tiers)}")
        computed = computed_omega(found.puzzle, found.model, ticket, genesis.model)
        least, most = omega_bounds(computed)
        if not max(1, least) <= one.to <= most:
            raise TierOmegaViolation(one.of, one.to, max(1, least), most)


def _check_settings(
    body: ChangeBody,
    genesis: NetworkParameters,
    in_force: NetworkParameters,
    moved: Mapping[int, int],
    height: int,
) -> None:
    for one in body.settings:
        # 1. Votes may move it.
        setting = SETTINGS.get(one.of)
        if setting is None:
            raise SettingKeyViolation(one.of)

        # 2. To there.
        if not setting.takes(one.to, genesis):
            least, most = setting.bounds(genesis)
            kind = ", and a power of two" if setting.power_of_two else ""
            raise SettingBoundsViolation(setting.name, one.to, least, most, kind)

        # 3. From here.
        now = setting.of(in_force)
        if steps_far(setting, now, one.to):
            raise SettingStepViolation(setting.name, one.to, now)

        # 4. And now.
        if one.of in moved:
            rests_until = moved[one.of] + REST_WINDOWS * genesis.governance.vote_window
            if height < rests_until:
                raise CooldownViolation(setting.name, height, rests_until)

    # 2. Together: no call may be too long for a group.
    wanted = with_settings(in_force, [(one.of, one.to) for one in body.settings])
    if not calls_fit(wanted):
        name, most = "rows_per_call", wanted.calls.rows_per_group
        raise SettingBoundsViolation(name, wanted.calls.rows_per_call, 1, most)


def _check_shares(body: ChangeBody, tiers: TierRegistry) -> None:
    named = [one.of for one in body.shares]
    if named != [tier.id for tier in tiers.tiers]:
        of = ", ".join(str(tier) for tier in named)
        raise ShareViolation(f"of tiers {of}; name each once, {_named(tiers)}")
    least = min(one.to for one in body.shares)
    if least < LEAST_SHARE:
        raise ShareViolation(f"{least} for a tier, must be {LEAST_SHARE} at least")
    total = sum(one.to for one in body.shares)
    if total != ONE:
        raise ShareViolation(f"together {total}, must be {ONE}")


def _named(tiers: TierRegistry) -> str:
    """The tiers that are there, for whoever named another."""
    return "there are " + ", ".join(str(tier.id) for tier in tiers.tiers)
