"""Branches beside our chain: near forks, heavier ones, long ones, and what keeps the node busy."""

from dataclasses import replace

import pytest

from esper.p2p.limits import NetworkLimits
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetBlocks, GetHeaders
from tests.support.net.sync_world import LIMITS, UNIT, Made, World

HUGE = (1 << 500) - 1


def standing(count: int = 60, limits: NetworkLimits = LIMITS) -> World:
    world = World(was_synced=True, alone=True, limits=limits)
    world.stand_on(world.makers.chain(world.makers.genesis, count)[-1])
    return world


def below(world: World, depth: int) -> Made:
    return world.chain.chain[-1 - depth]


def fetched(world: World) -> int:
    return sum(
        len(request.block_ids) for _, _, request in world.asked if isinstance(request, GetBlocks)
    )


@pytest.mark.parametrize("depth", [1, 6, 7, 16])
def test_a_heavier_branch_that_forks_within_the_undo_depth_is_followed(depth: int) -> None:
    world = standing()
    tip = world.makers.chain(below(world, depth), depth + 1)[-1]
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=60_000)
    assert world.blamed == []


def test_a_branch_that_forks_deeper_is_never_followed() -> None:
    world = standing()
    ours = world.tip
    world.honest(world.makers.chain(below(world, 17), 30, 3 * UNIT)[-1])
    world.run(700_000)
    assert world.tip is ours
    assert fetched(world) == 0
    assert world.blamed == []


def test_a_lighter_branch_is_fetched_only_near_our_tip() -> None:
    world = standing()
    near = world.makers.chain(below(world, 6), 3)[-1]
    world.honest(near, claim=Claim(57, HUGE, near.block_id))
    world.run(30_000)
    assert fetched(world) == 3
    world = standing()
    deeper = world.makers.chain(below(world, 7), 3)[-1]
    world.honest(deeper, claim=Claim(57, HUGE, deeper.block_id))
    world.run(30_000)
    assert fetched(world) == 0


def test_a_long_branch_whose_headers_show_too_little_is_fetched_in_windows() -> None:
    # Ten of its headers weigh less than our sixteen blocks; its end weighs more.
    world = standing(limits=replace(LIMITS, ahead=10))
    tip = world.makers.chain(below(world, 16), 18)[-1]
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=60_000)
    assert world.most_headers == 10


def test_a_long_branch_of_light_blocks_is_given_up() -> None:
    limits = replace(LIMITS, ahead=10, horizon=40, undo=30)
    world = standing(limits=limits)
    tip = world.makers.chain(below(world, 30), 45, UNIT * 2 // 5)[-1]
    world.honest(tip, claim=Claim(tip.height, HUGE, tip.block_id))
    world.run(120_000)
    assert world.tip.height == 60
    # The rule looks when the branch is as long as it may be, the horizon.
    assert fetched(world) == 40
    assert world.sync.statistics().leads == 0


def test_no_more_than_the_horizon_is_put_on_disk_for_a_branch() -> None:
    world = standing()
    tip = world.makers.chain(below(world, 16), 300, UNIT // 2)[-1]
    world.honest(tip, claim=Claim(tip.height, HUGE, tip.block_id))
    world.run(500_000)
    beside = [made for made in world.chain.known.values() if made not in world.chain.chain]
    assert len(beside) <= LIMITS.horizon
    # It is given up for its length, and nobody is waited for.
    assert world.told == []


def test_a_branch_that_our_chain_outgrows_by_the_undo_depth_is_left() -> None:
    world = standing(limits=replace(LIMITS, ahead=20))
    tip = world.makers.chain(below(world, 16), 18)[-1]
    world.honest(tip, delay_ms=3_000)
    world.run(5_000)
    assert world.sync.statistics().leads == 1
    world.stand_on(world.makers.chain(world.tip, 1)[-1])
    assert world.sync.statistics().leads == 0


def test_a_slow_lead_leaves_room_for_one_beside_it() -> None:
    world = standing(5)
    slow = world.makers.chain(world.tip, 15, 9 * UNIT)[-1]
    good = world.makers.chain(world.tip, 15)[-1]
    world.honest(slow, delay_ms=7_000)
    world.honest(good)
    world.run(33_000)
    assert 1 <= world.sync.statistics().leads <= 2
    assert world.tip.height > 5


def test_two_slow_leads_make_room_for_others_by_turns() -> None:
    world = standing(20)
    base = world.tip
    ends = [world.makers.chain(base, 300, weight)[-1] for weight in (90, 80)]
    for end in ends:
        world.honest(end, delay_ms=6_000, claim=Claim(end.height, HUGE, end.block_id))
    good = world.makers.chain(base, 40, 20 * UNIT)[-1]
    world.honest(good)
    world.until(lambda: world.tip is good, ms=400_000)
    assert world.blamed == []


def test_a_peer_that_has_what_a_lead_has_costs_one_request_a_minute() -> None:
    world = standing(5)
    tip = world.makers.chain(world.tip, 400)[-1]
    world.honest(tip, delay_ms=300)
    other = world.honest(tip, outbound=False, proofs_from=1 << 31)
    world.run(29_000)
    asked = [time for time, peer, request in world.asked if peer == other]
    assert asked == []
    world.run(31_000)
    asked = [time for time, peer, request in world.asked
             if peer == other and isinstance(request, GetHeaders)]  # fmt: skip
    assert len(asked) <= 1
    assert world.sync.statistics().leads == 1


def test_a_lead_on_our_tip_keeps_the_node_busy_while_it_brings_blocks() -> None:
    world = standing(5)
    tip = world.makers.chain(world.tip, 200)[-1]
    number = world.honest(tip)
    assert not world.sync.state.busy
    world.until(lambda: world.tip.height >= 8, step=10)
    world.run(100)
    for _ in range(30):
        # Between two windows as well.
        world.run(20)
        state = world.sync.state
        assert (state.busy, state.near, state.settled) == (True, False, False)
    world.peers[number].silent = (GetBlocks,)
    world.run(32_000)
    assert not world.sync.state.busy


def test_claims_and_headers_never_keep_the_node_busy() -> None:
    world = standing(5)
    tip = world.makers.chain(world.tip, 20)[-1]
    world.honest(tip, silent=(GetBlocks,), claim=Claim(1 << 30, HUGE, b"t" * 64))
    for _ in range(25):
        world.run(1_000)
        assert not world.sync.state.busy


def test_a_light_branch_beside_ours_never_keeps_the_node_busy() -> None:
    limits = replace(LIMITS, ahead=40, horizon=80, undo=30)
    world = standing(limits=limits)
    tip = world.makers.chain(below(world, 30), 70, UNIT * 2 // 5)[-1]
    world.honest(tip, claim=Claim(tip.height, HUGE, tip.block_id), delay_ms=200)
    for _ in range(600):
        world.run(100)
        assert not world.sync.state.busy
    assert fetched(world) > 10


def test_a_heavy_branch_beside_ours_keeps_the_node_busy() -> None:
    limits = replace(LIMITS, ahead=40, horizon=80, undo=30)
    world = standing(limits=limits)
    tip = world.makers.chain(below(world, 30), 60)[-1]
    world.honest(tip, delay_ms=50)
    seen = []
    for _ in range(600):
        world.run(20)
        if below(world, 0).height <= 60:
            seen.append(world.sync.state.busy)
    assert any(seen)


def test_one_long_branch_at_a_time_takes_room_on_the_disk() -> None:
    world = standing(limits=replace(LIMITS, ahead=10))
    for _ in range(3):
        tip = world.makers.chain(below(world, 16), 18)[-1]
        world.honest(tip, delay_ms=6_000)
    most = 0
    for _ in range(120):
        world.run(1_000)
        most = max(most, sum(lead.long for lead in world.sync._board.leads))
    assert most == 1


def test_a_long_branch_shows_its_weight_after_256_blocks_at_the_latest() -> None:
    world = standing(count=400, limits=replace(LIMITS, ahead=100, horizon=390, undo=330))
    tip = world.makers.chain(below(world, 330), 600, UNIT * 2 // 5)[-1]
    world.honest(tip, claim=Claim(tip.height, HUGE, tip.block_id))
    world.run(120_000)
    assert 256 <= fetched(world) < 300
    assert world.told == []
