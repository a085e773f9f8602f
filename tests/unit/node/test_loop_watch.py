"""A loop that stands still is told once, with the place; so is that it turns again."""

import logging
import time

import pytest
import trio

from esper.node.loop_watch import LoopWatch

STANDS, TURNS = "loop_stands", "loop_turns"


class Watched:
    """A watch whose clock is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000
        self.watch = LoopWatch(lambda: self.now)

    def after(self, ms: int) -> LoopWatch:
        self.now += ms
        return self.watch


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(one.__dict__["esper_event"], one.getMessage()) for one in caplog.records]


@pytest.fixture(autouse=True)
def warnings_of_the_node(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "esper.node")


def test_a_loop_that_turns_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    one = Watched()
    for _ in range(50):
        one.after(500).look()
        one.after(1_400).turn()
    one.after(2_000).look()
    assert told(caplog) == []


def test_one_that_stands_is_told_once_and_that_it_turns_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = Watched()
    for _ in range(9):
        one.after(500).look()
    assert [event for event, _ in told(caplog)] == [STANDS]
    assert "stood still for 2.5 s, in " in told(caplog)[0][1]
    one.after(700).turn()
    assert told(caplog)[1:] == [(TURNS, "the event loop turns again after 5.2 s")]
    one.after(500).turn()
    one.after(500).look()
    assert len(told(caplog)) == 2
    for _ in range(9):
        one.after(500).look()
    assert [event for event, _ in told(caplog)] == [STANDS, TURNS, STANDS]


def test_where_the_whole_process_stood_the_loop_is_not_blamed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = Watched()
    one.after(30_000).look()
    ((event, sentence),) = told(caplog)
    assert (event, "30.0 s, as the whole process has" in sentence) == (STANDS, True)


def test_it_names_the_place(caplog: pytest.LogCaptureFixture) -> None:
    watch = LoopWatch(late_ms=50, look_ms=10)

    async def node() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            await trio.sleep(0.05)
            ends = time.monotonic() + 30
            while not caplog.records and time.monotonic() < ends:
                holds_the_loop()
            with trio.fail_after(30):
                while len(caplog.records) < 2:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    trio.run(node)
    events = told(caplog)
    assert [event for event, _ in events[:2]] == [STANDS, TURNS]
    assert "holds_the_loop, test_loop_watch.py:" in events[0][1]


def holds_the_loop() -> None:
    time.sleep(0.2)
