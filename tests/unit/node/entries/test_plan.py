"""Which entries workers are kept for, over the life of an activation."""

from collections.abc import Collection

from esper.dao.registry import ONE, TierRegistry
from esper.dao.schedule import Scheduled, registry_at, still_ahead
from esper.node.entries.plan import LEAD_BLOCKS, Kept, RoomPlan, plan_room, runs_from
from esper.node.workers.loadable import Loadable
from tests.support.dao_cases import activation, entry, placed, reversal, settlement

OLD, NEW = (Loadable.of(entry(0, name)) for name in (1, 2))
START = TierRegistry((placed(0, 1, ONE),))
ACTIVE, SETTLED = 100, 200
LIFE = (activation(ACTIVE, 0, 2), settlement(SETTLED, 0, 2))


def planned(
    height: int,
    schedule: tuple[Scheduled, ...] = LIFE,
    *,
    start: TierRegistry = START,
    tier: int | None = None,
    here: Collection[Loadable] = (OLD, NEW),
    loaded: Collection[Loadable] = (),
    ready: Collection[Loadable] | None = None,
    busy: Collection[Loadable] = (),
) -> RoomPlan:
    """The plan for the block at a height; what is loaded is ready unless something else is said."""
    return plan_room(
        registry_at(start, schedule, height),
        still_ahead(schedule, height),
        height,
        tier=tier,
        here=lambda one: one in here,
        loaded=loaded,
        ready=loaded if ready is None else ready,
        busy=busy,
    )


def test_runs_of_an_activation_and_its_settlement() -> None:
    runs = runs_from(START, LIFE, 7)
    assert [(run.entry, run.first, run.last) for run in runs] == [
        (OLD, 7, SETTLED - 1),
        (NEW, ACTIVE, None),
    ]


def test_a_model_that_comes_back_has_two_runs() -> None:
    again = (*LIFE, activation(300, 0, 1))
    runs = [run for run in runs_from(START, again, 7) if run.entry == OLD]
    assert [(run.first, run.last) for run in runs] == [(7, SETTLED - 1), (300, None)]
    # What ends first is what counts: the second time it is loaded anew.
    assert planned(150, again, loaded=(OLD, NEW)).kept[0] == Kept(OLD, SETTLED - 1, mines=False)


def test_the_new_model_is_loaded_a_lead_before_its_height() -> None:
    early = planned(ACTIVE - LEAD_BLOCKS - 1, loaded=(OLD,))
    assert (early.load, early.missing) == ((), ())
    plan = planned(ACTIVE - LEAD_BLOCKS, loaded=(OLD,))
    assert plan.load == (NEW,)
    assert plan.kept == (Kept(OLD, SETTLED - 1, mines=True), Kept(NEW, None, mines=True))
    assert plan.release == ()


def test_the_old_model_is_mined_until_the_new_one_is_ready() -> None:
    soon = ACTIVE + LEAD_BLOCKS
    for height, ready, mines in [
        (ACTIVE, (OLD,), True),
        (ACTIVE, (OLD, NEW), True),
        (soon - 1, (OLD, NEW), True),
        (soon, (OLD, NEW), False),
        (soon, (OLD,), True),
    ]:
        plan = planned(height, loaded=(OLD, NEW), ready=ready)
        assert Kept(OLD, SETTLED - 1, mines=mines) in plan.kept
        assert Kept(NEW, None, mines=True) in plan.kept


def test_without_the_new_model_the_old_one_is_mined_to_its_end() -> None:
    for height in (ACTIVE - 1, ACTIVE, SETTLED - 1):
        plan = planned(height, here=(OLD,), loaded=(OLD,))
        assert plan.kept == (Kept(OLD, SETTLED - 1, mines=True),)
        assert plan.missing == (NEW,)
    after = planned(SETTLED, here=(OLD,), loaded=(OLD,))
    assert (after.kept, after.release, after.missing) == ((), (OLD,), (NEW,))


def test_the_old_model_is_released_after_its_last_height_once_nobody_works_with_it() -> None:
    assert planned(SETTLED - 1, loaded=(OLD, NEW)).release == ()
    assert planned(SETTLED, loaded=(OLD, NEW), busy=(OLD,)).release == ()
    plan = planned(SETTLED, loaded=(OLD, NEW))
    assert plan.release == (OLD,)
    assert plan.kept == (Kept(NEW, None, mines=True),)


def test_what_is_loaded_needs_its_files_no_more() -> None:
    plan = planned(ACTIVE, here=(), loaded=(OLD, NEW))
    assert [one.entry for one in plan.kept] == [OLD, NEW]
    assert (plan.release, plan.missing) == ((), ())


def test_a_reversal_gives_the_old_model_back_without_loading_it() -> None:
    back = (activation(ACTIVE, 0, 2), reversal(SETTLED, 0, 2))
    plan = planned(SETTLED - 1, back, loaded=(OLD, NEW))
    assert Kept(OLD, None, mines=True) in plan.kept
    assert planned(SETTLED, back, loaded=(OLD, NEW)).release == (NEW,)


def test_one_tier_alone() -> None:
    other = Loadable.of(entry(1, 9))
    both = TierRegistry((placed(0, 1, ONE // 2), placed(1, 9, ONE - ONE // 2)))
    here = (OLD, NEW, other)
    assert planned(5, (), start=both, here=here).load == (OLD, other)
    plan = planned(5, (), start=both, here=here, tier=1, loaded=(OLD,))
    assert (plan.load, plan.release, plan.missing) == ((other,), (OLD,), ())
    assert planned(5, (), start=both, here=(), tier=0).missing == (OLD,)
    assert planned(5, (), start=both, here=here, tier=7) == RoomPlan((), (), (), ())


def test_a_new_tier_is_loaded_before_it_comes() -> None:
    comes = (activation(ACTIVE, 1, 9, share=4096),)
    other = Loadable.of(entry(1, 9))
    plan = planned(ACTIVE - 1, comes, here=(OLD, other), loaded=(OLD,))
    assert plan.load == (other,)
    # A tier that was reverted goes with its model.
    gone = (*comes, reversal(SETTLED, 1, 9, new_tier=True))
    assert planned(SETTLED, gone, here=(OLD, other), loaded=(OLD, other)).release == (other,)
