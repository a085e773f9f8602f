"""What happens to a network in a simulation, by seed, and what must hold while it does."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import trio

from esper.node.chain.chain_view import ChainView
from esper.node.peers.standing import NetworkStanding
from tests.support.sim.sim_checks import check_end
from tests.support.sim.sim_mining import Pace
from tests.support.sim.sim_node import Place, Plan
from tests.support.sim.sim_payments import Payments
from tests.support.sim.sim_private import PrivateMiner, Times, honest_times
from tests.support.sim.sim_weather import Weather
from tests.support.sim.sim_world import SimWorld, ring, sim_world

HOUR_MS = 3_600_000
PACE = Pace(5.0, (0.2, 1.0))
BACK_S = 120.0
"""After a line works again."""
Happening = Callable[[SimWorld], Awaitable[bool]]
"""Something that befalls a network; whether all links were quick enough for pings."""


async def play(seed: int, happening: Happening, count: int = 6, pace: Pace = PACE) -> str:
    """A whole run: a network comes up, something befalls it, it comes to rest. Its trace."""
    async with sim_world(seed, ring(count), weather=Weather.of_seed(seed), pace=pace) as world:
        for node in world.nodes:
            await world.start(node)
        payments = Payments(world)
        async with paying(payments):
            await trio.sleep(world.chance.uniform(5, 20))
            quiet = await happening(world)
            await trio.sleep(world.chance.uniform(0, 10))
        await finish(world, payments, quiet=quiet)
        return world.trace


async def finish(world: SimWorld, payments: Payments, *, quiet: bool) -> None:
    """Mine what waits, come to rest and look at everything."""
    if any(one.wanted is None for one in world.nodes):
        await world.until(payments.all_included, 900.0)
    await world.converge()
    check_end(world, quiet=quiet)


@asynccontextmanager
async def paying(payments: Payments) -> AsyncIterator[None]:
    """Payments are made within."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(payments.run)
        yield
        nursery.cancel_scope.cancel()


async def nothing(world: SimWorld) -> bool:
    """An hour like others."""
    await trio.sleep(60)
    return True


async def split(world: SimWorld, lasts_s: tuple[float, float], *, silent: bool) -> bool:
    """The network falls into 2 to 5 parts and heals; if ``silent`` no block comes after that."""
    chance, nodes = world.chance, world.nodes
    shuffled = chance.sample(nodes, len(nodes))
    parts = chance.randrange(2, min(5, len(nodes)) + 1)
    groups = [shuffled[at::parts] for at in range(parts)]
    world.network.partition([[one.plan.place.ip for one in group] for group in groups])
    world.log(f"split: {[[str(one) for one in group] for group in groups]}")
    await trio.sleep(chance.uniform(*lasts_s))
    if silent:
        # What is being proven is still finished, in parts.
        world.stop_mining()
        await trio.sleep(3)
    world.log("healed")
    world.network.heal()
    if silent:
        # Pings tell of a heavier tip.
        await world.until(lambda: len({one.weight for one in world.up}) == 1, BACK_S)
    return False


async def outage(world: SimWorld) -> bool:
    """One node's line fails for longer than pings bear; soon after that it follows again."""
    chance = world.chance
    node = chance.choice(world.nodes)
    others = [one for one in world.nodes if one is not node]
    world.network.partition([[one.plan.place.ip for one in others]])
    world.log(f"{node} is cut off")
    await trio.sleep(chance.uniform(55, 75))
    world.network.heal()
    world.log("healed")
    best = others[0].weight
    await world.until(lambda: node.weight >= best, BACK_S)
    return False


async def selfish(world: SimWorld) -> bool:
    """A miner with 30 % of all work holds its blocks back and tells them when it pays."""
    # The others have five sixths of what all would have.
    miner = private_miner(world, 5 / 6 * 3 / 7)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(miner.run_selfish)
        await trio.sleep(80)
        await world.until(lambda: miner.told > 0, 600)
        await miner.release(len(miner.held))
        nursery.cancel_scope.cancel()
    return True


async def banked(world: SimWorld) -> bool:
    """A branch that was mined in private, with times that suit it, is told at once."""
    times = world.chance.choice((late_times, early_times, honest_times))
    miner = private_miner(world, world.chance.choice((0.3, 0.6)), times)
    await miner.run_branch(world.chance.randrange(4, 12))
    return True


def late_times(view: ChainView, now_ms: int) -> int:
    """As far ahead as others allow."""
    return now_ms + view.params.difficulty.future_limit_ms - 2_000


def early_times(view: ChainView, now_ms: int) -> int:
    """As far back as others allow: the time that passed is kept for later."""
    del now_ms
    return view.context.median_time_ms + 1


def private_miner(world: SimWorld, share: float, times: Times = honest_times) -> PrivateMiner:
    window = world.nodes[-1]
    window.wanted = 0
    return PrivateMiner(world, window, world.folder / "private", share, PACE, times)


async def skewed(world: SimWorld) -> bool:
    """Two nodes start again with clocks that are two hours off, and are set right later."""
    # Where two dial each other the smaller id's dial stays: so these choose peers themselves.
    off = world.nodes[:2]
    others = [one for one in world.nodes if one not in off]
    for node, skew_ms in zip(off, (2 * HOUR_MS, -2 * HOUR_MS), strict=True):
        await world.stop(node)
        node.skew_ms = skew_ms
        # Three peers that it chose itself are asked what time it is.
        strangers = [one.plan.place for one in others]
        node.plan = replace(node.plan, static=tuple(strangers))
        await world.start(node)
    await trio.sleep(40)
    for node in off:
        told = " ".join(NetworkStanding(node.service).warnings())
        side = "ahead of" if node.skew_ms > 0 else "behind"
        assert re.search(f"clock is 7[12]\\d\\d s {side}", told), f"{told!r}\n{world.told()}"
    for node in others:
        assert not NetworkStanding(node.service).warnings(), world.told()
    heights = [one.height for one in others]
    await world.until(lambda: min(one.height for one in others) > max(heights), 120)
    for node in off:
        node.skew_ms = 0
    # Blocks of the fast clock are of the future for others, until theirs outweigh them.
    await world.until(world.agree, 900)
    return True


async def restart_one(world: SimWorld) -> bool:
    """A node is away for a while, and comes back with its directory."""
    node = world.chance.choice(world.nodes)
    await world.stop(node)
    await trio.sleep(world.chance.choice((0.1, 5, 40)))
    before = world.nodes[0 if node is not world.nodes[0] else 1].height
    await world.start(node)
    await world.until(lambda: node.height >= before, 120)
    return True


async def restart_all(world: SimWorld) -> bool:
    """All nodes stop at once, and start again."""
    heights = [one.height for one in world.nodes]
    async with trio.open_nursery() as nursery:
        for node in world.nodes:
            nursery.start_soon(world.stop, node)
    await trio.sleep(world.chance.choice((0.1, 30)))
    for node in world.nodes:
        await world.start(node)
    assert [one.height for one in world.nodes] == heights
    await world.until(lambda: min(one.height for one in world.nodes) > max(heights), 300)
    return True


async def cut_links(world: SimWorld) -> bool:
    """Connections are lost, and times on the way change."""
    for _ in range(20):
        await trio.sleep(2)
        one, other = world.chance.sample([node.plan.place.ip for node in world.nodes], 2)
        world.network.cut(one, other)
        world.network.set_latency(one, other, world.chance.choice((0.002, 0.1, 1.2)))
    return True


async def newcomer(world: SimWorld) -> bool:
    """A node that knows nothing but two others joins an old chain, and mines with them."""
    await world.until(lambda: world.nodes[0].height >= 20, 600)
    seeds = tuple(one.plan.place for one in world.nodes[:2])
    node = world.make(Plan(Place(len(world.nodes) + 1), seeds=seeds, share=1 / len(world.nodes)))
    height = world.nodes[0].height
    await world.start(node)
    await world.until(lambda: node.height >= height, 120)
    await world.until(lambda: node.mined > 0, 600)
    return True


async def storm(world: SimWorld) -> bool:
    """One thing after the other."""
    quiet = True
    for _ in range(3):
        happening = world.chance.choice(
            (partial(split, lasts_s=(3, 20), silent=False), cut_links, restart_one, restart_all)
        )
        quiet = await happening(world) and quiet
    return quiet


SCENARIOS: dict[str, tuple[Happening, Pace]] = {
    "nothing": (nothing, PACE),
    "short split": (partial(split, lasts_s=(5, 14), silent=False), PACE),
    "short split, silence": (partial(split, lasts_s=(8, 14), silent=True), PACE),
    "long split": (partial(split, lasts_s=(30, 50), silent=False), PACE),
    "outage": (outage, PACE),
    "selfish": (selfish, PACE),
    "banked": (banked, PACE),
    "slow proofs": (nothing, Pace(5.0, (1.0, 12.0))),
    "skewed": (skewed, PACE),
    "restart": (restart_one, PACE),
    "restart all": (restart_all, PACE),
    "cut": (cut_links, PACE),
    "newcomer": (newcomer, PACE),
    "storm": (storm, PACE),
}
