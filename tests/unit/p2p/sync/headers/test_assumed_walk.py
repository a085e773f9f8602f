"""A block that the operator vouches for, far above the window of headers."""

import pytest

from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.sync.headers.assumed import KEPT_BYTES
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import (
    PART_BODY,
    REFUSED_PRUNED,
    GetBlocks,
    GetHeaders,
    Refuse,
)
from esper.primitives.errors.header_errors import HeightViolation
from tests.support.net.sync_world import FORGED, LIMITS, Made, Makers, Script, World, up_to

HEIGHT = 400
MAKERS = Makers()
CHAIN = MAKERS.chain(MAKERS.genesis, 500)
VOUCHED = CHAIN[HEIGHT - 1]


def vouching(made: Made = VOUCHED) -> World:
    return World(makers=MAKERS, was_synced=True, assume_valid=(made.height, made.block_id))


def with_proofs(world: World) -> set[int]:
    """Heights whose proof was asked for."""
    return {
        MAKERS.by_id[one].height  # type: ignore[index]
        for _, _, request in world.asked
        if isinstance(request, GetBlocks) and request.parts != PART_BODY
        for one in request.block_ids
    }


def test_proofs_are_skipped_as_soon_as_headers_led_to_the_block() -> None:
    world = vouching()
    world.honest(CHAIN[-1])
    most = 0
    while world.tip is not CHAIN[-1]:
        assert world.now < 120_000, world.sync.state
        world.run(20)
        said = world.sync.statistics()
        most = max(most, said.assumed_bytes)
        assert said.headers <= LIMITS.ahead
        led = any("headers lead to block 400" in words for words in world.told)
        assert led or world.tip.height == 0
    assert with_proofs(world) == set(range(HEIGHT + 1, 501))
    assert most == KEPT_BYTES * HEIGHT


def test_pruned_peers_give_what_needs_no_proof() -> None:
    world = vouching()
    world.honest(CHAIN[-1], proofs_from=HEIGHT + 1)
    world.until(lambda: world.tip is CHAIN[-1], ms=120_000)
    assert min(with_proofs(world)) == HEIGHT + 1
    assert world.told == ["headers lead to block 400 of --assume-valid: proofs up to it are not "
                          "looked at"]  # fmt: skip


@pytest.mark.parametrize("short", [False, True])
def test_a_chain_without_the_block_is_proven_and_that_is_said(short: bool) -> None:
    makers = Makers()
    chain = makers.chain(makers.genesis, 100)
    other = makers.chain(chain[49], 49)[-1] if not short else chain[79]
    assumed = chain[98] if not short else chain[99]
    world = World(makers=makers, was_synced=True, assume_valid=(assumed.height, assumed.block_id))
    # If it is short, it says that it has more than its headers show.
    world.honest(other, claim=Claim(100, 1 << 60, other.block_id) if short else None)
    world.until(lambda: world.tip is other, ms=120_000)
    world.run(10_000)
    fetched = {request.parts for _, _, request in world.asked if isinstance(request, GetBlocks)}
    assert PART_BODY not in fetched
    assert any("another block than that of --assume-valid" in words for words in world.told)
    assert len(world.told) == 1


def test_another_giver_is_walked_with_where_the_first_does_not_lead_there() -> None:
    makers = Makers()
    chain = makers.chain(makers.genesis, 300)
    other = makers.chain(chain[9], 292, kind=FORGED)[-1]
    assumed = chain[289]
    world = World(makers=makers, assume_valid=(assumed.height, assumed.block_id), was_synced=True)
    world.honest(other)
    world.honest(chain[-1])
    world.until(lambda: len(world.told) == 2, ms=600_000)
    assert "another block" in world.told[0]
    assert "headers lead to block 290" in world.told[1]


def test_headers_that_break_a_rule_on_the_way_are_their_givers_fault() -> None:
    world = vouching()
    number = world.honest(CHAIN[-1])
    world.chain.refused[CHAIN[299].block_id] = HeightViolation(1, 2)
    world.until(lambda: bool(world.blamed), ms=60_000)
    assert world.blamed[0][:2] == (number, Offence.FORGED)
    assert world.tip.height < 300
    assert world.sync.statistics().assumed_bytes == 0


def test_a_giver_that_ends_to_answer_is_left_after_three_requests() -> None:
    world = vouching()
    honest = up_to(CHAIN[-1])

    class Tired(Script):
        asked = 0

        def answers(self, request: object) -> list[object] | None:
            walks = isinstance(request, GetHeaders) and len(request.locator) == 1
            self.asked += walks
            if walks and self.asked > 2:
                return None
            return super().answers(request)  # type: ignore[arg-type]

    tired = Tired(MAKERS, honest)
    world.join(tired)
    world.until(lambda: world.tip is CHAIN[-1], ms=300_000)
    assert tired.asked == 5
    assert world.sync.statistics().assumed_bytes == 0
    # But for those whose window of headers reached that block in the end.
    assert with_proofs(world) >= set(range(1, HEIGHT - LIMITS.ahead))


def test_a_peer_that_says_a_body_is_pruned_is_asked_no_more_for_it() -> None:
    world = vouching()

    class Bare(Script):
        def _blocks(self, request: GetBlocks) -> list[object]:
            refused = [Refuse(0, one, REFUSED_PRUNED) for one in request.block_ids]
            return [*refused, End.DONE]

    world.join(Bare(MAKERS, up_to(CHAIN[-1])))
    world.run(20_000)
    asked = [one for one in world.asked if isinstance(one[2], GetBlocks)]
    assert 1 <= len(asked) < 5
