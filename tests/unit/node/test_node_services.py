"""Services: started in order, stopped in reverse, and none ends without the others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

from esper.node.services import Service, ServiceEndedError, StopRequest, run_services


class Story:
    """What happened, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stop = StopRequest()

    def service(
        self,
        name: str,
        then: Callable[[], Awaitable[None]] = trio.sleep_forever,
        start: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> Service:
        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            self.lines.append(f"{name} starts")
            try:
                await start()
                task_status.started()
                self.lines.append(f"{name} is up")
                await then()
            finally:
                with trio.CancelScope(shield=True):
                    # Closing takes a while, and the next one waits for it.
                    await trio.sleep(1)
                self.lines.append(f"{name} has ended")

        return Service(name, run)

    def up(self) -> None:
        self.lines.append("up")

    async def run(self, *services: Service) -> None:
        await run_services(services, self.stop, self.up)


def go(test: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        # Time jumps there as soon as nothing happens any more.
        with trio.fail_after(3600):
            await test()

    trio.run(in_time, clock=trio.testing.MockClock(autojump_threshold=0))


def only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    [error] = group.exceptions
    return only(error) if isinstance(error, BaseExceptionGroup) else error


def test_they_start_in_order_and_stop_in_reverse() -> None:
    story = Story()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(story.run, story.service("a"), story.service("b"))
            await trio.testing.wait_all_tasks_blocked()
            assert story.lines == ["a starts", "a is up", "b starts", "b is up", "up"]
            story.lines.clear()
            story.stop()
            story.stop()
        assert story.lines == ["b has ended", "a has ended"]

    go(main)


async def fails() -> None:
    await trio.sleep(5)
    raise OSError("the disk is gone")


def test_one_that_fails_ends_all_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    story = Story()

    async def main() -> None:
        await story.run(story.service("a"), story.service("b", fails), story.service("c"))

    with pytest.raises(BaseExceptionGroup) as caught:
        go(main)
    assert str(only(caught.value)) == "the disk is gone"
    assert "b ends the node: the disk is gone" in caplog.text
    assert story.lines[-4:] == ["up", "b has ended", "c has ended", "a has ended"]


def test_one_that_ends_by_itself_ends_all_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    story = Story()

    async def main() -> None:
        await story.run(story.service("a"), story.service("b", partial(trio.sleep, 5)))

    with pytest.raises(BaseExceptionGroup) as caught:
        go(main)
    assert isinstance(only(caught.value), ServiceEndedError)
    assert "b ended by itself" in caplog.text
    assert story.lines[-1] == "a has ended"


def test_one_that_cannot_start_is_told_by_its_error_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story()

    async def main() -> None:
        await story.run(story.service("a"), story.service("b", start=fails), story.service("c"))

    with caplog.at_level(logging.DEBUG), pytest.raises(BaseExceptionGroup) as caught:
        go(main)
    assert isinstance(only(caught.value), OSError)
    # The command says it already.
    assert caplog.text == ""
    assert story.lines == ["a starts", "a is up", "b starts", "b has ended", "a has ended"]


def test_a_request_during_the_start_cuts_it_short() -> None:
    story = Story()

    async def main() -> None:
        slow = story.service("b", start=trio.sleep_forever)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(story.run, story.service("a"), slow, story.service("c"))
            await trio.testing.wait_all_tasks_blocked()
            story.stop()
        assert story.lines == ["a starts", "a is up", "b starts", "b has ended", "a has ended"]

    go(main)


def test_a_request_before_the_start_starts_nothing() -> None:
    story = Story()

    async def main() -> None:
        story.stop()
        await story.run(story.service("a"))
        assert story.lines == []

    go(main)


def test_a_request_by_a_service_that_ends_then_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story()

    async def main() -> None:
        async def last() -> None:
            story.stop()

        # Without a look at whether it was stopped: it cannot know.
        await story.run(story.service("a"), story.service("b", last))

    go(main)
    assert caplog.text == ""
    assert story.lines[-2:] == ["b has ended", "a has ended"]
