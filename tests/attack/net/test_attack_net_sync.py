"""Attacks on sync: claims, light chains, cheap branches, splits, spam of headers."""

from collections import Counter
from dataclasses import replace
from random import Random
from time import process_time

import pytest

from esper.p2p.faults import Offence
from esper.p2p.peer import PeerNumber
from esper.p2p.sync.busy import SIDE_MS
from esper.p2p.sync.sync_state import Phase
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetBlocks, GetHeaders
from tests.support.net.sync_world import (
    BAD_STATE,
    FORGED,
    LIMITS,
    UNIT,
    Made,
    Script,
    World,
    up_to,
)

HUGE = (1 << 512) - 1


def standing(count: int = 60, **settings: bool) -> World:
    world = World(was_synced=True, alone=True, **settings)  # type: ignore[arg-type]
    world.stand_on(world.makers.chain(world.makers.genesis, count)[-1])
    return world


def asked_of(world: World, number: PeerNumber) -> list[int]:
    return [time for time, peer, _ in world.asked if peer == number]


# claims


def test_claims_of_2_to_the_500_cost_one_request_each_and_stop_nothing() -> None:
    world = standing()
    claim = Claim((1 << 32) - 1, HUGE, b"t" * 64)
    liars = [world.honest(world.tip, claim=claim) for _ in range(9)]
    for _ in range(100):
        world.run(500)
        state = world.sync.state
        assert (state.near, state.busy, state.settled) == (True, False, True)
    assert all(len(asked_of(world, liar)) == 1 for liar in liars)
    # What honest peers have is followed all the same.
    tip = world.makers.chain(world.tip, 5)[-1]
    world.honest(tip, outbound=False)
    world.until(lambda: world.tip is tip, ms=10_000)


def test_a_claim_that_changes_with_every_pong_brings_no_more() -> None:
    world = standing()
    liar = world.honest(world.tip, claim=Claim(1, HUGE, b"t" * 64))
    for turn in range(1_000):
        world.peers[liar].claim = Claim(turn, HUGE - turn, b"%064d" % turn)
        world.claim(liar)
        world.run(500)
    assert len(asked_of(world, liar)) <= 2


def test_deaf_claimants_in_all_outbound_slots_cost_ten_seconds_each() -> None:
    world = standing()
    for _ in range(9):
        claim = Claim(99, HUGE, b"t" * 64)
        world.honest(world.tip, claim=claim, silent=(GetHeaders, GetBlocks))
    tip = world.makers.chain(world.tip, 5)[-1]
    world.honest(tip, outbound=False)
    world.until(lambda: world.tip is tip, ms=100_000)


# light_chain


@pytest.mark.parametrize("liars", [1, 7])
@pytest.mark.parametrize("pace", [20, 2_000])
def test_a_newcomer_among_liars_ends_on_the_one_honest_peers_chain(liars: int, pace: int) -> None:
    world = World()
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 12)[-1]
    honest = makers.chain(stem, 80)[-1]
    light = makers.chain(stem, 70, UNIT // 4)[-1]
    claim = Claim(light.height, HUGE, light.block_id)
    for _ in range(liars):
        world.honest(light, claim=claim, delay_ms=pace)
    one = world.honest(honest)
    world.until(lambda: world.tip is honest, ms=3_600_000)
    world.chain.current = True
    world.until(lambda: world.syncs == 1, ms=600_000)
    assert world.tip is honest
    assert one not in {number for number, _, _ in world.blamed}


def test_a_light_chain_that_is_recent_is_not_called_synced_before_all_were_asked() -> None:
    world = World()
    makers = world.makers
    stem = makers.chain(makers.genesis, 30)[-1]
    honest = makers.chain(stem, 60)[-1]
    light = makers.chain(stem, 50, UNIT // 4)[-1]
    world.honest(light, claim=Claim(light.height, HUGE, light.block_id))
    world.honest(honest)
    while world.syncs == 0:
        assert world.now < 600_000, world.sync.state
        world.run(100)
    assert world.tip is honest


def test_a_heavy_stub_at_an_old_fork_is_gone_through_and_left() -> None:
    """Forged weight at cheap old targets: a short branch that weighs more a block than ours."""
    world = World()
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 40)[-1]
    honest = makers.chain(stem, 100)[-1]
    stub = makers.chain(stem, 25, 2 * UNIT)[-1]
    world.honest(honest)
    world.honest(stub, claim=Claim(500, HUGE, stub.block_id))
    world.until(lambda: world.tip is honest, ms=600_000)
    world.chain.current = True
    world.until(lambda: world.syncs == 1, ms=600_000)
    assert world.tip is honest


# cheap_branch


def test_a_cheap_deep_branch_takes_no_more_disk_than_the_horizon_and_never_stops_mining() -> None:
    limits = replace(LIMITS, undo=30, horizon=40, ahead=10)
    world = World(was_synced=True, alone=True, limits=limits)
    world.stand_on(world.makers.chain(world.makers.genesis, 100)[-1])
    fork = world.chain.chain[-31]
    cheap = world.makers.chain(fork, 2_000, UNIT // 10)[-1]
    for _ in range(4):
        world.honest(cheap, claim=Claim(cheap.height, HUGE, cheap.block_id))
    for _ in range(1_200):
        world.run(1_000)
        assert not world.sync.state.busy
    beside = [made for made in world.chain.known.values() if made not in world.chain.chain]
    assert len(beside) <= 2 * limits.horizon
    assert world.blamed == []
    # Blocks that are here, and givers that were set aside, are not asked for again and again.
    assert len(world.asked) <= 120


def test_branches_beside_ours_keep_the_node_busy_ten_minutes_an_hour_at_most() -> None:
    limits = replace(LIMITS, undo=1_000, horizon=4_000, ahead=4_000)
    world = World(was_synced=True, alone=True, limits=limits)
    stem = world.makers.chain(world.makers.genesis, 1_000)[-1]
    world.stand_on(world.makers.chain(stem, 900)[-1])
    ours = world.tip
    # As heavy as ours a block up to its last header, and slow.
    other = world.makers.chain(stem, 1_800, UNIT // 2 + 1)[-1]
    world.honest(other, delay_ms=1_700)
    busy = 0
    for _ in range(3_400):
        world.run(1_000)
        busy += world.sync.state.busy and world.tip is ours
    assert SIDE_MS // 2_000 < busy <= SIDE_MS // 1_000 + 5


def test_a_stalling_lead_is_set_aside_and_the_next_has_its_turn() -> None:
    world = standing()
    heavy = world.makers.chain(world.tip, 40, 9 * UNIT)[-1]
    for _ in range(3):
        world.honest(heavy, silent=(GetBlocks,))
    good = world.makers.chain(world.tip, 30)[-1]
    world.honest(good, outbound=False)
    world.until(lambda: world.tip is good, ms=130_000)


def test_a_giver_that_leaves_its_branches_again_and_again_hogs_nothing() -> None:
    world = standing()
    rng = Random(1)
    base = world.tip

    class Fickle(Script):
        def answers(self, request: GetHeaders | GetBlocks) -> list[object] | None:
            if isinstance(request, GetHeaders):
                self.chain = up_to(self.makers.chain(base, 20 + rng.randrange(9), 9 * UNIT)[-1])
            return super().answers(request)

    claim = Claim(1_000, HUGE, b"t" * 64)
    for _ in range(3):
        world.join(Fickle(world.makers, up_to(base), claim=claim))
    good = world.makers.chain(base, 30)[-1]
    world.honest(good, outbound=False)
    world.until(lambda: world.tip.headers.weight >= good.headers.weight, ms=300_000)


# splits


@pytest.mark.parametrize("length", [3, 16])
def test_splits_up_to_the_undo_depth_heal_without_a_new_block(length: int) -> None:
    world = World(was_synced=True)
    stem = world.makers.chain(world.makers.genesis, 50)[-1]
    world.stand_on(world.makers.chain(stem, length)[-1])
    other = world.makers.chain(stem, length, UNIT + 1)[-1]
    world.honest(other)
    world.until(lambda: world.tip is other, ms=60_000)
    assert not world.told


def test_a_deeper_split_never_heals_and_is_told_with_its_remedy() -> None:
    world = World(was_synced=True)
    stem = world.makers.chain(world.makers.genesis, 50)[-1]
    ours = world.makers.chain(stem, 17)[-1]
    world.stand_on(ours)
    other = world.makers.chain(stem, 18)[-1]
    world.honest(ours)
    world.run(60_000)
    assert world.told == []
    world.honest(other)
    world.run(60_000)
    assert world.tip is ours
    assert world.blamed == []
    [words] = world.told
    assert "resync --accept-loss" in words
    assert "resync --accept-loss" in world.sync.state.words
    world.run(1_000_000)
    assert len(world.told) == 1


# forged header spam


def test_a_forged_header_chain_costs_its_giver_the_connection_at_the_first_proof() -> None:
    world = standing()
    forged = world.makers.chain(world.tip, 500, 99 * UNIT, FORGED)[-1]
    liar = world.honest(forged)
    world.run(5_000)
    assert [(number, offence) for number, offence, _ in world.blamed] == [(liar, Offence.FORGED)]
    assert world.most_headers <= LIMITS.ahead
    assert world.sync.statistics().header_bytes == 0


def test_headers_that_nobody_has_blocks_of_are_bounded_and_forgotten() -> None:
    world = standing()
    for turn in range(6):
        tip = world.makers.chain(world.tip, 100, (9 + turn) * UNIT)[-1]
        world.honest(tip, silent=(GetBlocks,))
    for _ in range(400):
        world.run(1_000)
        held = world.sync.statistics()
        assert held.leads <= 2
        assert held.headers <= 2 * LIMITS.ahead
        assert held.header_bytes <= 2 * LIMITS.ahead * 4_096
    assert world.sync.statistics().headers == 0


def test_announcements_of_unknown_parents_bring_one_request_in_ten_seconds() -> None:
    world = standing()
    spam = world.makers.chain(world.makers.chain(world.tip, 3)[-1], 600)
    liar = world.honest(world.tip)
    for made in spam:
        world._do(world.sync.header_announced(liar, made.header, world.now))
        world.run(100)
    assert len(asked_of(world, liar)) <= 7


def test_real_work_with_a_bad_state_ends_its_giver_alone() -> None:
    world = standing()
    bad = world.makers.chain(world.tip, 4, 9 * UNIT, BAD_STATE)[-1]
    maker = world.honest(bad)
    carrier = world.honest(world.tip)
    world.run(20_000)
    assert {number for number, _, _ in world.blamed} == {maker}
    assert carrier in world.peers


@pytest.mark.serial
def test_cost_grows_no_faster_than_a_peers_headers() -> None:
    def cost(count: int) -> float:
        world = World(was_synced=True, alone=True, limits=replace(LIMITS, undo=10**6))
        blocks = world.makers.chain(world.makers.genesis, count)
        liar = world.honest(blocks[-1], silent=(GetBlocks,))
        asked = Counter[PeerNumber]()
        began = process_time()
        for _ in range(20):
            world.run(700_000)
            world.claim(liar)
        asked.update(peer for _, peer, _ in world.asked)
        return (process_time() - began) / asked[liar]

    cost(200)
    assert cost(3_200) < 4 * cost(200)


def test_a_halted_node_asks_nothing_whatever_is_claimed() -> None:
    world = standing()
    world.sync._board.halted = "too deep"
    tip: Made = world.makers.chain(world.tip, 5)[-1]
    world.honest(tip)
    world.run(100_000)
    assert world.asked == []
    assert world.sync.state.phase is Phase.HALTED
