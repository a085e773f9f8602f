"""How long blocks take from their miner to everybody else, in simulated time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from esper.node.events import TipMoved
from tests.support.sim.sim_clockwork import simulated
from tests.support.sim.sim_mining import Pace
from tests.support.sim.sim_node import SimNode
from tests.support.sim.sim_payments import Payments
from tests.support.sim.sim_scenarios import paying
from tests.support.sim.sim_world import SimWorld, ring, sim_world

SETTLING_S = 60.0
"""Nodes find each other and choose whom they prefer."""


@dataclass(frozen=True)
class Propagation:
    """Of blocks that were executed everywhere; seconds after their miner did."""

    nodes: int
    blocks: int
    p50_s: float
    p95_s: float
    worst_s: float

    def __str__(self) -> str:
        values = {key: round(value, 3) for key, value in vars(self).items()}
        return json.dumps(values)


def propagation(
    seed: int = 1, *, nodes: int = 10, lasts_s: float = 240.0, spacing_s: float = 10.0
) -> Propagation:
    """Ten nodes, 10 to 100 ms apart, that mine and pay; the same for equal arguments."""
    return simulated(lambda: _measured(seed, nodes, lasts_s, spacing_s), seed)


async def _measured(seed: int, nodes: int, lasts_s: float, spacing_s: float) -> Propagation:
    arrived: dict[bytes, list[float]] = {}
    pace = Pace(spacing_s, (0.5, 1.5))
    async with sim_world(seed, ring(nodes), pace=pace) as world:
        for node in world.nodes:
            await world.start(node)
        await trio.sleep(SETTLING_S)
        async with paying(Payments(world)), trio.open_nursery() as nursery:
            for node in world.nodes:
                nursery.start_soon(_note, node, arrived)
            await trio.sleep(lasts_s)
            nursery.cancel_scope.cancel()
        return _of_times(world, arrived)


async def _note(node: SimNode, arrived: dict[bytes, list[float]]) -> None:
    with node.node.events.subscribe(TipMoved) as moves:
        async for moved in moves:
            if isinstance(moved, TipMoved):
                for block_id in moved.applied:
                    arrived.setdefault(block_id, []).append(trio.current_time())


def _of_times(world: SimWorld, arrived: dict[bytes, list[float]]) -> Propagation:
    everywhere = [times for times in arrived.values() if len(times) >= len(world.nodes)]
    took = sorted(time - min(times) for times in everywhere for time in times if time > min(times))
    return Propagation(
        len(world.nodes),
        len(everywhere),
        _percentile(took, 50),
        _percentile(took, 95),
        took[-1],
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]
