"""What is told of mining."""

from pathlib import Path

from esper.node.events import MiningTold
from esper.node.mining.mining_service import REFRESH_S, MinedNews
from tests.support.node.heard_events import heard
from tests.support.node.mining_world import mining
from tests.support.node.node_world import go, jump, node_world, rest, running


def test_blocks_and_what_the_miner_does_are_told(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            height = world.height
            with world.node.events.subscribe(MinedNews, MiningTold) as told:
                async with running(world):
                    assert await heard(told) == [
                        MiningTold(f"searching for block {height + 1}", True, False)
                    ]
                    await world.send_calls(50, 51)
                    await rest()
                    jump(REFRESH_S + 0.01)
                    await rest()
                    await world.mine()
                    await rest()
                    said = await heard(told)
                    [news] = [one for one in said if isinstance(one, MinedNews)]
                    assert (news.height, news.block_id) == (height + 1, world.node.chain.tip)
                    assert news.calls_answered == 2
                    assert [one.doing for one in said if isinstance(one, MiningTold)] == [
                        "proving a block",
                        f"searching for block {height + 2}",
                    ]
                    world.service.pause()
                    await rest()
                    assert await heard(told) == [MiningTold("paused", False, True)]

    go(main)


def test_blocks_of_others_are_not_told_as_mined(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            with world.node.events.subscribe(MinedNews) as told:
                await world.others_turn()
                await rest()
                assert await heard(told) == []

    go(main)


def test_what_is_said_of_mining(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            await world.mine(2)
            await rest()
            view = world.mining.control.standing()
            assert (view.running, view.paused) == (True, False)
            assert (view.threads, view.prove_threads) == (2, 3)
            assert (view.rates.found, view.rates.stale) == (2, 0)
            # Each ticket was the first attempt or soon after it, and took a millisecond.
            assert view.rates.attempts_per_second >= 1000.0
            assert view.expected_block_ms == int(1000 / view.rates.attempts_per_second)
            await world.mining.control.use_threads(3, None)
            await world.mining.control.use_threads(None, 4)
            view = world.mining.control.standing()
            assert (view.threads, view.prove_threads) == (3, 4)
            assert world.searcher.threads == [3]
            assert world.prover.threads == world.answerer.threads == [4]

    go(main)
