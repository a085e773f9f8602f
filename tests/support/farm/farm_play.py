"""A farm that works, its driver, and who hears of it, in time that passes when nothing happens."""

from collections.abc import Awaitable, Callable

import trio
import trio.testing

from esper.node.workers.farm.farm import Farm, FarmWorker
from esper.node.workers.farm.work_records import SearchNews
from esper.node.workers.farm.worker_spec import Role
from tests.support.farm.assignments import assignment_of
from tests.support.farm.played_driver import Drivers

ASSIGNED = assignment_of()
ENTRY = ASSIGNED.entry


class Heard:
    """Who is told of searches."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.news: list[SearchNews] = []

    def joined(self, worker: int) -> None:
        self.events.append(("joined", worker))

    def left(self, worker: int) -> None:
        self.events.append(("left", worker))

    def said(self, worker: int, news: SearchNews) -> None:
        self.events.append(("said", worker))
        self.news.append(news)


class Play:
    """A farm that works, its driver, and who hears of it."""

    def __init__(self, drivers: Drivers) -> None:
        self.drivers = drivers
        self.heard = Heard()
        self.farm = Farm(["driver"], "auto", lambda: int(1000 * trio.current_time()))
        self.farm.assign(ASSIGNED, self.heard)

    async def settle(self) -> None:
        """Until all that was said is heard; a second at most goes by."""
        await trio.sleep(0.01)

    async def prover(self) -> FarmWorker:
        """A prover that is ready and taken."""
        await self.settle()
        if not self.farm.ready(Role.PROVE):
            self.drivers.now.place(self.drivers.now.asked(Role.PROVE)[-1])
            await self.settle()
        worker = await self.farm.idle_prover(ENTRY)
        assert worker is not None
        return worker

    async def searcher(self) -> int:
        """A search that is ready; a prover is before it."""
        while not self.farm.ready(Role.SEARCH):
            await self.settle()
            waiting = [one.number for one in self.farm.workers.values() if one.ready_ms is None]
            self.drivers.now.place(waiting[0])
            await self.settle()
        return self.farm.ready(Role.SEARCH)[0].number


Story = Callable[[Play], Awaitable[None]]


def play(drivers: Drivers, story: Story) -> None:
    async def main() -> None:
        with trio.fail_after(10_000):
            async with trio.open_nursery() as nursery:
                played = Play(drivers)
                await nursery.start(played.farm.run)
                await played.settle()
                await story(played)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
