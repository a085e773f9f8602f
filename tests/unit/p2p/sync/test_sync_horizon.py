"""Sync at horizons: it asks for no more, waits, is told more, and blames nobody for it."""

from dataclasses import replace
from itertools import pairwise

import pytest

from esper.p2p.faults import Offence
from esper.p2p.ports import Adopt
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetHeaders
from tests.support.net.sync_world import (
    BAD_STATE,
    LIMITS,
    UNIT,
    FakeChain,
    Made,
    Makers,
    Script,
    World,
    up_to,
)

HUGE = (1 << 500) - 1
L = LIMITS.horizon


def rotating(**settings: object) -> World:
    return World(makers=Makers(rotating=True), **settings)  # type: ignore[arg-type]


def standing(count: int = 60) -> World:
    world = rotating(was_synced=True, alone=True)
    world.stand_on(world.makers.chain(world.makers.genesis, count)[-1])
    return world


def light_then_heavy(world: World, depth: int, light: int, heavy: int) -> Made:
    """A branch that weighs half of ours, or a little more, until it weighs more."""
    fork = world.chain.chain[-1 - depth]
    half = world.makers.chain(fork, light, UNIT * 6 // 10)
    return [half[-1], *world.makers.chain(half[-1], heavy, 3 * UNIT)][-1]


def headers_asked(world: World) -> int:
    return sum(isinstance(request, GetHeaders) for _, _, request in world.asked)


@pytest.mark.parametrize("was_synced", [False, True])
def test_a_chain_of_many_horizons_and_models_is_followed_to_its_end(was_synced: bool) -> None:
    world = rotating(was_synced=was_synced)
    tip = world.makers.chain(world.makers.genesis, 15 * L)[-1]
    for _ in range(3):
        world.honest(tip)
    world.until(lambda: world.tip is tip, ms=300_000)
    assert world.chain.tip.registry == tip.headers.registry
    assert (world.blamed, world.told) == ([], [])
    assert world.chain.visited == []


def test_a_branch_that_is_heavier_only_beyond_its_horizon_is_visited_and_followed() -> None:
    world = standing()
    tip = light_then_heavy(world, 16, L + 3, 3)
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=120_000)
    assert [made.height for made in world.chain.visited] == [60 - 16 + L]
    assert world.blamed == []


def test_one_that_stays_lighter_is_left_without_blame() -> None:
    world = standing()
    ours = world.tip
    tip = light_then_heavy(world, 16, L + 5, 0)
    world.honest(tip, claim=Claim(tip.height, HUGE, tip.block_id))
    world.run(1_800_000)
    assert world.tip is ours
    assert len(world.chain.visited) == 1
    assert (world.blamed, world.sync.statistics().leads) == ([], 0)
    assert headers_asked(world) <= 20


def test_a_branch_whose_visit_fails_is_other_rules_of_its_giver() -> None:
    world = standing()
    ours = world.tip
    fork = world.chain.chain[-17]
    bad = world.makers.block(fork, UNIT // 2, BAD_STATE)
    tip = world.makers.chain(bad, L + 5, UNIT * 6 // 10)[-1]
    liar = world.honest(tip, claim=Claim(tip.height, HUGE, tip.block_id))
    world.run(60_000)
    assert world.tip is ours
    assert {number for number, _, _ in world.blamed} == {liar}


def test_what_ends_at_its_horizon_is_set_aside_and_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A node that cannot execute it, as if its blocks were kept by their headers alone.
    monkeypatch.setattr(FakeChain, "_visit", lambda *_: None)
    world = standing()
    ours = world.tip
    tip = light_then_heavy(world, 16, L, 30)
    number = world.honest(tip)
    world.until(lambda: len(world.chain.known) == 61 + L, ms=120_000)
    world.run(60_000)
    assert world.told == []
    asked = headers_asked(world)
    for _ in range(30):
        world.claim(number)
        world.run(60_000)
    assert world.tip is ours
    # Once in ten minutes, and a walk over what is here costs two requests.
    assert headers_asked(world) - asked <= 3 * 3
    assert (world.blamed, world.sync.statistics().leads) == ([], 0)


def test_what_this_machine_may_have_refused_is_looked_at_again_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeChain, "_visit", lambda *_: None)
    world = standing()
    tip = light_then_heavy(world, 16, L, 30)
    world.honest(tip)
    world.until(lambda: len(world.chain.known) == 61 + L, ms=120_000)
    peers = [world.honest(tip) for _ in range(5)]
    for _ in range(20):
        for number in peers:
            world.claim(number)
        world.run(30_000)
    last = next(made for made in up_to(tip) if made.height == 60 - 16 + L)
    times = [when for when, _ in world.looked]
    assert {block_id for _, block_id in world.looked} == {last.block_id}
    assert all(two - one >= 60_000 for one, two in pairwise(times))
    assert len(times) > 1
    assert world.blamed == []


def test_an_answer_that_is_cut_says_nothing_about_where_the_chain_ends() -> None:
    world = rotating(was_synced=True, alone=True, limits=replace(LIMITS, ahead=8))
    world.stand_on(world.makers.chain(world.makers.genesis, 60)[-1])
    tip = light_then_heavy(world, 16, L, 3)
    # All but one of the blocks below the horizon are here, and the last answer holds that header,
    # three beyond the horizon, and none more.
    for made in up_to(tip)[45 : 44 + L]:
        world.chain.known[made.block_id] = made
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=60_000)
    assert world.blamed == []


def test_nobody_is_set_aside_for_the_time_that_a_visit_takes() -> None:
    world = standing()
    tip = light_then_heavy(world, 16, L, 10)
    world.honest(tip)
    visit, adopt = world.chain._visit, world._adopt
    waiting: list[Made] = []

    def begun(made: Made) -> None:
        seen = world.chain._seen(made)
        if seen.height == seen.horizon:
            waiting.append(made)

    def slow(job: Adopt) -> None:
        if waiting:
            return
        adopted = world.chain.adopt(world.makers.by_id[one.block_id] for one in job.blocks)
        world._do(world.sync.chain_changed(world.now))
        if not waiting:
            world._do(world.sync.done(job.key, adopted, world.now))
            return

        def ended() -> None:
            assert visit(waiting.pop()) is None
            world.chain._visit = visit  # type: ignore[method-assign]
            world._adopt = adopt  # type: ignore[method-assign]
            world._do(world.sync.done(job.key, adopted, world.now))

        world._later(200_000, ended)

    world.chain._visit = begun  # type: ignore[method-assign]
    world._adopt = slow  # type: ignore[method-assign]
    world.until(lambda: bool(waiting), ms=60_000)
    # Another has the same branch, and cannot show more of it yet: that is no fault of its own.
    other = world.honest(tip)
    world.run(150_000)
    assert waiting
    assert any(peer == other for _, peer, _ in world.asked)
    assert world.sync._board.peers[other].void_until <= world.now
    world.until(lambda: world.tip is tip, ms=260_000)
    assert (world.told, world.blamed) == ([], [])


def test_a_visited_branch_is_gone_on_with_from_another_peer() -> None:
    world = standing()
    tip = light_then_heavy(world, 16, L + 3, 30)
    middle = up_to(tip)[44 + L + 1]
    first = world.honest(middle, claim=Claim(middle.height, HUGE, middle.block_id))
    world.until(lambda: middle.block_id in world.chain.known, ms=60_000)
    world.leave(first)
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=60_000)
    assert len(world.chain.visited) == 1
    assert world.blamed == []


def test_an_owed_branch_that_is_here_up_to_its_horizon_is_stood_on() -> None:
    world = rotating(limits=replace(LIMITS, ahead=10))
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 40)[-1]
    heavy = makers.chain(stem, 80)[-1]
    for made in up_to(heavy)[41 : 41 + L]:
        world.chain.known[made.block_id] = made
    world.chain.known[stem.block_id] = stem
    world.stand_on(makers.chain(stem, 60, UNIT // 2)[-1])
    world.chain.kept_from = 0
    world.honest(heavy)
    world.until(lambda: world.tip is heavy, ms=120_000)
    assert len(world.chain.rerooted) == 1
    assert headers_asked(world) < 60
    assert world.blamed == []


def test_a_header_of_another_model_is_blamed_once_its_height_can_be_judged() -> None:
    world = rotating(was_synced=True)
    stem = world.makers.chain(world.makers.genesis, 3 * L)
    # Whoever goes on with the model that was, when another one came, has other rules.
    made = world.makers.block(stem[-1])
    old = world.makers.genesis.header.pre.model_id
    header = replace(made.header, pre=replace(made.header.pre, model_id=old))
    headers = stem[-1].headers.extended_by_header(header)
    false = Made(header, headers, stem[-1])
    world.makers.by_id[false.block_id] = world.makers.by_header[header.to_bytes()] = false
    end = world.makers.chain(false, 5)[-1]
    liar = world.honest(end, claim=Claim(end.height, HUGE, end.block_id))
    honest = world.honest(world.makers.chain(stem[-1], 2)[-1])
    world.until(lambda: world.tip.height == 3 * L + 2, ms=120_000)
    assert (liar, Offence.OTHER_RULES) in [(number, why) for number, why, _ in world.blamed]
    assert honest not in {number for number, _, _ in world.blamed}


def test_a_newcomer_follows_a_deep_heavier_branch_over_its_own_models() -> None:
    world = rotating()
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 40)[-1]
    heavy = makers.chain(stem, 80)[-1]
    light = makers.chain(stem, 60, UNIT // 2)[-1]
    world.honest(light, claim=Claim(light.height, HUGE, light.block_id))
    world.honest(heavy)
    world.until(lambda: world.tip is heavy, ms=600_000)
    assert world.chain.rerooted
    assert world.blamed == []


def test_an_assumed_block_is_walked_to_over_horizons_and_pays_a_least_pace() -> None:
    world = rotating(was_synced=True)
    chain = world.makers.chain(world.makers.genesis, 12 * L)
    vouched = chain[10 * L]
    world = World(
        makers=world.makers, was_synced=True, assume_valid=(vouched.height, vouched.block_id)
    )
    world.honest(chain[-1])
    world.until(lambda: world.tip is chain[-1], ms=300_000)
    assert any("headers lead to block" in words for words in world.told)
    assert world.blamed == []


def test_a_slow_walk_is_given_up_and_the_chain_is_proven() -> None:
    makers = Makers(rotating=True)
    chain = makers.chain(makers.genesis, 60 * L)
    vouched = chain[58 * L]
    world = World(makers=makers, was_synced=True, assume_valid=(vouched.height, vouched.block_id))
    world.honest(chain[-1], delay_ms=5_000)
    world.until(lambda: world.sync.statistics().assumed_bytes > 0, ms=60_000)
    # 64 headers in ten seconds are too few.
    world.until(lambda: world.sync.statistics().assumed_bytes == 0, ms=120_000)
    world.until(lambda: world.tip.height > L, ms=300_000)
    assert world.blamed == []


def test_headers_that_do_not_follow_each_other_are_blamed_on_the_walk() -> None:
    makers = Makers(rotating=True)
    chain = makers.chain(makers.genesis, 12 * L)
    vouched = chain[10 * L]
    world = World(makers=makers, was_synced=True, assume_valid=(vouched.height, vouched.block_id))

    class Jumps(Script):
        def _headers(self, request: GetHeaders) -> list[object]:
            said = super()._headers(request)
            made = makers.by_id[request.locator[0]]  # type: ignore[index]
            if made.height > 3 * L:
                said[0] = replace(said[0], headers=said[0].headers[1:])
            return said

    liar = world.join(Jumps(makers, up_to(chain[-1])))
    world.run(60_000)
    assert [(number, offence) for number, offence, _ in world.blamed] == [(liar, Offence.UNASKED)]


def test_who_could_not_be_asked_while_a_visit_held_the_room_is_not_set_aside() -> None:
    """Blocks of a branch that is visited count until the visit is over: full ones are 28 MiB."""
    world = standing()
    heavy = light_then_heavy(world, 16, L, 1)
    ours = world.chain.chain[-1]
    board, visit, visited = world.sync._board, world.chain._visit, list[Made]()
    board.buffer.limit = 11 * LIMITS.block

    def begun(made: Made) -> None:
        seen = world.chain._seen(made)
        if seen.height == seen.horizon:
            visited.append(made)

    def slow(job: Adopt) -> None:
        already = bool(visited)
        adopted = world.chain.adopt(world.makers.by_id[one.block_id] for one in job.blocks)
        world._do(world.sync.chain_changed(world.now))
        if already or not visited:
            world._do(world.sync.done(job.key, adopted, world.now))
            return
        # As if each block of this job were as large as can be.
        board.buffer.used += 10 * LIMITS.block

        def ended() -> None:
            board.buffer.used -= 10 * LIMITS.block
            world.chain._visit = visit  # type: ignore[method-assign]
            visit(visited[0])
            world._do(world.sync.done(job.key, adopted, world.now))

        world._later(200_000, ended)

    world.chain._visit = begun  # type: ignore[method-assign]
    world._adopt = slow  # type: ignore[method-assign]
    world.honest(heavy, claim=Claim(heavy.height, HUGE, heavy.block_id))
    world.until(lambda: bool(visited), ms=60_000)
    good = world.makers.chain(ours, 30)[-1]
    honest = world.honest(good)
    world.run(150_000)
    assert world.told == []
    assert board.peers[honest].void_until <= world.now
    world.until(lambda: world.tip is good, ms=120_000)
    assert world.blamed == []
