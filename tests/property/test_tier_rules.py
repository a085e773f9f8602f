"""What holds for every count of blocks: bounds, sums, order, and nothing divided by zero."""

from fractions import Fraction
from itertools import pairwise
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from esper.consensus.tier_records import TIER_STATE, TIER_STATE_LIMIT
from esper.consensus.tiers import TierState, TierTally, close_window
from esper.dao.registry import TierRegistry
from esper.primitives.codec import decode, encode
from tests.support.tier_cases import ONE, tier

LEAST, GREATEST = ONE // 4, 4 * ONE


@st.composite
def worlds(draw: st.DrawFn, most: int = 8) -> tuple[TierRegistry, TierState]:
    count = draw(st.integers(1, most))
    cuts = draw(st.sets(st.integers(1, ONE - 1), min_size=count - 1, max_size=count - 1))
    edges = [0, *sorted(cuts), ONE]
    ids = sorted(draw(st.sets(st.integers(0, 255), min_size=count, max_size=count)))
    parts = [after - before for before, after in pairwise(edges)]
    counts = st.one_of(st.sampled_from([0, 1, 2]), st.integers(0, 1000), st.integers(0, 1 << 32))
    tallies = tuple(
        TierTally(name, draw(st.integers(LEAST, GREATEST)), draw(counts)) for name in ids
    )
    registry = TierRegistry(
        tuple(tier(name, share=part) for name, part in zip(ids, parts, strict=True))
    )
    return registry, TierState(tallies)


def due(registry: TierRegistry, state: TierState) -> list[int]:
    total = sum(tally.blocks for tally in state.tallies)
    pairs = zip(registry.tiers, state.tallies, strict=True)
    return [min(total * part.share, 4 * ONE * tally.blocks) for part, tally in pairs]


def exact(registry: TierRegistry, state: TierState) -> list[Fraction]:
    """m'_t before the last clamps, in rationals, written down anew from the formulas."""
    total = sum(tally.blocks for tally in state.tallies)
    shares = due(registry, state)
    moved: list[Fraction] = []
    for own, tally in zip(shares, state.tallies, strict=True):
        step = Fraction(2)
        if tally.blocks:
            wanted = Fraction(total * own, sum(shares) * tally.blocks)
            step = Fraction(int(max(Fraction(1, 2), min(wanted, step)) * ONE), ONE)
        raised = step * Fraction(tally.multiplier, ONE)
        moved.append(max(Fraction(1, 4), min(raised, Fraction(4))))
    parts = (own / value for own, value in zip(shares, moved, strict=True))
    mean = sum(parts, Fraction()) / sum(shares)
    return [value * mean for value in moved]


@given(worlds())
def test_multipliers_stay_in_bounds_and_move_by_two_at_most(
    world: tuple[TierRegistry, TierState],
) -> None:
    registry, state = world
    closed = close_window(registry, state)
    for before, after in zip(state.tallies, closed.tallies, strict=True):
        assert LEAST <= after.multiplier <= GREATEST
        assert before.multiplier <= 2 * after.multiplier
        assert after.multiplier <= 2 * before.multiplier
        assert after.blocks == 0 or closed == state
    data = encode(TIER_STATE, closed)
    assert decode(TIER_STATE, data, limit=TIER_STATE_LIMIT, what="tier state") == closed


@given(worlds(6))
def test_update_is_the_formula_rounded_down(world: tuple[TierRegistry, TierState]) -> None:
    registry, state = world
    assume(any(tally.blocks for tally in state.tallies))
    closed = close_window(registry, state)
    for before, after, value in zip(
        state.tallies, closed.tallies, exact(registry, state), strict=True
    ):
        least = max(LEAST, (before.multiplier + 1) // 2)
        greatest = min(GREATEST, 2 * before.multiplier)
        assert after.multiplier == max(least, min(int(value * ONE), greatest))


@st.composite
def settled_worlds(draw: st.DrawFn) -> tuple[TierRegistry, TierState]:
    """Up to five tiers whose counts and multipliers are within a tenth of balance."""
    count = draw(st.integers(1, 5))
    parts = [draw(st.integers(ONE // 10, ONE // 6)) for _ in range(count - 1)]
    parts.append(ONE - sum(parts))
    near = st.integers(900, 1100)
    registry = TierRegistry(tuple(tier(name, share=part) for name, part in enumerate(parts)))
    tallies = [
        TierTally(name, ONE * draw(near) // 1000, part * draw(near) // 1000)
        for name, part in enumerate(parts)
    ]
    return registry, TierState(tuple(tallies))


@given(settled_worlds())
def test_the_harmonic_mean_is_one_where_no_clamp_bites(
    world: tuple[TierRegistry, TierState],
) -> None:
    registry, state = world
    closed = close_window(registry, state)
    shares = due(registry, state)
    mean = sum(
        Fraction(own * ONE, tally.multiplier)
        for own, tally in zip(shares, closed.tallies, strict=True)
    ) / sum(shares)
    assert 1 <= mean < 1 + Fraction(1, 1 << 14)


@given(worlds(6), st.randoms(use_true_random=False))
def test_names_and_order_do_not_matter(
    world: tuple[TierRegistry, TierState],
    random: Random,
) -> None:
    registry, state = world
    closed = close_window(registry, state)
    places = list(range(len(registry.tiers)))
    random.shuffle(places)
    renamed = TierRegistry(
        tuple(tier(i, share=registry.tiers[place].share) for i, place in enumerate(places))
    )
    moved = TierState(
        tuple(
            TierTally(i, state.tallies[place].multiplier, state.tallies[place].blocks)
            for i, place in enumerate(places)
        )
    )
    expected = [closed.tallies[place].multiplier for place in places]
    assert [tally.multiplier for tally in close_window(renamed, moved).tallies] == expected


@given(st.integers(0, 255), st.integers(0, 1 << 32))
def test_one_tier_alone_stays_at_one(name: int, blocks: int) -> None:
    alone = TierRegistry((tier(name),))
    closed = close_window(alone, TierState((TierTally(name, ONE, blocks),)))
    assert closed.tallies[0].multiplier == ONE


@given(worlds(4))
def test_an_idle_tier_climbs_to_four_and_no_further(
    world: tuple[TierRegistry, TierState],
) -> None:
    """Others that have what is due to them: doubling, doubling, then no more."""
    registry, _ = world
    assume(len(registry.tiers) > 1)
    idle, *busy = registry.tiers
    assume(all(part.share > ONE // 50 for part in busy))
    state = TierState.of(registry)
    seen = []
    for _ in range(4):
        counts = [0, *(part.share for part in busy)]
        state = TierState(
            tuple(
                TierTally(tally.tier, tally.multiplier, blocks)
                for tally, blocks in zip(state.tallies, counts, strict=True)
            )
        )
        state = close_window(registry, state)
        seen.append(state.tally(idle.id).multiplier)
    assert all(
        abs(value - want * ONE) <= 64 for value, want in zip(seen, (2, 4, 4, 4), strict=True)
    )
