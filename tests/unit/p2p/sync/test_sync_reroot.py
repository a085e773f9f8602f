"""Going to another branch and back takes its time, and needs what was kept for it."""

from dataclasses import replace

import pytest

from esper.p2p.ports import Reroot
from esper.p2p.verdicts import Failure
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetHeaders
from esper.primitives.errors.rule_violation import Consequence
from tests.support.net.sync_world import LIMITS, UNIT, Made, World

HUGE = (1 << 500) - 1


def two_chains(**fields: object) -> tuple[World, Made, Made, Made]:
    """A world, the block where two chains part, the heavier tip and the lighter one."""
    world = World(**fields)  # type: ignore[arg-type]
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 40)[-1]
    return world, stem, makers.chain(stem, 80)[-1], makers.chain(stem, 60, UNIT // 2)[-1]


def test_undo_records_are_kept_until_the_chain_is_back() -> None:
    world, _, heavy, light = two_chains()
    one = world.honest(heavy, claim=Claim(heavy.height, HUGE, heavy.block_id))
    world.honest(light, claim=Claim(200, HUGE - 1, light.block_id))
    world.until(lambda: bool(world.chain.rerooted), ms=300_000)
    # Nobody has that chain any more: it is ours alone to go back to.
    world.leave(one)
    world.until(lambda: world.tip is heavy, ms=300_000)
    assert world.chain.rerooted[-1] == heavy.block_id
    world.run(10_000)
    assert world.chain.kept_from is None


@pytest.mark.parametrize("ms", [500, 200_000])
def test_however_long_it_takes_nobody_is_set_aside(ms: int) -> None:
    world, _, heavy, light = two_chains()
    world.honest(light, claim=Claim(light.height, HUGE, light.block_id))
    world.honest(heavy)
    reroot, begun = world._reroot, list[int]()

    def slow(job: Reroot) -> None:
        begun.append(world.now)
        world._later(ms, lambda: reroot(job))

    world._reroot = slow  # type: ignore[method-assign]
    world.until(lambda: bool(begun), ms=300_000, step=1)
    while world.now < begun[0] + ms - 50:
        world.run(50)
        for number in world.peers:
            world.claim(number)
        assert not world.sync.state.settled
    # The chain is somewhere on its way: nothing can be compared with it.
    assert not [one for one in world.asked if isinstance(one[2], GetHeaders) and one[0] > begun[0]]
    world.until(lambda: world.tip is heavy, ms=60_000)
    assert len(begun) == 1
    assert world.told == []
    assert world.blamed == []


def test_blocks_of_an_earlier_try_are_walked_over() -> None:
    world, stem, heavy, light = two_chains(limits=replace(LIMITS, ahead=5))
    branch = []
    at: Made | None = heavy
    while at is not None and at is not stem:
        branch.append(at)
        at = at.parent
    for made in branch[::-1][:12]:
        world.chain.known[made.block_id] = made
    world.chain.known |= {stem.block_id: stem}
    world.stand_on(light)
    world.chain.kept_from = 0
    world.honest(heavy)
    world.until(lambda: world.tip is heavy, ms=120_000)
    assert len(world.chain.rerooted) == 1
    assert world.blamed == []


def test_a_chain_that_must_be_executed_again_halts_the_node_with_what_helps() -> None:
    world, _, heavy, light = two_chains()
    world.honest(light, claim=Claim(light.height, HUGE, light.block_id))
    world.honest(heavy)
    words = "stop this node and start it again"

    def refused(job: Reroot) -> None:
        failure = Failure(Consequence.HALT, None, words)
        world._do(world.sync.done(job.key, failure, world.now))

    world._reroot = refused  # type: ignore[method-assign]
    world.until(lambda: bool(world.told), ms=300_000)
    assert world.told == [f"halted: {words}"]
    assert world.sync.state.words == f"halted at block {light.height}: {words}"
    asked = len(world.asked)
    world.run(60_000)
    assert len(world.asked) == asked
    assert world.blamed == []
    assert world.syncs == 0
