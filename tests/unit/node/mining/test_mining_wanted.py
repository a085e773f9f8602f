"""Mining that is paused, and blocks that are asked for."""

from collections.abc import AsyncIterator
from pathlib import Path

import trio

from esper.node.events import Missed
from esper.node.mining.mining_service import REFRESH_S
from tests.support.node.mining_world import mining, payee_at, searched
from tests.support.node.node_world import go, jump, node_world, pay, rest, until
from tests.support.vm_world import BOB, CAROL, MINER, address


def test_pause_and_resume(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            world.service.pause()
            assert world.searcher.jobs[-1] is None
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert world.service.doing == "paused"
            assert not world.service.searching
            await world.others_turn()
            await world.send(BOB, pay(CAROL))
            await rest()
            assert world.searcher.jobs[-1] is None
            world.service.resume()
            await rest()
            assert searched(world) == world.node.chain.tip
            await world.mine()

    go(main)


def test_a_proof_that_runs_is_finished_though_paused(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            height = world.height
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            world.service.pause()
            world.prover.release("prove_work")
            await until(lambda: world.height == height + 1)
            await rest()
            assert world.searcher.jobs[-1] is None

    go(main)


def test_wanted_blocks_and_no_more(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=2) as world:
            height = world.height
            await world.mine(2)
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert world.service.doing == "waiting for blocks to be asked for"
            count = len(world.searcher.jobs)
            await world.others_turn()
            await rest()
            assert world.height == height + 3
            assert len(world.searcher.jobs) == count
            assert world.stops == []
            world.service.want(1)
            await rest()
            assert len(world.searcher.jobs) == count + 1

    go(main)


def test_the_last_wanted_block_stops_a_node_that_is_to_end(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=2, ends=True) as world:
            await world.mine()
            await rest()
            assert world.stops == []
            await world.mine()
            await rest()
            assert world.stops == [True]

    go(main)


def test_the_last_wanted_block_counts_though_it_was_missed(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=3, ends=True) as world:

            async def told(*counts: int) -> AsyncIterator[Missed]:
                for count in counts:
                    yield Missed(count)

            await world.mining._follow_mined(told(2))
            assert world.stops == []
            await world.mining._follow_mined(told(1, 2))
            assert world.stops == [True]

    go(main)


def test_blocks_on_demand(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=0) as world:
            height, mined = world.height, []

            async def generate(count: int, payee: bytes | None) -> None:
                mined.extend(await world.mining.control.generate(count, payee))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(generate, 2, address(BOB))
                await world.mine(2)
            assert mined == [
                world.node.manager.store.index.entry(height + n).block_id for n in (1, 2)
            ]
            assert [payee_at(world, height + n) for n in (1, 2)] == [address(BOB)] * 2
            assert not world.service.searching
            async with trio.open_nursery() as nursery:
                nursery.start_soon(generate, 1, None)
                await world.mine()
            assert payee_at(world, height + 3) == address(MINER)

    go(main)


def test_a_request_that_is_given_up_leaves_nothing_behind(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=0) as world:
            height = world.height
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(world.mining.control.generate, 5, None)
                    await rest()
                    job = world.searcher.job
                    scope.cancel()
            await rest()
            assert world.service.doing == "waiting for blocks to be asked for"
            # Its ticket comes too late: nobody asks for a block any more.
            await world.searcher.find(job)
            await rest()
            assert world.height == height
            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.mining.control.generate, 1, None)
                await world.mine()
            assert payee_at(world, height + 1) == address(MINER)

    go(main)


def test_more_blocks_than_wanted_are_no_debt(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=1) as world:
            height = world.height
            # A proof is under way, somebody else's block comes, and so does a second ticket.
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            await world.others_turn()
            await rest()
            await world.searcher.find()
            await rest()
            world.service.stop_wanting()
            world.prover.release("prove_work")
            await until(lambda: world.height == height + 2)
            await rest()
            world.service.want(1)
            await rest()
            assert world.service.searching
            await world.mine()

    go(main)
