"""The deep paths of sync on a real chain: forks below the undo depth until a node was synced."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from esper.p2p.faults import Offence
from esper.p2p.peer import PeerNumber
from esper.p2p.sync.sync_state import Phase
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetBlocks
from tests.support.node.deep_world import UNDO, DeepWorld, RealMade, RealMakers

HUGE = (1 << 500) - 1

MAKERS = RealMakers()
STEM = MAKERS.chain(MAKERS.genesis, 12)[-1]
HONEST = MAKERS.chain(STEM, 40)[-1]
LIGHT = MAKERS.chain(STEM, 30)[-1]
FAILING = MAKERS.chain(STEM, 45, spoiled=5)[-1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DeepWorld]:
    opened = DeepWorld(tmp_path / "node", makers=MAKERS)
    yield opened
    opened.close()


def lied_to(world: DeepWorld, count: int, weight: int = HUGE) -> list[PeerNumber]:
    """Liars who claim everything join: the newcomer follows them first."""
    claim = Claim(LIGHT.height, weight, LIGHT.block_id)
    return [world.honest(LIGHT, claim=claim) for _ in range(count)]


def until_at(world: DeepWorld, tip: RealMade, ms: int = 300_000) -> None:
    """Never synced on the way."""
    end = world.now + ms
    while world.tip is not tip:
        assert world.now < end, (world.sync.state, world.told, world.blamed, world.values[-3:])
        world.run(100)
        assert world.tip is tip or not world.sync.state.settled
        assert not world.service.was_synced


def then_synced(world: DeepWorld, tip: RealMade) -> None:
    world.current = True
    world.until(lambda: world.syncs == 1, ms=120_000)
    world.run(120_000)
    assert world.tip is tip
    assert world.service.was_synced
    # From now on the undo depth binds: what was kept for going back is gone.
    assert len(world.disk.manager.known.far) == 0
    assert world.disk.store.index.undo_from is None


@pytest.mark.parametrize("liars", [1, 7])
def test_one_honest_outbound_peer_suffices_against_a_light_chain(
    world: DeepWorld, liars: int
) -> None:
    lying = lied_to(world, liars)
    one = world.honest(HONEST)
    until_at(world, HONEST)
    assert len(world.rerooted) == 1
    assert not {number for number, _, _ in world.blamed} & {one, *lying}
    then_synced(world, HONEST)


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("moment", ["light", "owed", "fetched", "rerooting", "over"], ids=str)
def test_restarts_in_the_middle_keep_going(world: DeepWorld, moment: str, kill: bool) -> None:
    lied_to(world, 1)
    world.honest(HONEST)
    reached: dict[str, Callable[[], bool]] = {
        "light": lambda: world.tip.height > 20,
        "owed": lambda: world.sync.state.owed > 0 and world.tip is LIGHT,
        "fetched": lambda: len(world.disk.manager.known.far) > 4,
        "rerooting": lambda: bool(world.rerooted),
        "over": lambda: bool(world.rerooted) and world.tip.height > 12 + UNDO
        and world.disk.store.index.height_of(LIGHT.block_id) is None,
    }  # fmt: skip
    world.until(reached[moment], ms=120_000, step=5)
    assert world.tip is not HONEST
    world.restart(kill=kill)
    until_at(world, HONEST)
    then_synced(world, HONEST)


def test_an_honest_peer_that_comes_late_is_found_though_undo_records_are_gone(
    world: DeepWorld,
) -> None:
    """The liar goes on claiming everything: his branch is tried again, without another start."""
    lied_to(world, 1)
    world.until(lambda: world.tip is LIGHT, ms=120_000)
    world.run(60_000)
    assert world.disk.store.index.undo(13) is None
    world.honest(HONEST)
    world.until(lambda: world.sync.state.phase is Phase.HALTED, ms=120_000)
    assert "stop this node and start it again" in world.sync.state.words
    assert "resync" not in world.sync.state.words
    assert any("start it again" in words for words in world.told)
    assert world.tip is LIGHT
    assert not world.service.was_synced
    world.run(60_000)
    world.restart()
    assert world.tip.height > STEM.height
    assert world.tip in (made := _up_to(HONEST)), made
    until_at(world, HONEST)
    then_synced(world, HONEST)


def test_a_branch_that_fails_leaves_the_chain_where_it_was(world: DeepWorld) -> None:
    world.honest(HONEST, claim=Claim(HONEST.height, HUGE, HONEST.block_id))
    liar = world.honest(FAILING)
    world.until(lambda: bool(world.rerooted), ms=120_000)
    world.until(lambda: bool(world.blamed), ms=120_000)
    assert [(number, offence) for number, offence, _ in world.blamed] == [
        (liar, Offence.OTHER_RULES)
    ]
    assert world.tip is HONEST
    then_synced(world, HONEST)


def test_the_chain_that_was_left_is_gone_back_to_without_a_fetch(world: DeepWorld) -> None:
    honest = world.honest(HONEST, claim=Claim(HONEST.height, HUGE, HONEST.block_id))
    world.honest(LIGHT, claim=Claim(200, HUGE - 1, LIGHT.block_id))
    world.until(lambda: world.tip is HONEST, ms=120_000)
    world.until(lambda: bool(world.rerooted), ms=120_000)
    asked = len([one for one in world.asked if isinstance(one[2], GetBlocks)])
    proven = world.disk.verifier.verified
    world.until(lambda: len(world.rerooted) == 2, ms=300_000)
    world.until(lambda: world.tip is HONEST, ms=60_000)
    assert world.rerooted[-1] == HONEST.block_id
    fetched = [one for one in world.asked if isinstance(one[2], GetBlocks)][asked:]
    assert honest not in {peer for _, peer, _ in fetched}
    # The rest of the other branch was proven meanwhile, nothing else.
    assert world.disk.verifier.verified - proven <= LIGHT.height - STEM.height
    then_synced(world, HONEST)
    assert len(world.rerooted) == 2


def _up_to(tip: RealMade) -> list[RealMade]:
    found = [tip]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found[::-1]
