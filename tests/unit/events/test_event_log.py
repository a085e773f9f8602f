"""The log, and those who follow it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from esper.events.log import RING, TOPICS, EventLog
from esper.events.subscription import ROOM, Gap, SlowSubscriberError, Subscription
from tests.support.http.http_world import go

BOOT = "5f3c"


def filled(count: int, topic: str = "block", **how: Any) -> EventLog:
    log = EventLog(BOOT, **how)
    for number in range(count):
        log.append(topic, {"n": number})
    return log


async def taken(subscription: Subscription, count: int) -> list[int]:
    """Numbers of the next so many events."""
    found: list[int] = []
    while len(found) < count:
        part = await subscription.take()
        assert isinstance(part, list)
        found += [one.seq for one in part]
    return found


def test_events_have_numbers_from_one_and_are_one_line() -> None:
    log = EventLog(BOOT)
    assert (log.oldest, log.next) == (1, 1)
    log.append("call", {"text": "a\r\n\ndata: x\u2028é\x00"})
    [entry] = log.after(0, 5)
    assert entry.text.isascii()
    assert entry.text.isprintable()
    assert json.loads(entry.text) == {"seq": 1, "topic": "call", "data": entry.data}
    assert (log.oldest, log.next) == (1, 2)


def test_the_log_is_bounded_in_events() -> None:
    log = filled(RING + 5)
    assert (log.oldest, log.next) == (6, RING + 6)
    assert log.get(5) is None
    assert log.after(0, 1)[0].seq == 6
    assert len(log.after(0, RING * 2)) == RING


def test_the_log_is_bounded_in_bytes() -> None:
    log = EventLog(BOOT, most_bytes=10_000)
    for _ in range(100):
        log.append("tx_in", {"a": "x" * 1_000})
    assert log.next - log.oldest == 9
    log.append("tx_in", {"a": "x" * 20_000})
    assert log.after(0, 100) == []
    assert log.oldest == log.next == 102


def test_events_are_found_by_number_and_topic() -> None:
    log = filled(3)
    log.append("tx_in", {})
    assert [one.seq for one in log.after(1, 10)] == [2, 3, 4]
    assert [one.seq for one in log.after(0, 2)] == [1, 2]
    assert [one.seq for one in log.after(0, 9, {"tx_in"})] == [4]
    assert log.after(4, 1) == log.after(1 << 62, 1) == []


@pytest.mark.parametrize(
    ("start", "boot", "first"),
    [
        (None, None, [11]),
        (11, BOOT, [11]),
        (5, BOOT, [5, 6, 7, 8, 9, 10, 11]),
        (4, BOOT, [4, 5, 6, 7, 8, 9, 10, 11]),
        (3, BOOT, 4),
        (0, BOOT, 4),
        (12, BOOT, 4),
        (5, "aa", 4),
    ],
)
def test_a_subscriber_begins_where_it_wants_or_is_told_a_gap(
    start: int | None, boot: str | None, first: list[int] | int
) -> None:
    async def main() -> None:
        log = filled(10, entries=7)
        with log.subscribe(["block"], start, boot) as subscription:
            if isinstance(first, int):
                assert await subscription.take() == Gap(first)
                assert await taken(subscription, 7) == list(range(4, 11))
            else:
                assert await taken(subscription, len(first) - 1) == first[:-1]
            log.append("block", {})
            assert await taken(subscription, 1) == [11]

    go(main, mocked=True)


def test_only_topics_that_were_asked_for_come() -> None:
    async def main() -> None:
        log = filled(3, "tx_in")
        with log.subscribe(["block", "undone"], 1, BOOT) as subscription:
            log.append("block", {})
            log.append("tx_out", {})
            log.append("undone", {})
            assert await taken(subscription, 2) == [4, 6]
            assert subscription.next == log.next

    go(main, mocked=True)


def test_a_subscriber_waits_until_something_happens() -> None:
    async def main() -> None:
        log = EventLog(BOOT)

        async def happen() -> None:
            await trio.sleep(7)
            log.append("tx_in", {})
            await trio.sleep(1)
            log.append("block", {})

        async with trio.open_nursery() as nursery:
            nursery.start_soon(happen)
            with log.subscribe(["block"]) as subscription:
                assert await taken(subscription, 1) == [2]
                assert trio.current_time() == 8

    go(main, mocked=True)


def test_one_that_is_slow_is_let_go_and_no_other() -> None:
    async def main() -> None:
        log = EventLog(BOOT)
        with log.subscribe(["block"]) as slow, log.subscribe(["tx_in"]) as other:
            async with trio.open_nursery() as nursery:
                # It keeps up first: from then on what it has not taken counts.
                nursery.start_soon(taken, slow, 1)
                await trio.sleep(1)
                log.append("block", {})
                await trio.sleep(1)
            for _ in range(ROOM):
                log.append("block", {})
            assert not slow.is_slow
            assert await taken(slow, 64) == list(range(2, 66))
            for _ in range(65):
                log.append("block", {})
            with pytest.raises(SlowSubscriberError, match="256 events wait"):
                await slow.take()
            assert not other.is_slow
        assert log.counts().dropped == 1

    go(main, mocked=True)


def test_what_is_made_up_for_does_not_count_as_slow() -> None:
    async def main() -> None:
        log = filled(ROOM * 8)
        with log.subscribe(["block"], 1, BOOT) as subscription:
            for _ in range(ROOM * 2):
                log.append("block", {})
            assert await taken(subscription, ROOM * 10) == list(range(1, ROOM * 10 + 1))

    go(main, mocked=True)


def test_one_that_falls_out_of_the_log_is_told_a_gap() -> None:
    async def main() -> None:
        log = filled(100, entries=100)
        with log.subscribe(["block"], 1, BOOT) as subscription:
            assert await taken(subscription, 64) == list(range(1, 65))
            for _ in range(90):
                log.append("block", {})
            assert await subscription.take() == Gap(91)
            assert await taken(subscription, 100) == list(range(91, 191))

    go(main, mocked=True)


def test_what_is_lost_leaves_a_gap_in_the_numbers() -> None:
    async def main() -> None:
        log = filled(5)
        with log.subscribe(["block"], 1, BOOT) as subscription:
            log.skip(3)
            log.append("block", {})
            assert (log.oldest, log.next) == (9, 10)
            assert await subscription.take() == Gap(9)
            assert await taken(subscription, 1) == [9]
            log.skip(0)
            assert await subscription.take() == Gap(11)
        assert log.counts().dropped == 4

    go(main, mocked=True)


def test_after_the_end_what_is_left_is_given() -> None:
    async def main() -> None:
        log = EventLog(BOOT)
        with log.subscribe(["block"]) as subscription:
            log.append("block", {})
            log.close()
            assert await taken(subscription, 1) == [1]
            with pytest.raises(trio.EndOfChannel):
                await subscription.take()
        with log.subscribe(["block"]) as late, pytest.raises(trio.EndOfChannel):
            await late.take()

    go(main, mocked=True)


def test_it_is_counted() -> None:
    log = filled(3)
    with log.subscribe(["block"]):
        found = log.counts()
    assert found.appended == {**dict.fromkeys(TOPICS, 0), "block": 3}
    assert found.subscribers == 1
    assert log.counts().subscribers == 0
