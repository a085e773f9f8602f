"""When cheating, lying and silence pay, by the market's own draws and splits."""

from fractions import Fraction
from math import comb

import pytest

from bench import market_draws as sim


@pytest.mark.parametrize(
    ("draws", "expected"),
    [(1, (47, 32, 24, 15)), (2, (61, 49, 41, 31))],
)
def test_how_much_load_has_to_collude_before_cheating_pays(
    draws: int, expected: tuple[int, ...]
) -> None:
    assert tuple(sim.threshold(draws, saved) for saved in sim.SAVED) == expected


def test_many_draws_are_no_weaker_than_two() -> None:
    for saved in sim.SAVED:
        assert sim.threshold(16, saved) >= sim.threshold(2, saved) - 1


def test_cheating_alone_earns_nothing() -> None:
    for draws in sim.DRAWS:
        assert sim.cheating(draws, Fraction(0)) == 0


def test_a_lie_about_one_draw_brings_what_the_truth_does_and_about_more_it_brings_more() -> None:
    for lost in range(9):
        honest = sim.earned(16, lost)
        lied = sim.told(16, 16 - lost, lost)
        # (K - j)(K - j - 1) - (K - 2j)(K - 1) = j (j - 1)
        gain = sim.earned(16, 0) * Fraction(lost * (lost - 1), 16 * 15)
        assert abs(lied - honest - gain) < Fraction(1, 10**5)


def test_with_one_or_two_draws_a_lie_is_always_found() -> None:
    for draws in (1, 2):
        for answered in range(draws):
            assert sim.told(draws, answered, draws - answered) == 0


def test_picks_find_a_lie_as_often_as_they_should() -> None:
    assert sim.caught(12, 4, 4000, 1) == pytest.approx(1 - comb(12, 2) / comb(16, 2), abs=0.03)


def test_silent_verifiers_cost_their_provider_twice_what_their_payer_gains() -> None:
    gained, lost = sim.silent_verifiers(20, 300, 1)
    assert gained == pytest.approx(0.2**2, abs=0.012)
    assert lost > 1.5 * gained
