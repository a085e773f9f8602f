"""Sync over horizons on a real chain: what blocks confirm changes what later headers must say."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from esper.dao.registry import ONE
from esper.dao.schedule import Reshaping, Scheduled
from esper.node.chain.changes.visits import Visit
from esper.p2p.wire.fields import Claim
from esper.primitives.units import RANGE_512
from tests.support.node.deep_world import PARAMS, UNDO, DeepWorld, RealMade, RealMakers
from tests.support.rotations import STEM, Plan, confirming

HUGE = (1 << 500) - 1
L = PARAMS.governance.horizon


def reweighed(confirmed: int, omega: int) -> Plan:
    """The block of a height confirms that tickets weigh something else, as soon as it may."""
    act = Scheduled(confirmed + L, Reshaping((), (), ((0, omega),)))
    return {(STEM, confirmed): (act,)}


PLAN: Plan = {
    **reweighed(3, 2 * ONE),
    **reweighed(14, 3 * ONE),
    **reweighed(20, ONE),
    **reweighed(33, 2 * ONE),
    **reweighed(47, 4 * ONE),
}


@pytest.fixture
def confirmed() -> Iterator[None]:
    with confirming(PLAN):
        yield


@pytest.fixture
def chains(confirmed: None) -> tuple[RealMakers, RealMade, RealMade]:
    """Makers, an honest tip and a lighter one, that part deeper than blocks are undone."""
    makers = RealMakers()
    stem = makers.chain(makers.genesis, 12)[-1]
    return makers, makers.chain(stem, 50)[-1], makers.chain(stem, 38)[-1]


@pytest.mark.parametrize("kill", [False, True])
def test_a_newcomer_gets_over_all_of_them_and_over_a_restart(
    tmp_path: Path, chains: tuple[RealMakers, RealMade, RealMade], kill: bool
) -> None:
    makers, tip, _ = chains
    world = DeepWorld(tmp_path / "node", makers=makers)
    world.honest(tip)
    world.honest(tip)
    world.until(lambda: 24 < world.tip.height < 40, ms=120_000, step=5)
    world.restart(kill=kill)
    world.until(lambda: world.tip is tip, ms=120_000)
    assert world.disk.manager.context == tip.headers
    assert world.blamed == []
    world.close()


def test_a_deep_branch_is_stood_on_over_what_it_confirmed(
    tmp_path: Path, chains: tuple[RealMakers, RealMade, RealMade]
) -> None:
    makers, tip, light = chains
    world = DeepWorld(tmp_path / "node", makers=makers)
    world.honest(light, claim=Claim(light.height, HUGE, light.block_id))
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=300_000)
    assert world.rerooted
    assert world.disk.manager.context == tip.headers
    assert world.blamed == []
    world.close()


def test_a_branch_that_weighs_more_beyond_its_horizon_is_visited_and_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    difficulty = replace(
        PARAMS.difficulty,
        retargets=True,
        genesis_target=RANGE_512 >> 7,
        window=2,
        half_life_blocks=6,
    )
    params = replace(PARAMS, difficulty=difficulty)
    makers = RealMakers(params)
    spacing = difficulty.spacing_ms
    visits: list[Visit] = []
    run = Visit.run

    def noted(self: Visit, go_on: Callable[[], None] = lambda: None) -> None:
        visits.append(self)
        run(self, go_on)

    monkeypatch.setattr(Visit, "run", noted)
    with confirming(reweighed(16, 2 * ONE)):
        ours = makers.chain(makers.genesis, 20, spacing_ms=spacing)
        # One block comes late, and all above it weigh less.
        [late] = makers.chain(ours[19 - UNDO], 1, spacing_ms=4 * spacing)
        theirs = makers.chain(late, 13, spacing_ms=spacing)
        at_horizon, tip = theirs[L - 2].headers, theirs[-1]
        assert at_horizon.weight < ours[-1].headers.weight < tip.headers.weight
        world = DeepWorld(tmp_path / "node", makers=makers, params=params)
        world.current = True
        world.stand_on(ours[-1])
        world._await(world.service.note_synced)
        world.restart()
        world.honest(tip)
        world.until(lambda: world.tip is tip, ms=120_000)
        assert world.disk.manager.context == tip.headers
        assert [(len(way.undo), len(way.apply)) for way in visits] == [(UNDO, L)]
        assert (world.blamed, world.told) == ([], [])
        world.close()
