"""The deep paths of sync on a real chain: forks below the undo depth until a node was synced."""

from pathlib import Path

from esper.p2p.wire.fields import Claim
from tests.support.deep_world import UNDO, DeepWorld, RealMakers

HUGE = (1 << 500) - 1

MAKERS = RealMakers()
STEM = MAKERS.chain(MAKERS.genesis, 12)[-1]
HONEST = MAKERS.chain(STEM, 40)[-1]
LIGHT = MAKERS.chain(STEM, 30)[-1]


def lied_to(world: DeepWorld, count: int = 3) -> list[int]:
    claim = Claim(LIGHT.height, HUGE, LIGHT.block_id)
    return [world.honest(LIGHT, claim=claim) for _ in range(count)]


def test_one_honest_outbound_peer_suffices_against_a_light_chain(tmp_path: Path) -> None:
    world = DeepWorld(tmp_path, makers=MAKERS)
    liars = lied_to(world)
    one = world.honest(HONEST)
    while world.tip is not HONEST:
        assert world.now < 300_000, (world.sync.state, world.told, world.blamed, world.values[-3:])
        world.run(100)
        assert not world.sync.state.settled
        assert not world.service.was_synced
    assert len(world.rerooted) == 1
    world.current = True
    world.run(120_000)
    assert world.tip is HONEST
    assert world.syncs == 1
    assert not {number for number, _, _ in world.blamed} & {one, *liars}
    assert len(world.disk.manager.far) == 0
    world.close()
