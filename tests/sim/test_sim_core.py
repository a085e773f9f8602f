"""Whole nodes find each other, mine together, and take many payments while the tip moves."""

import trio

from tests.support.sim.sim_checks import check_end, txids_on_chain
from tests.support.sim.sim_clockwork import simulated
from tests.support.sim.sim_mining import Pace
from tests.support.sim.sim_payments import Payments
from tests.support.sim.sim_propagation import propagation
from tests.support.sim.sim_world import ring, sim_world


async def _mine_together() -> None:
    async with sim_world(1, ring(3)) as world:
        for node in world.nodes:
            await world.start(node)
        await trio.sleep(100)
        await world.converge()
        assert world.nodes[0].height >= 5
        assert all(len(one.service.table.settled()) == 2 for one in world.nodes)
        check_end(world)


def test_three_nodes_reach_one_tip() -> None:
    simulated(_mine_together, 1)


async def _many_payments() -> None:
    async with sim_world(2, ring(4), pace=Pace(4.0, (0.1, 0.4))) as world:
        for node in world.nodes:
            await world.start(node)
        # The node that hears of them never mines.
        world.nodes[1].wanted = 0
        await trio.sleep(10)
        payments = Payments(world)
        before = world.nodes[0].height
        await payments.pay_all_at_once(500, world.nodes[1])
        await world.until(payments.all_included, 300.0)
        assert world.nodes[0].height >= before + 5
        assert len(txids_on_chain(world)) == 500
        await world.converge()
        check_end(world)


def test_a_tip_that_moves_under_500_payments_drops_nobody() -> None:
    simulated(_many_payments, 2)


def test_propagation_is_measured() -> None:
    found = propagation(nodes=4, lasts_s=60.0, spacing_s=5.0)
    assert found.blocks >= 5
    assert 0.01 < found.p50_s <= found.p95_s <= found.worst_s < 2.0
