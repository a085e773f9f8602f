"""What a round needs, and what it comes to."""

from dataclasses import replace
from fractions import Fraction

import pytest

from esper.dao.hidden.hidden_set import HiddenSet
from esper.dao.hidden.rounds import Unjudged, is_below, lower_median, score, unjudged
from esper.primitives.ids import Txid

SET = HiddenSet(
    *(bytes(33), bytes(64), bytes(64), 200, 1, 1, (5, 6, 7), (Txid(bytes(64)),), (5, 6, 7)),
    *(0b111, 0b011, 0b001),
)


def test_a_score_is_of_what_was_proven_of_a_set_that_is_all_open() -> None:
    assert score(SET) == Fraction(1, 2)
    assert score(replace(SET, proven=0b111)) == Fraction(1, 3)
    assert score(replace(SET, answered=0b011)) is None
    assert score(replace(SET, proven=0, right=0)) is None


def test_two_sets_are_too_few_however_much_they_hold() -> None:
    assert unjudged([60_000, 60_000], 5120) == Unjudged(2, 120_000, 5120)
    assert unjudged([200, 200, 200], 5120) is None
    assert unjudged([], 5120) == Unjudged(0, 0, 5120)


@pytest.mark.parametrize(
    ("parts", "middle"), [((3, 1, 2), 2), ((4, 1, 3, 2), 2), ((1,), 1), ((2, 1), 1)]
)
def test_the_lower_of_two_in_the_middle(parts: tuple[int, ...], middle: int) -> None:
    assert lower_median([Fraction(one, 5) for one in parts]) == Fraction(middle, 5)


def test_theta_is_exact_and_0_is_never() -> None:
    third = Fraction(1, 3)
    assert (is_below(third, 333), is_below(third, 334)) == (False, True)
    assert not is_below(Fraction(0), 0)
    assert not is_below(Fraction(1, 2), 500)


def test_why_a_round_is_unjudged_is_said_with_its_numbers() -> None:
    assert str(Unjudged(1, 60_000, 5120)) == "unjudged: 1 hidden set, a round needs 3"
    assert str(Unjudged(0, 0, 5120)) == "unjudged: no hidden sets, a round needs 3"
