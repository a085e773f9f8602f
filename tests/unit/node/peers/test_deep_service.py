"""A whole node on links in memory that stands on a light chain when an honest peer comes late."""

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.context import ChainContext
from esper.p2p.sync.sync_state import Phase
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.support.plain_miner import Miner, standing
from tests.support.sim.sim_clockwork import simulated
from tests.support.sim.sim_node import Place, Plan, SimNode
from tests.support.sim.sim_world import PARAMS, UNDO_DEPTH, SimWorld, sim_world
from tests.support.vm_world import MINER, address

AGE_MS = 86_400_000
"""All tips are old: nobody is synced."""
LIAR, HONEST, NEW = Place(1), Place(2), Place(3)


def grown(chain: ProvenChain, count: int, shift_ms: int) -> tuple[ProvenChain, list[Block]]:
    miner = Miner(
        PARAMS,
        inference=FakeInference(PARAMS.model),
        prover=FakeProver(),
        bank=prompt_source(PARAMS),
        payee=address(MINER),
        vrf_secret=bytes(32),
        attempts_per_call=4,
    )
    blocks = []
    for _ in range(count):
        context: ChainContext = chain.context
        clock = standing(context.times_ms[-1] + 10_000 + shift_ms)
        blocks.append(miner.mine(context, chain.state, clock).block)
        chain = extend(chain, blocks[-1], FakeVerifier(PARAMS.model), now_ms=1 << 60)
    return chain, blocks


async def give(world: SimWorld, node: SimNode, blocks: list[Block]) -> None:
    await world.start(node)
    for block in blocks:
        await node.node.chain.submit(BlockBytes.of(block))


def test_it_says_that_it_must_be_started_again_and_goes_over_then() -> None:
    stem, first = grown(ProvenChain.genesis(PARAMS), 2, 0)
    light, light_blocks = grown(stem, UNDO_DEPTH + 4, 1)
    honest, honest_blocks = grown(stem, 2 * UNDO_DEPTH + 6, 2)
    assert honest.context.weight > light.context.weight

    async def main() -> None:
        plans = [
            Plan(LIAR, skew_ms=AGE_MS),
            Plan(HONEST, skew_ms=AGE_MS),
            Plan(NEW, static=(LIAR, HONEST), skew_ms=AGE_MS),
        ]
        async with sim_world(7, plans) as world:
            liar, other, new = world.nodes
            await give(world, liar, [*first, *light_blocks])
            await world.start(new)
            await world.until(lambda: new.tip == light.context.tip_id, 120)
            assert not new.node.chain.was_synced
            await give(world, other, [*first, *honest_blocks])
            await world.until(
                lambda: new.service.following.state.phase is Phase.HALTED, within_s=900
            )
            words = new.service.following.state.words
            assert "stop this node and start it again" in words
            why = new.node.chain.why_not_synced(new.wall())
            assert "start it again" in why
            assert new.tip == light.context.tip_id
            await world.stop(new)
            await world.start(new)
            await world.until(lambda: new.tip == honest.context.tip_id, 300)
            assert new.service.following.state.phase is not Phase.HALTED
            assert not new.node.chain.was_synced
            assert new.node.chain.halted == ""
            assert [blame for blame in world.blames if blame.dropped] == []

    simulated(main, seed=7)
