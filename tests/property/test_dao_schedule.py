"""For any tiers and anything confirmed: a chain always has models, and all see the same ones."""

from hypothesis import given
from hypothesis import strategies as st

from esper.dao.registry import ONE, TierRegistry
from esper.dao.schedule import Scheduled, registry_at, still_ahead
from tests.support.dao_cases import activation, placed, reshaping, reversal, settlement

TIERS = st.integers(0, 4)
HEIGHTS = st.integers(1, 12)
NAMES = st.integers(1, 5)
SHARES = st.sampled_from([0, 1, 2, 1_024, 10_922, ONE // 2, ONE - 1])
OMEGAS = st.sampled_from([0, 1, ONE, (1 << 64) - 1, 1 << 64])


@st.composite
def scheduled(draw: st.DrawFn) -> Scheduled:
    height, tier = draw(HEIGHTS), draw(TIERS)
    kind = draw(st.sampled_from(["activate", "settle", "revert", "change"]))
    if kind == "activate":
        omega = draw(st.sampled_from([1, ONE, 3 * ONE]))
        return activation(height, tier, draw(NAMES), draw(SHARES), omega)
    if kind == "settle":
        return settlement(height, tier, draw(NAMES))
    if kind == "revert":
        return reversal(height, tier, draw(NAMES), new_tier=draw(st.booleans()))
    cuts = draw(st.lists(st.tuples(TIERS, SHARES), max_size=3))
    return reshaping(
        height,
        retire=draw(st.sampled_from([(), (tier,)])),
        shares=tuple(cuts),
        omegas=tuple(draw(st.lists(st.tuples(TIERS, OMEGAS), max_size=2))),
    )


SCHEDULES = st.lists(scheduled(), max_size=24)
BEGINNINGS = st.sampled_from(
    [
        TierRegistry((placed(0, 1, ONE),)),
        TierRegistry((placed(0, 1, 1), placed(2, 2, 1), placed(3, 3, ONE - 2))),
        TierRegistry(tuple(placed(tier, tier + 1, ONE // 4) for tier in range(4))),
    ]
)


@given(BEGINNINGS, SCHEDULES)
def test_no_schedule_leaves_a_chain_without_a_model(
    tiers: TierRegistry, schedule: list[Scheduled]
) -> None:
    # The registry's own checks hold ids, shares and omegas; nothing may raise them.
    assert registry_at(tiers, schedule, 12).tiers


@given(BEGINNINGS, SCHEDULES, st.integers(0, 12), st.integers(0, 12))
def test_the_registry_of_a_height_is_one_whoever_executed_how_far(
    tiers: TierRegistry, schedule: list[Scheduled], executed: int, height: int
) -> None:
    executed, height = sorted((executed, height))
    between = registry_at(tiers, schedule, executed)
    assert registry_at(between, still_ahead(schedule, executed), height) == registry_at(
        tiers, schedule, height
    )
