"""How claims are paid: the numbers of the worked example, and what no split may be asked for."""

import pytest

from esper.market.parameters import MAINNET_MARKET, SettleShares
from esper.market.records.offer import reply_cost
from esper.market.split import Split, split

SHARES = MAINNET_MARKET.shares
AMOUNT, PRICE = 2_240_000, 60_000
"""Forty replies of 40 + 60 tokens, and what claiming them costs."""


def test_what_the_replies_cost() -> None:
    assert reply_cost(200_000, 800_000, 40, 60) == 8_000 + 48_000 == 56_000
    assert AMOUNT == 40 * 56_000


def test_all_three_draws_answered() -> None:
    found = split(AMOUNT, PRICE, 3, 0, SHARES, routed=True)
    assert found == Split(0, 112_000, 44_800, 0, 52_266, 3, 1_926_402 + 60_000)
    assert found.total == AMOUNT + PRICE


def test_one_verifier_lives_and_is_silent() -> None:
    found = split(AMOUNT, PRICE, 3, 1, SHARES, routed=True)
    back = burned = 746_666
    rest = 746_668
    assert back + burned + rest == AMOUNT
    assert found == Split(back + 17_422, burned + 37_333, 14_933, 0, 17_422, 2, 642_136 + 60_000)


def test_a_void_draw_leaves_two_and_costs_nobody() -> None:
    found = split(AMOUNT, PRICE, 2, 0, SHARES, routed=True)
    assert found == Split(0, 112_000, 44_800, 0, 78_400, 2, AMOUNT - 112_000 - 201_600 + PRICE)


def test_without_a_router_its_part_burns() -> None:
    found = split(AMOUNT, PRICE, 3, 0, SHARES, routed=False)
    assert (found.router, found.burned) == (0, 112_000 + 44_800)


def test_all_void_is_paid_and_the_auditors_part_is_the_providers() -> None:
    found = split(AMOUNT, PRICE, 0, 0, SHARES, routed=True)
    assert found == Split(0, 112_000, 44_800, 0, 0, 0, AMOUNT - 112_000 - 44_800 + PRICE)


def test_in_a_private_session_it_stays_with_the_payer() -> None:
    found = split(AMOUNT, PRICE, 0, 0, SHARES, routed=True, private=True)
    assert (found.payer, found.auditor) == (156_800, 0)


@pytest.mark.parametrize("draws", range(1, 17))
def test_half_unanswered_leaves_the_provider_the_price_alone(draws: int) -> None:
    silent = -(-draws // 2)
    found = split(16 * 10**6, PRICE, draws, silent, SHARES, routed=True)
    rest = 16 * 10**6 - 2 * (16 * 10**6 * silent // draws)
    assert found.provider <= PRICE + max(rest, 0)
    assert split(AMOUNT, PRICE, draws, draws, SHARES, routed=True).provider == PRICE


@pytest.mark.parametrize(("draws", "unanswered"), [(3, 4), (3, -1), (0, 1)])
def test_counts_that_cannot_be(draws: int, unanswered: int) -> None:
    with pytest.raises(ValueError, match=f"{unanswered} unanswered of {draws} draws"):
        split(AMOUNT, PRICE, draws, unanswered, SHARES, routed=True)


def test_a_private_session_is_not_drawn() -> None:
    with pytest.raises(ValueError, match="0 unanswered of 1 draws"):
        split(AMOUNT, PRICE, 1, 0, SHARES, routed=True, private=True)


def test_shares_are_parts_of_one_whole() -> None:
    assert SettleShares(1000, 0, 0, 0).burned == 1000
    for parts in ((1000, 1, 0, 0), (-1, 0, 0, 0)):
        with pytest.raises(ValueError, match="must be 0 to 1000"):
            SettleShares(*parts)
