"""The machine's clock steps while a node mines, or is behind its chain from the start."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from esper.node.events import TransactionGone
from esper.node.mining.block_times import LOOK_EVERY_S
from esper.node.mining.mining_service import MinedNews
from esper.rpc.errors import NOT_MINING, RpcError
from esper.rpc.methods import GENERATE, GET_MINING, GET_STATUS
from esper.rpc.schema import GenerateParams
from tests.support.node.heard_events import heard
from tests.support.node.node_world import PARAMS as NETWORK
from tests.support.node.node_world import (
    NodeWorld,
    go,
    jump,
    node_clock,
    node_world,
    pay,
    rest,
    running,
    until,
)
from tests.support.vm_world import BOB, CAROL

DAY_MS = 86_400_000
FUTURE_MS = NETWORK.difficulty.future_limit_ms
MEDIAN_OF = NETWORK.difficulty.median_window
NTP = "the chain is ahead of this machine's clock by 23 hours: set the clock (NTP), or wait until"


class Steps:
    """A clock that counts with trio's and is set by the test."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        """Of what it would be if nobody had touched it."""
        self._true: Callable[[], int] = node_clock(NETWORK)

    def __call__(self) -> int:
        return self._true() + self.ahead_ms


async def looked(world: NodeWorld) -> None:
    """The node has looked at the clock once more."""
    await rest()
    jump(LOOK_EVERY_S + 0.01)
    await rest()


async def mined_ahead(world: NodeWorld, clock: Steps, ahead_ms: int = DAY_MS) -> None:
    """Enough blocks of a clock that is ahead for the median to be there; then it is set right."""
    clock.ahead_ms = ahead_ms
    await world.mine(MEDIAN_OF)
    clock.ahead_ms = 0
    await looked(world)


def test_a_chain_ahead_of_the_clock_is_waited_for(datadir: Path) -> None:
    async def main() -> None:
        clock = Steps()
        async with node_world(datadir, wall=clock) as world, running(world):
            await mined_ahead(world, clock)
            height, proofs = world.height, world.prover.asked.count("prove_work")
            waiting = await world.send(BOB, pay(CAROL))
            with world.node.events.subscribe(TransactionGone) as gone:
                for _ in range(5):
                    await looked(world)
                # Nothing is searched, nothing proven, nothing leaves.
                assert world.searcher.jobs[-1] is None
                assert world.prover.asked.count("prove_work") == proofs
                assert await heard(gone) == []
            assert world.service.doing.startswith(f"waiting: {NTP}")
            told = await world.ask(GET_MINING)
            assert told.doing == world.service.doing
            status = await world.ask(GET_STATUS)
            assert not status.synced
            assert status.why_not_synced.startswith(NTP)
            # The time comes, and it goes on by itself with what waited.
            jump((DAY_MS - FUTURE_MS) / 1000)
            await looked(world)
            await world.mine()
            assert world.height == height + 1
            assert waiting.txid not in world.node.mempool.pool
            assert (await world.ask(GET_STATUS)).synced

    go(main)


def test_a_clock_that_is_set_right_again_is_seen_at_once(datadir: Path) -> None:
    async def main() -> None:
        clock = Steps()
        async with node_world(datadir, wall=clock) as world, running(world):
            clock.ahead_ms = -DAY_MS
            await looked(world)
            assert world.service.doing.startswith("waiting: ")
            assert world.searcher.jobs[-1] is None
            # As after a suspension, or when a time server is heard of.
            clock.ahead_ms = 0
            await looked(world)
            assert world.service.doing == f"searching for block {world.height + 1}"
            await world.mine(2)

    go(main)


def test_what_is_said_of_waiting_is_logged_once(
    datadir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        clock = Steps()
        async with node_world(datadir, wall=clock) as world, running(world):
            clock.ahead_ms = -DAY_MS
            with caplog.at_level(logging.WARNING):
                for _ in range(10):
                    await looked(world)
            said = [one.message for one in caplog.records if "ahead of this machine" in one.message]
            assert len(said) == 1

    go(main)


def test_a_ticket_of_before_the_clock_was_set_back_is_not_proven(datadir: Path) -> None:
    async def main() -> None:
        clock = Steps()
        async with node_world(datadir, wall=clock) as world, running(world):
            await world.send(BOB, pay(CAROL))
            height, count = world.height, len(world.searcher.jobs)
            # Found by a clock that is ahead, heard of by one that is right.
            ticket_ms = clock() + DAY_MS
            world.searcher._clock = lambda: ticket_ms
            await world.searcher.find()
            world.searcher._clock = clock
            await until(lambda: len(world.searcher.jobs) > count)
            assert world.prover.asked.count("prove_work") == 0
            assert world.height == height
            # The next one is of now, and holds what waits.
            await world.mine()
            assert world.height == height + 1
            assert world.node.chain.view.context.times_ms[-1] < ticket_ms
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_a_clock_that_is_set_back_during_a_proof_takes_nothing_out(
    datadir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        clock = Steps()
        async with node_world(datadir, wall=clock) as world, running(world):
            await world.send(BOB, pay(CAROL))
            jump(2)
            await rest()
            height = world.height
            world.prover.hold("prove_work")
            clock.ahead_ms = DAY_MS
            await world.searcher.find()
            await until(lambda: world.service.doing == "proving a block")
            clock.ahead_ms = 0
            world.prover.release("prove_work")
            await until(lambda: world.service.doing == f"searching for block {height + 1}")
            await rest()
            assert "mining it empty" not in caplog.text
            await world.mine()
            assert world.height == height + 1
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_proofs_and_the_node_s_age_are_measured_evenly(datadir: Path) -> None:
    async def main() -> None:
        clock = Steps()
        async with node_world(datadir, wall=clock) as world, running(world):
            world.prover.hold("prove_work")
            clock.ahead_ms = 1_800_000
            with world.node.events.subscribe(MinedNews) as mined:
                await world.searcher.find()
                await until(lambda: world.service.doing == "proving a block")
                # Two hours forward, which no proof took, and the block stays in time.
                clock.ahead_ms = 7_200_000
                jump(3)
                world.prover.release("prove_work")
                await rest()
                [news] = await heard(mined)
            assert isinstance(news, MinedNews)
            assert news.proof_ms == 3_000
            clock.ahead_ms = -7 * DAY_MS
            assert (await world.ask(GET_STATUS)).uptime_ms == 3_000

    go(main)


@pytest.mark.parametrize("mined_before", [0, 2])
def test_generate_says_that_it_would_wait(datadir: Path, mined_before: int) -> None:
    async def main() -> None:
        clock = Steps()
        async with node_world(datadir, wall=clock, wanted=0) as world, running(world):
            told: list[RpcError] = []

            async def generate() -> None:
                try:
                    await world.ask(GENERATE, GenerateParams(blocks=5))
                except RpcError as error:
                    told.append(error)

            for _ in range(2):
                # Again and again, for as long as it lasts.
                async with trio.open_nursery() as nursery:
                    clock.ahead_ms = 0 if mined_before else -DAY_MS
                    nursery.start_soon(generate)
                    await world.mine(mined_before)
                    clock.ahead_ms = -DAY_MS
                    await rest()
                    jump(LOOK_EVERY_S + 0.01)
                assert told.pop().code == NOT_MINING
            await looked(world)
            assert world.service.doing == "waiting for blocks to be asked for"
            clock.ahead_ms = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(generate)
                await world.mine(5)
            assert told == []

    go(main)
