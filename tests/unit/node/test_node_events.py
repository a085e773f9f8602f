"""Events: in order, bounded, never in the publisher's way, and whoever falls behind learns it."""

from collections.abc import Awaitable, Callable
from dataclasses import FrozenInstanceError, fields

import pytest
import trio
import trio.testing

import esper.node.events as events_module
from esper.node.events import (
    CallReady,
    Events,
    EventsStatistics,
    MiningTold,
    Missed,
    NodeEvent,
    Subscription,
    SubscriptionStatistics,
    TipMoved,
)
from esper.node.mining import mining_service
from esper.primitives.ids import BlockId, Txid
from tests.support.node.heard_events import heard

PATIENCE_S = 30
"""For what comes at once or never."""


def ready(number: int) -> CallReady:
    return CallReady(Txid(bytes([number]) * 64))


TIP = BlockId(b"\1" * 64)
MOVED = TipMoved(TIP, 1, (), (TIP,))


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        with trio.fail_after(PATIENCE_S):
            await test()

    trio.run(in_time)


def test_subscribers_hear_their_kinds_in_the_order_of_publishing() -> None:
    async def main() -> None:
        events = Events()
        with events.subscribe(CallReady, TipMoved) as both, events.subscribe(TipMoved) as tips:
            for event in (ready(1), MOVED, MiningTold("proving", True, False), ready(2)):
                events.publish(event)
            assert await heard(both) == [ready(1), MOVED, ready(2)]
            assert await heard(tips) == [MOVED]
            with events.subscribe(NodeEvent) as late:
                events.publish(ready(3))
                assert await heard(late) == [ready(3)]

    run(main)


def test_a_subscriber_that_waits_is_woken() -> None:
    async def main() -> None:
        events = Events()
        taken: list[NodeEvent | Missed] = []

        async def listen(task_status: trio.TaskStatus[None]) -> None:
            with events.subscribe(CallReady, room=1) as calls:
                task_status.started()
                async for event in calls:
                    taken.append(event)

        async with trio.open_nursery() as nursery:
            await nursery.start(listen)
            for number in range(3):
                await trio.testing.wait_all_tasks_blocked()
                events.publish(ready(number))
            events.close()
        assert taken == [ready(0), ready(1), ready(2)]

    run(main)


def test_one_that_falls_behind_learns_how_many_it_missed_and_goes_on() -> None:
    async def main() -> None:
        events = Events()
        with events.subscribe(CallReady, room=2) as slow, events.subscribe(CallReady) as quick:
            for number in range(5):
                events.publish(ready(number))
            # Others lose nothing by it.
            assert await heard(quick) == [ready(number) for number in range(5)]
            assert await slow.receive() == ready(0)
            # There is room again, but what comes now would hide the gap before it.
            events.publish(ready(5))
            assert await slow.receive() == ready(1)
            assert await slow.receive() == Missed(4)
            events.publish(ready(6))
            assert await heard(slow) == [ready(6)]
            for number in range(4):
                events.publish(ready(number))
            assert await heard(slow) == [ready(0), ready(1), Missed(2)]

    run(main)


def test_a_cancelled_wait_forgets_no_gap() -> None:
    async def main() -> None:
        events = Events()
        with events.subscribe(CallReady, room=1) as slow:
            for number in range(3):
                events.publish(ready(number))
            assert await slow.receive() == ready(0)
            with trio.CancelScope() as scope:
                scope.cancel()
                await slow.receive()
            assert scope.cancelled_caught
            assert await slow.receive() == Missed(2)

    run(main)


def test_nothing_grows_and_nobody_waits_for_one_who_never_takes() -> None:
    async def main() -> None:
        events = Events()
        with events.subscribe(CallReady, room=3) as idle:
            for number in range(10_000):
                events.publish(ready(number % 256))
            assert events.statistics() == EventsStatistics(
                10_000, (SubscriptionStatistics(3, 3, 9_997, 9_997),)
            )
            await heard(idle)
            assert idle.statistics() == SubscriptionStatistics(3, 0, 0, 9_997)

    run(main)


def test_whoever_leaves_is_forgotten() -> None:
    async def main() -> None:
        events = Events()
        with pytest.raises(KeyError), events.subscribe(CallReady):
            raise KeyError
        assert events.statistics() == EventsStatistics(0, ())
        with events.subscribe(CallReady) as closed:
            await closed.aclose()
            events.publish(ready(1))
            assert closed.statistics().missed_ever == 0
            with pytest.raises(trio.ClosedResourceError):
                await closed.receive()

    run(main)


def test_the_end_comes_behind_what_waits_and_what_is_missing() -> None:
    async def main() -> None:
        events = Events()
        with events.subscribe(CallReady, room=1) as slow:
            for number in range(3):
                events.publish(ready(number))
            events.close()
            events.publish(ready(9))
            assert [event async for event in slow] == [ready(0), Missed(2)]
        with events.subscribe(CallReady) as late:
            assert [event async for event in late] == []

    run(main)


def test_only_the_loop_s_thread_may_publish() -> None:
    async def main() -> None:
        events = Events()
        with events.subscribe(CallReady) as calls:
            with pytest.raises(RuntimeError):
                await trio.to_thread.run_sync(events.publish, ready(1))
            await trio.to_thread.run_sync(trio.from_thread.run_sync, events.publish, ready(2))
            assert await heard(calls) == [ready(2)]
            assert events.statistics().published == 1

    run(main)


@pytest.mark.parametrize("room", [0, -1])
def test_a_subscription_has_room_for_one(room: int) -> None:
    with pytest.raises(ValueError, match="room"), Events().subscribe(CallReady, room=room):
        pass
    with pytest.raises(ValueError, match="kind"), Events().subscribe():
        pass


KINDS = [
    kind
    for module in (events_module, mining_service)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, NodeEvent) and kind.__module__ == module.__name__
]


def test_every_kind_of_event_is_frozen_and_has_a_payload() -> None:
    assert {kind.__name__ for kind in KINDS} == {
        "NodeEvent",
        "TipMoved",
        "TransactionAdmitted",
        "TransactionGone",
        "CallAnswered",
        "CallReady",
        "MiningTold",
        "MiningHeld",
        "ProveHandedIn",
        "MinedNews",
        "MinedStale",
    }
    for kind in KINDS:
        assert fields(kind) or kind is NodeEvent
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError):
        MOVED.height = 2  # type: ignore[misc]


def test_a_subscription_is_a_channel_of_trio() -> None:
    assert issubclass(Subscription, trio.abc.ReceiveChannel)
