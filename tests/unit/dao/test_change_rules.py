"""Each rule of a proposed change by a body that breaks it, beside the honest twin."""

import pytest

from esper.dao.bodies import ChangeBody, Moved
from esper.dao.change_rules import check_change
from esper.dao.registry import ONE, TierRegistry
from esper.dao.settings import with_settings
from esper.primitives.errors.dao_errors import ProposalViolation
from esper.primitives.networks import MAINNET
from esper.primitives.params import NetworkParameters
from tests.support.dao_cases import placed

TWO = TierRegistry((placed(0, 1, 40_000), placed(3, 2, 25_536)))
ALONE = TierRegistry((placed(0, 1, ONE),))
WINDOW = MAINNET.governance.vote_window


def change(
    *,
    settings: tuple[tuple[int, int], ...] = (),
    shares: tuple[tuple[int, int], ...] = (),
    omegas: tuple[tuple[int, int], ...] = (),
    retire: tuple[int, ...] = (),
) -> ChangeBody:
    def moved(pairs: tuple[tuple[int, int], ...]) -> tuple[Moved, ...]:
        return tuple(Moved(of, to) for of, to in pairs)

    return ChangeBody(moved(settings), moved(shares), moved(omegas), retire, (), b"")


def rule_of(
    body: ChangeBody,
    tiers: TierRegistry = TWO,
    in_force: NetworkParameters = MAINNET,
    moved: dict[int, int] | None = None,
    height: int = 100_000,
) -> str:
    """The rule that it breaks; empty for none."""
    try:
        check_change(body, tiers, MAINNET, in_force, moved or {}, height)
    except ProposalViolation as violation:
        return violation.rule
    return ""


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (((12, 4),), ""),
        (((0, 4),), "SettingKeyViolation"),
        (((19, 4),), "SettingKeyViolation"),
        (((12, 0),), "SettingBoundsViolation"),
        (((12, 201),), "SettingBoundsViolation"),
        (((7, 192),), "SettingBoundsViolation"),
        (((12, 5),), "SettingStepViolation"),
        (((16, 101),), "SettingStepViolation"),
        (((16, 100),), ""),
        (((11, 5_000), (12, 1), (13, 200_000)), ""),
    ],
)
def test_settings(settings: tuple[tuple[int, int], ...], rule: str) -> None:
    assert rule_of(change(settings=settings)) == rule


def test_calls_have_room_in_their_groups() -> None:
    tight = with_settings(MAINNET, [(7, 512), (8, 512)])
    assert rule_of(change(settings=((7, 1024),)), in_force=tight) == "SettingBoundsViolation"
    assert rule_of(change(settings=((7, 1024), (8, 1024))), in_force=tight) == ""
    # Both within their bounds, and each a step: together they do not fit.
    assert rule_of(change(settings=((7, 512), (8, 512)))) == ""


def test_steps_are_from_what_is_in_force() -> None:
    doubled = with_settings(MAINNET, [(12, 4)])
    assert rule_of(change(settings=((12, 8),)), in_force=doubled) == ""
    assert rule_of(change(settings=((12, 1),)), in_force=doubled) == "SettingStepViolation"


def test_a_key_rests_four_windows() -> None:
    body, moved = change(settings=((12, 4),)), {12: 1_000}
    ends = 1_000 + 4 * WINDOW
    assert rule_of(body, moved=moved, height=ends - 1) == "CooldownViolation"
    assert rule_of(body, moved=moved, height=ends) == ""
    assert rule_of(body, moved={11: 1_000}, height=1_001) == ""


def test_the_end_of_a_tier() -> None:
    assert rule_of(change(retire=(3,))) == ""
    assert rule_of(change(retire=(1,))) == "TierLimitViolation"
    assert rule_of(change(retire=(0,)), tiers=ALONE) == "TierLimitViolation"


@pytest.mark.parametrize(
    ("shares", "retire", "rule"),
    [
        (((0, 50_000), (3, 15_536)), (), ""),
        (((0, ONE),), (3,), ""),
        (((0, ONE),), (), "ShareViolation"),
        (((0, 50_000), (3, 15_536)), (3,), "ShareViolation"),
        (((0, 50_000), (2, 15_536)), (), "ShareViolation"),
        (((0, ONE - 1_024), (3, 1_024)), (), ""),
        (((0, ONE - 1_023), (3, 1_023)), (), "ShareViolation"),
        (((0, 50_000), (3, 15_535)), (), "ShareViolation"),
    ],
)
def test_shares(shares: tuple[tuple[int, int], ...], retire: tuple[int, ...], rule: str) -> None:
    assert rule_of(change(shares=shares, retire=retire)) == rule


@pytest.mark.parametrize(
    ("omegas", "retire", "rule"),
    [
        (((3, ONE * 5 // 4),), (), ""),
        (((3, ONE * 5 // 4 + 1),), (), "TierOmegaViolation"),
        (((3, ONE * 3 // 4 - 1),), (), "TierOmegaViolation"),
        (((3, 0),), (), "TierOmegaViolation"),
        (((2, ONE),), (), "TierLimitViolation"),
        (((3, ONE),), (3,), "TierLimitViolation"),
    ],
)
def test_omegas(omegas: tuple[tuple[int, int], ...], retire: tuple[int, ...], rule: str) -> None:
    assert rule_of(change(omegas=omegas, retire=retire)) == rule
