"""The plain way: claims, headers, blocks in order, near."""

from dataclasses import replace

import pytest

from esper.p2p.sync.sync_state import Phase
from esper.p2p.wire.talk_messages import PART_BODY, PART_PROOF, GetBlocks, GetHeaders
from tests.support.net.sync_world import LIMITS, UNIT, Script, World, up_to


def test_one_honest_peer_brings_the_whole_chain() -> None:
    world = World()
    tip = world.makers.chain(world.makers.genesis, 150)[-1]
    world.honest(tip)
    world.until(lambda: world.tip is tip)
    world.run(1_000)
    assert world.sync.state.phase is Phase.NEAR
    assert world.blamed == []
    held = world.sync.statistics()
    assert (held.leads, held.headers, held.block_bytes, held.requests, held.jobs) == (0,) * 5


def test_blocks_come_from_all_that_have_them() -> None:
    world = World(threads=2)
    tip = world.makers.chain(world.makers.genesis, 150)[-1]
    numbers = [world.honest(tip) for _ in range(4)]
    world.until(lambda: world.tip is tip)
    asked = {peer for _, peer, request in world.asked if isinstance(request, GetBlocks)}
    assert asked == set(numbers)


def test_headers_reach_no_further_than_they_may_above_the_last_proven_block() -> None:
    world = World(limits=replace(LIMITS, ahead=12), was_synced=True)
    tip = world.makers.chain(world.makers.genesis, 60)[-1]
    world.honest(tip)
    world.until(lambda: world.tip is tip)
    assert world.most_headers == 12
    asked = [request.most for _, _, request in world.asked if isinstance(request, GetHeaders)]
    assert asked[0] == 12
    # The next when a quarter is free, and never a request for less.
    assert all(most >= 3 for most in asked)


def test_the_next_headers_come_while_blocks_do() -> None:
    world = World()
    tip = world.makers.chain(world.makers.genesis, 100)[-1]
    world.honest(tip)
    world.until(lambda: world.tip is tip)
    kinds = [type(request) for _, _, request in world.asked]
    first, last = kinds.index(GetBlocks), len(kinds) - 1 - kinds[::-1].index(GetBlocks)
    assert GetHeaders in kinds[first:last]


@pytest.mark.parametrize("peers", [1, 3])
def test_a_starting_node_listens_before_it_follows(peers: int) -> None:
    world = World()
    tip = world.makers.chain(world.makers.genesis, 5)[-1]
    for _ in range(peers):
        world.honest(tip)
    world.run(2_999)
    assert world.sync.state.phase is Phase.ASKING
    assert world.asked == []
    world.run(200)
    assert world.asked != []


def test_four_groups_are_enough() -> None:
    world = World()
    tip = world.makers.chain(world.makers.genesis, 5)[-1]
    for group in (b"a", b"b", b"c", b"c"):
        world.honest(tip, group=group)
    assert world.asked == []
    world.honest(tip, group=b"d")
    assert world.asked != []


def test_all_configured_peers_are_enough() -> None:
    world = World(configured_peers=2)
    tip = world.makers.chain(world.makers.genesis, 5)[-1]
    world.honest(tip, static=True)
    assert world.asked == []
    world.honest(tip, static=True)
    assert world.asked != []


def test_alone_listens_to_nobody() -> None:
    world = World(alone=True)
    assert world.sync.state.near
    assert world.sync.state.settled
    tip = world.makers.chain(world.makers.genesis, 5)[-1]
    world.honest(tip)
    assert world.asked != []


def test_the_greatest_claim_is_followed_first_and_outbound_before_inbound() -> None:
    world = World()
    light = world.makers.chain(world.makers.genesis, 8)[-1]
    heavy = world.makers.chain(world.makers.genesis, 5, 2 * UNIT)[-1]
    heaviest = world.makers.chain(world.makers.genesis, 5, 3 * UNIT)[-1]
    world.honest(light)
    second = world.honest(heavy)
    world.honest(heaviest, outbound=False)
    world.run(3_000)
    assert [peer for _, peer, _ in world.asked] == [second]


def test_one_block_ahead_is_asked_for_unless_relay_brings_it() -> None:
    world = World()
    [*_, old, new] = world.makers.chain(world.makers.genesis, 20)
    peer = world.honest(old)
    world.until(lambda: world.tip is old)
    world.run(1_000)
    asked = len(world.asked)
    world.move(peer, new)
    world.run(1_500)
    assert len(world.asked) == asked
    world.run(1_000)
    assert world.tip is new


def test_relay_that_was_first_leaves_nothing_to_ask() -> None:
    world = World()
    [*_, old, new] = world.makers.chain(world.makers.genesis, 20)
    peer = world.honest(old)
    world.until(lambda: world.tip is old)
    world.run(1_000)
    asked = len(world.asked)
    world.move(peer, new)
    world.stand_on(new)
    world.run(60_000)
    assert len(world.asked) == asked


def test_a_chain_that_moves_while_it_is_fetched_is_followed_to_its_end() -> None:
    world = World()
    blocks = world.makers.chain(world.makers.genesis, 90)
    peer = world.honest(blocks[49])
    for block in blocks[50:]:
        world.run(60)
        world.move(peer, block)
    world.until(lambda: world.tip is blocks[-1], ms=20_000)
    assert world.blamed == []


def test_blocks_that_come_by_relay_are_not_waited_for() -> None:
    world = World(was_synced=True)
    blocks = world.makers.chain(world.makers.genesis, 30)
    world.join(Script(world.makers, up_to(blocks[-1]), silent=(GetBlocks,)))
    world.run(3_200)
    assert world.sync.statistics().blocks > 0
    world.stand_on(blocks[19])
    world.stand_on(blocks[-1])
    held = world.sync.statistics()
    assert (held.leads, held.blocks, held.block_bytes, held.requests) == (0, 0, 0, 0)


def test_who_joins_with_a_chain_of_its_own_asks_from_its_tip() -> None:
    world = World(was_synced=True)
    blocks = world.makers.chain(world.makers.genesis, 60)
    world.stand_on(blocks[39])
    world.honest(blocks[-1])
    world.until(lambda: world.tip is blocks[-1])
    first = world.asked[0][2]
    assert isinstance(first, GetHeaders)
    heights = [world.makers.by_id[one].height for one in first.locator]  # type: ignore[index]
    assert heights == [40, 39, 38, 36, 32, 24, 0]
    fetched = [one for _, _, request in world.asked if isinstance(request, GetBlocks)
               for one in request.block_ids]  # fmt: skip
    assert len(fetched) == len(set(fetched)) == 20


def test_an_announced_header_of_unknown_parent_leads_to_one_request_in_ten_seconds() -> None:
    world = World(alone=True, was_synced=True)
    blocks = world.makers.chain(world.makers.genesis, 8)
    peer = world.honest(world.makers.genesis)
    for _ in range(5):
        world._do(world.sync.header_announced(peer, blocks[-1].header, world.now))
        world.run(500)
    assert len(world.asked) == 1
    world.run(10_000)
    assert len(world.asked) == 2
    # One that brought news may be followed by the next at once.
    world.peers[peer].chain = up_to(blocks[-1])
    world._do(world.sync.header_announced(peer, blocks[-1].header, world.now))
    world.run(12_000)
    assert world.tip is blocks[-1]


def test_an_assumed_block_is_led_to_by_headers_before_any_proof_is_skipped() -> None:
    makers = World().makers
    blocks = makers.chain(makers.genesis, 60)
    vouched = blocks[29]
    world = World(makers=makers, was_synced=True, assume_valid=(30, vouched.block_id))
    world.honest(blocks[-1])
    world.until(lambda: world.tip is blocks[-1])
    parts: dict[int, set[int]] = {}
    for _, _, request in world.asked:
        if isinstance(request, GetBlocks):
            for one in request.block_ids:
                parts.setdefault(makers.by_id[one].height, set()).add(request.parts)  # type: ignore[index]
    # Until headers led there nothing is asked for; from then on bodies alone.
    bodies = [height for height, asked in parts.items() if asked == {PART_BODY}]
    assert bodies == list(range(1, 31))
    assert all(asked == {PART_BODY | PART_PROOF} for height, asked in parts.items() if height > 30)


def test_a_branch_that_misses_the_assumed_block_is_proven() -> None:
    world = World(was_synced=True, assume_valid=(10, b"another" * 9 + b"!"))
    tip = world.makers.chain(world.makers.genesis, 15)[-1]
    world.honest(tip)
    world.until(lambda: world.tip is tip)
    asked = [request.parts for _, _, request in world.asked if isinstance(request, GetBlocks)]
    assert set(asked) == {PART_BODY | PART_PROOF}


def test_what_it_says_names_heights_pace_and_time() -> None:
    world = World(was_synced=True)
    tip = world.makers.chain(world.makers.genesis, 300)[-1]
    world.honest(tip)
    world.run(6_000)
    state = world.sync.state
    assert state.height == world.tip.height
    assert state.target_height == 300
    assert state.blocks_per_s > 1
    assert state.seconds_left is not None
    assert state.words == (
        f"at block {state.height} of 300, {state.blocks_per_s:.1f} blocks a second, "
        f"{state.seconds_left} s left; mining waits for another branch"
    )
    nobody = World()
    assert "no peer is connected" in nobody.sync.state.words
