"""What each op does to tiers, with the page's numbers, and where it does nothing."""

import pytest

from esper.dao.registry import ONE, Tier, TierRegistry
from esper.dao.schedule import Scheduled, registry_at, still_ahead, without_tier
from tests.support.dao_cases import (
    activation,
    entry,
    placed,
    reshaping,
    reversal,
    settlement,
)

ALONE = TierRegistry((placed(0, 1, ONE),))
TWO = TierRegistry((placed(0, 1, 40_000), placed(1, 2, 25_536)))


def at(tiers: TierRegistry, height: int, *schedule: Scheduled) -> TierRegistry:
    return registry_at(tiers, schedule, height)


def shares(tiers: TierRegistry) -> list[int]:
    return [tier.share for tier in tiers.tiers]


def names(tier: Tier) -> list[int]:
    return [int.from_bytes(one.model.model_id, "big") for one in tier.entries]


def test_a_model_acts_at_its_height_and_not_before() -> None:
    confirmed = activation(100, 0, 7)
    assert at(ALONE, 99, confirmed) == ALONE
    tier = at(ALONE, 100, confirmed).tier(0)
    assert names(tier) == [7, 1]
    assert (tier.since, tier.share) == (100, ONE)
    assert still_ahead([confirmed], 99) == (confirmed,)
    assert still_ahead([confirmed], 100) == ()


def test_a_trial_ends_in_a_settlement_or_a_reversal() -> None:
    tried = at(ALONE, 100, activation(100, 0, 7))
    assert names(at(tried, 140, settlement(140, 0, 7)).tier(0)) == [7]
    back = at(tried, 140, reversal(140, 0, 7)).tier(0)
    assert names(back) == [1]
    assert back.since == 140


@pytest.mark.parametrize(
    ("acts", "left"),
    [
        # Settled first: there is nothing to go back to.
        ((settlement(10, 1, 7), reversal(11, 1, 7)), [7]),
        ((settlement(10, 1, 7), reversal(10, 1, 7)), [7]),
        # Taken back twice: the second finds the old model there.
        ((reversal(10, 1, 7), reversal(11, 1, 7)), [2]),
        ((reversal(10, 1, 7), settlement(10, 1, 7)), [2]),
        # Of a model that has been replaced meanwhile.
        ((activation(10, 1, 8), reversal(11, 1, 7)), [8, 7]),
        ((activation(10, 1, 8), settlement(11, 1, 7)), [8, 7]),
    ],
)
def test_acts_about_a_model_that_is_not_there_any_more_do_nothing(
    acts: tuple[Scheduled, ...], left: list[int]
) -> None:
    tried = at(TWO, 5, activation(5, 1, 7))
    assert names(at(tried, 11, *acts).tier(1)) == left


def test_a_new_tier_takes_its_share_from_all() -> None:
    three = at(TWO, 5, activation(5, 2, 9, share=10_922))
    assert shares(three) == [33_334, 21_280, 10_922]
    assert names(three.tier(2)) == [9]
    # Reverted, it has no previous: the tier goes, and its share comes back but for roundings.
    assert shares(at(three, 9, reversal(9, 2, 9, new_tier=True))) == [40_001, 25_535]


@pytest.mark.parametrize("tier", [0, 1])
def test_tiers_stand_by_id_wherever_a_new_one_comes(tier: int) -> None:
    alone = TierRegistry((placed(1 - tier, 1, ONE),))
    both = at(alone, 5, activation(5, tier, 9, share=1_024))
    assert [one.id for one in both.tiers] == [0, 1]
    assert both.tier(tier).share == 1_024


def test_a_change_retires_then_shares_then_weighs() -> None:
    three = at(TWO, 5, activation(5, 2, 9, share=10_922))
    changed = at(
        three,
        8,
        reshaping(8, retire=(0,), shares=((1, 60_000), (2, 5_536)), omegas=((2, 2 * ONE),)),
    )
    assert [(one.id, one.share, one.omega) for one in changed.tiers] == [
        (1, 60_000, ONE),
        (2, 5_536, 2 * ONE),
    ]


def test_entries_of_one_height_act_in_the_order_of_their_confirmation() -> None:
    first, second = activation(5, 0, 7), activation(5, 0, 8)
    assert names(at(ALONE, 5, first, second).tier(0)) == [8, 7]
    assert names(at(ALONE, 5, second, first).tier(0)) == [7, 8]
    # By height first, whatever was confirmed first.
    assert names(at(ALONE, 9, reversal(9, 0, 7), activation(5, 0, 7)).tier(0)) == [1]


@pytest.mark.parametrize(
    "entry_of_nothing",
    [
        activation(5, 3, 7),
        activation(5, 3, 7, share=ONE),
        settlement(5, 3, 1),
        settlement(5, 0, 1),
        reversal(5, 3, 1, new_tier=True),
        reversal(5, 0, 1),
        reversal(5, 0, 1, new_tier=True),
        reversal(5, 0, 2, new_tier=True),
        reshaping(5, retire=(0,)),
        reshaping(5, retire=(3,), omegas=((3, ONE),)),
        reshaping(5, shares=((0, ONE - 1),)),
        reshaping(5, shares=((0, ONE), (1, 0))),
        reshaping(5, omegas=((0, 0),)),
        reshaping(5, omegas=((0, 1 << 64),)),
    ],
    ids=lambda one: repr(one.act)[:40],
)
def test_what_finds_nothing_to_do_does_nothing(entry_of_nothing: Scheduled) -> None:
    assert at(ALONE, 5, entry_of_nothing) == ALONE


def test_a_ninth_tier_does_not_come() -> None:
    eight = TierRegistry(tuple(placed(tier, tier, ONE // 8) for tier in range(8)))
    assert at(eight, 5, activation(5, 9, 9, share=1_024)) == eight


def test_no_share_falls_to_nothing() -> None:
    tiny = TierRegistry((placed(0, 1, 1), placed(1, 2, 2), placed(2, 3, ONE - 3)))
    halved = at(tiny, 5, activation(5, 3, 9, share=ONE // 2))
    assert shares(halved) == [1, 1, ONE // 2 - 2, ONE // 2]
    assert shares(without_tier(halved, 2)) == [3, 1, ONE - 4]


def test_the_last_tier_stays() -> None:
    assert without_tier(ALONE, 0) == ALONE
    assert without_tier(TWO, 7) == TWO


def test_a_tier_is_named_by_a_byte() -> None:
    with pytest.raises(ValueError, match="tier 256"):
        entry(256, 1)


def test_a_previous_entry_belongs_to_its_tier() -> None:
    with pytest.raises(ValueError, match="another tier"):
        Tier(entry(0, 1).model, ONE, ONE, entry(0, 1).puzzle, (entry(1, 2),))
    with pytest.raises(ValueError, match="2 previous"):
        Tier(entry(0, 1).model, ONE, ONE, entry(0, 1).puzzle, (entry(0, 2), entry(0, 3)))
