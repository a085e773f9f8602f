"""The plan of a miner's workers against the registries of every height, one by one."""

from hypothesis import given
from hypothesis import strategies as st

from esper.dao.registry import ONE, TierRegistry
from esper.dao.schedule import Scheduled, registry_at
from esper.node.entries.plan import plan_room, runs_from
from esper.node.workers.loadable import Loadable
from tests.support.dao_cases import activation, entry, placed, reshaping, reversal, settlement

NAMES = range(1, 5)
TIERS = (0, 1)
HORIZON = 40
START = TierRegistry((placed(0, 1, ONE // 2), placed(1, 11, ONE - ONE // 2)))


def name(tier: int, number: int) -> int:
    return 10 * tier + number


heights = st.integers(1, HORIZON)
tiers = st.sampled_from(TIERS)
numbers = st.sampled_from(NAMES)
acts = st.one_of(
    st.builds(lambda h, t, n: activation(h, t, name(t, n), share=4096), heights, tiers, numbers),
    st.builds(lambda h, t, n: settlement(h, t, name(t, n)), heights, tiers, numbers),
    st.builds(
        lambda h, t, n, new: reversal(h, t, name(t, n), new_tier=new),
        heights,
        tiers,
        numbers,
        st.booleans(),
    ),
    st.builds(lambda h, t: reshaping(h, retire=(t,)), heights, tiers),
    st.builds(lambda h, t: reshaping(h, omegas=((t, 3 * ONE),)), heights, tiers),
)
schedules = st.lists(acts, max_size=6).map(tuple)
entries = st.sampled_from([Loadable.of(entry(t, name(t, n))) for t in TIERS for n in NAMES])
some = st.frozensets(entries)


def minable(schedule: tuple[Scheduled, ...], height: int) -> set[Loadable]:
    """By the registry of the height alone."""
    found = registry_at(START, schedule, height)
    return {Loadable.of(one) for tier in found.tiers for one in tier.entries}


def own(schedule: tuple[Scheduled, ...], height: int) -> set[Loadable]:
    found = registry_at(START, schedule, height)
    return {Loadable.of(tier.own) for tier in found.tiers}


@given(schedule=schedules, height=heights)
def test_runs_say_what_every_height_says(schedule: tuple[Scheduled, ...], height: int) -> None:
    runs = runs_from(registry_at(START, schedule, height), schedule, height)
    for at in range(height, HORIZON + 2):
        covers = [run for run in runs if run.first <= at and (run.last is None or at <= run.last)]
        assert {run.entry for run in covers} == minable(schedule, at)
        assert len(covers) == len(minable(schedule, at))


@given(
    schedule=schedules,
    height=heights,
    lead=st.integers(0, 12),
    tier=st.sampled_from([None, *TIERS]),
    here=some,
    loaded=some,
    ready=some,
    busy=some,
)
def test_the_plan_follows_from_the_heights_ahead(
    schedule: tuple[Scheduled, ...],
    height: int,
    lead: int,
    tier: int | None,
    here: frozenset[Loadable],
    loaded: frozenset[Loadable],
    ready: frozenset[Loadable],
    busy: frozenset[Loadable],
) -> None:
    plan = plan_room(
        registry_at(START, schedule, height),
        schedule,
        height,
        tier=tier,
        here=here.__contains__,
        loaded=loaded,
        ready=ready & loaded,
        busy=busy & loaded,
        lead=lead,
    )
    ahead = range(height, height + lead + 1)
    wanted = {
        one for at in ahead for one in minable(schedule, at) if tier in (None, one.model.tier)
    }
    kept = {one.entry: one for one in plan.kept}
    # Exactly what is needed soon and can be had is kept.
    assert set(kept) == {one for one in wanted if one in here | loaded}
    assert set(plan.load) == set(kept) - loaded
    assert set(plan.release) == loaded - set(kept) - busy
    # Nothing that may be mined in the next block is ever released.
    assert not set(plan.release) & wanted
    assert set(plan.missing) == {
        one for at in ahead for one in own(schedule, at) if one in wanted - here - loaded
    }
    for one in plan.kept:
        last = one.until if one.until is not None else HORIZON + 1
        first = next(at for at in ahead if one.entry in minable(schedule, at))
        assert all(one.entry in minable(schedule, at) for at in range(first, last + 1))
        assert one.until is None or one.entry not in minable(schedule, one.until + 1)
        # Own entries of now and soon are mined, others only where an own one cannot be.
        if any(one.entry in own(schedule, at) for at in ahead):
            assert one.mines
        elif one.mines:
            [place] = [
                found
                for found in registry_at(START, schedule, height).tiers
                if one.entry in map(Loadable.of, found.previous)
            ]
            assert Loadable.of(place.own) not in ready & loaded or height - place.since < lead


@given(schedule=schedules, height=heights, here=some)
def test_whoever_has_an_entry_of_the_next_block_can_mine(
    schedule: tuple[Scheduled, ...], height: int, here: frozenset[Loadable]
) -> None:
    loaded: frozenset[Loadable] = frozenset()
    for at in range(height, HORIZON + 2):
        plan = plan_room(
            registry_at(START, schedule, at),
            schedule,
            at,
            tier=None,
            here=here.__contains__,
            loaded=loaded,
            ready=loaded,
            busy=(),
        )
        loaded = frozenset(one.entry for one in plan.kept)
        if minable(schedule, at) & here:
            assert any(one.mines and one.entry in minable(schedule, at) for one in plan.kept)
