"""The base target for any times and heights: the formula, monotone, continuous, within bounds."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from esper.consensus.difficulty import (
    Anchor,
    asert_target,
    block_weight,
    child_target,
    next_anchor,
    tier_target,
)
from esper.primitives.networks import DEVNET, MAINNET
from esper.primitives.params import DifficultyParameters

ONE = 1 << 16
# One step of the exponent is a millisecond, so that every fraction can be reached.
FINE = replace(MAINNET.difficulty, spacing_ms=1 << 8, half_life_blocks=1 << 8)

times = st.integers(0, (1 << 63) - 1)
heights = st.integers(0, (1 << 32) - 1)
networks = st.sampled_from([MAINNET.difficulty, DEVNET.difficulty, FINE])
targets = st.one_of(st.integers(1, 1 << 20), st.integers(0, 503).map(lambda bits: 1 << bits))


def formula(anchor: Anchor, height: int, time_ms: int, rules: DifficultyParameters) -> int:
    """The specification's lines in rationals, for exponents that rationals can hold."""
    spacing = rules.spacing_ms
    late = (time_ms - anchor.time_ms) - spacing * (height - anchor.height)
    e = (Fraction(late * 65_536, rules.half_life_blocks * spacing)).__floor__()
    s, f = divmod(e, 65_536)
    if abs(s) > 2000:
        return 1 if s < 0 else rules.max_target
    cubic = 195_766_423_245_049 * f + 971_821_376 * f * f + 5_127 * f * f * f + 2**47
    factor = 65_536 + cubic // 2**48
    base = (Fraction(anchor.target * factor, 65_536) * Fraction(2) ** s).__floor__()
    return max(1, min(base, rules.max_target))


@given(networks, targets, heights, heights, times, times)
def test_the_formula_for_any_times(
    rules: DifficultyParameters, target: int, start: int, height: int, then: int, now: int
) -> None:
    anchor = Anchor(start, then, min(target, rules.max_target))
    got = asert_target(anchor, height, now, rules)
    assert got == formula(anchor, height, now, rules)
    assert 1 <= got <= rules.max_target


@given(networks, targets, st.integers(-(1 << 34), 1 << 34))
def test_the_formula_near_the_anchor(rules: DifficultyParameters, target: int, late: int) -> None:
    anchor = Anchor(0, 1 << 40, min(target, rules.max_target))
    now = anchor.time_ms + late
    assert asert_target(anchor, 0, now, rules) == formula(anchor, 0, now, rules)


def test_every_fraction_is_above_the_one_before_and_doubling_is_seamless() -> None:
    anchor = Anchor(0, 1 << 40, 1 << 400)
    span = [asert_target(anchor, 0, (1 << 40) + e, FINE) for e in range(-ONE, ONE + 1)]
    assert span[0] == 1 << 399
    assert span[ONE] == 1 << 400
    assert span[-1] == 1 << 401
    ratios = [Fraction(after, before) for before, after in pairwise(span)]
    # A step is 2^(1/65536), 1.06e-5; the cubic in 16.16 gives 0, 1 or 2 units, at f = 65535 too.
    assert min(ratios) >= 1
    assert max(ratios) <= 1 + Fraction(3, 2 * ONE)
    assert all(high == 2 * low for low, high in zip(span, span[ONE:], strict=False))


@given(networks, targets, st.integers(0, 1 << 40), st.integers(0, 1 << 30), heights)
def test_later_is_never_harder_and_higher_never_easier(
    rules: DifficultyParameters, target: int, now: int, more: int, height: int
) -> None:
    anchor = Anchor(0, 1 << 39, min(target, rules.max_target))
    here = asert_target(anchor, height, now, rules)
    assert asert_target(anchor, height, now + more, rules) >= here
    assert asert_target(anchor, height + 1, now, rules) <= here


@given(networks, st.lists(st.integers(0, 10**6), min_size=1, max_size=120))
def test_the_anchor_moves_at_block_one_and_at_every_boundary(
    rules: DifficultyParameters, spacings: list[int]
) -> None:
    rules = replace(rules, window=7)
    anchor, now = None, 10**12
    for height in range(1, len(spacings) + 1):
        now += spacings[height - 1]
        before, expected = anchor, child_target(anchor, height, now, rules)
        anchor = next_anchor(anchor, height, now, rules)
        if height == 1 or height % 7 == 0:
            assert anchor == Anchor(height, now, expected)
            # The child's target is the same under the old anchor and the new one.
            assert child_target(anchor, height, now, rules) == expected
        else:
            assert anchor == before


@given(st.integers(1, 1 << 511), st.integers(1, 1 << 64), st.integers(ONE // 4, 4 * ONE))
def test_a_tier_target_is_the_formula_and_never_shut(base: int, omega: int, m: int) -> None:
    most = (1 << 511) - 1
    got = tier_target(base, omega, m, most)
    assert got == max(1, min(most, Fraction(base * omega * m, 1 << 32).__floor__()))


def test_a_tiny_base_leaves_every_tier_open() -> None:
    assert tier_target(1, ONE, ONE // 4, 1 << 500) == 1
    assert tier_target(3, ONE, ONE // 2, 1 << 500) == 1
    assert tier_target(5, ONE, ONE // 2, 1 << 500) == 2


@given(st.integers(1, (1 << 512) - 1), st.integers(1, 1 << 64))
def test_weight_is_the_formula_and_falls_with_the_target(target: int, omega: int) -> None:
    got = block_weight(target, omega)
    assert got == Fraction(omega << 512, target + 1).__floor__() >= 1
    assert block_weight(max(1, target // 2), omega) >= got


def test_no_proven_block_is_without_weight() -> None:
    assert block_weight((1 << 512) - 1, ONE) == ONE
    assert block_weight((1 << 512) - 1, 1) == 1
    assert block_weight(1 << 504, ONE) == 256 * ONE - 1


def test_between_two_tickets_and_three_weight_is_work() -> None:
    """Whole tickets would give 1, 2 and 2."""
    for tickets in (Fraction(2), Fraction(5, 2), Fraction(14, 5)):
        weight = block_weight((Fraction(1 << 512) / tickets).__floor__(), ONE)
        assert tickets * ONE - 2 < weight <= tickets * ONE
