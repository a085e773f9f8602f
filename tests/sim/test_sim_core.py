"""Whole nodes find each other, mine together and stand on one tip."""

import trio

from tests.support.sim_clockwork import simulated
from tests.support.sim_world import ring, sim_world


async def _mine_together() -> None:
    async with sim_world(1, ring(3)) as world:
        for node in world.nodes:
            await world.start(node)
        await trio.sleep(100)
        world.stop_mining()
        await world.converge()
        assert world.nodes[0].height >= 5
        assert not world.blames


def test_three_nodes_reach_one_tip() -> None:
    simulated(_mine_together, 1)
