"""Peers that lie, stall, drip, refuse or leave; clocks; this machine's own troubles."""

from collections import Counter

import pytest

from esper.p2p.faults import Offence
from esper.p2p.limits import SYNC_BYTES
from esper.p2p.sync.claims import LEAST_IN_FLIGHT, MOST_IN_FLIGHT
from esper.p2p.sync.sync_state import Phase
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Headers
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetBlocks, GetHeaders
from esper.primitives.errors.header_errors import TargetViolation
from esper.primitives.errors.rule_violation import Consequence
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

HUGE = (1 << 500) - 1


def grown(world: World, count: int = 60) -> Made:
    return world.makers.chain(world.makers.genesis, count)[-1]


def blamed(world: World) -> list[tuple[int, Offence]]:
    return [(number, offence) for number, offence, _ in world.blamed]


def test_a_claim_that_brings_nothing_is_void_for_ten_minutes() -> None:
    world = World(alone=True, was_synced=True)
    liar = world.honest(world.makers.genesis, claim=Claim(9, HUGE, b"t" * 64))
    world.run(500_000)
    assert len(world.asked) == 1
    world.run(200_000)
    assert len(world.asked) == 2
    assert world.blamed == []
    assert liar in world.peers


def test_who_says_nothing_about_headers_is_left_for_the_next() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world, 12)
    world.honest(world.makers.genesis, claim=Claim(99, HUGE, b"t" * 64), silent=(GetHeaders,))
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=15_000)


def test_forged_proofs_are_the_fault_of_who_gave_the_headers() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world)
    good = world.makers.chain(world.makers.genesis, 10)
    bad = world.makers.chain(good[-1], 10, 9 * UNIT, FORGED)
    liar = world.honest(bad[-1])
    helper = world.honest(bad[-1], claim=Claim(20, 1, bad[-1].block_id))
    honest = world.honest(tip)
    world.until(lambda: world.tip is tip, ms=30_000)
    assert blamed(world) == [(liar, Offence.FORGED)]
    assert {helper, honest} <= world.peers.keys()


def test_other_bytes_than_the_header_names_are_the_senders_fault() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world)
    giver = world.honest(tip)
    spoiler = world.honest(tip, body_of=lambda made: b"another", claim=Claim(60, 1, tip.block_id))
    world.until(lambda: world.tip is tip, ms=30_000)
    assert set(blamed(world)) == {(spoiler, Offence.BYTES)}
    assert giver in world.peers


def test_a_state_that_fails_is_other_rules_of_who_says_that_he_executed_it() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world)
    bad = world.makers.chain(world.makers.genesis, 5, 30 * UNIT, BAD_STATE)
    other = world.honest(bad[-1])
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=30_000)
    assert blamed(world) == [(other, Offence.OTHER_RULES)]
    # What builds on it later is known by its header alone.
    more = world.makers.block(bad[0], 99 * UNIT)
    again = world.honest(more)
    world.run(10_000)
    assert blamed(world)[1:] == [(again, Offence.OTHER_RULES)]


def test_a_header_that_breaks_a_rule_is_forged_or_of_other_rules() -> None:
    world = World(alone=True, was_synced=True)
    blocks = world.makers.chain(world.makers.genesis, 5)
    world.chain.refused[blocks[2].block_id] = TargetViolation(1, 2)
    peer = world.honest(blocks[-1])
    world.run(1_000)
    assert blamed(world) == [(peer, Offence.OTHER_RULES)]
    assert world.tip is world.makers.genesis


class Mixed(Script):
    """Headers that do not follow each other."""

    def _headers(self, request: GetHeaders) -> list[object]:
        first, *rest = super()._headers(request)
        assert isinstance(first, Headers)
        return [Headers(0, first.fork, first.headers[1:]), *rest]


class Elsewhere(Script):
    """Headers behind a block that nobody named."""

    def _headers(self, request: GetHeaders) -> list[object]:
        first, *rest = super()._headers(request)
        assert isinstance(first, Headers)
        return [Headers(0, self.chain[1].block_id, first.headers[1:]), *rest]


@pytest.mark.parametrize("kind", [Mixed, Elsewhere])
def test_headers_that_do_not_link_end_the_connection(kind: type[Script]) -> None:
    world = World(alone=True, was_synced=True)
    peer = world.join(kind(world.makers, up_to(grown(world, 9))))
    world.run(1_000)
    assert blamed(world) == [(peer, Offence.UNASKED)]


def test_the_lowest_missing_block_is_asked_of_a_second_after_two_seconds() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world, 12)
    staller = world.honest(tip, silent=(GetBlocks,), outbound=True)
    world.honest(tip, outbound=False, claim=Claim(12, 1, tip.block_id))
    world.until(lambda: world.tip is tip, ms=9_000)
    [lowest, *_] = [
        (time, request) for time, peer, request in world.asked
        if peer == staller and isinstance(request, GetBlocks)
    ]  # fmt: skip
    again = [
        time for time, peer, request in world.asked
        if peer != staller and isinstance(request, GetBlocks)
        and lowest[1].block_ids[0] in request.block_ids
    ]  # fmt: skip
    assert again
    assert again[0] - lowest[0] == 2_000
    # One that stalls costs seconds a few times, and is blamed for being late by who counts that.
    assert world.blamed == []


def test_in_flight_begins_at_two_grows_to_eight_and_halves_when_late() -> None:
    world = World(alone=True, was_synced=True)
    number = world.honest(grown(world, 100))
    peer = world.sync._board.peers[number]
    assert peer.allowed == LEAST_IN_FLIGHT
    world.run(2_000)
    assert peer.allowed == MOST_IN_FLIGHT
    world.peers[number].silent = (GetBlocks,)
    world.run(11_000)
    assert peer.allowed < MOST_IN_FLIGHT
    most = Counter(len(request.block_ids) for _, _, request in world.asked
                   if isinstance(request, GetBlocks))  # fmt: skip
    assert max(most) <= MOST_IN_FLIGHT


def test_a_branch_without_a_proof_for_thirty_seconds_is_set_aside_with_its_giver() -> None:
    world = World(alone=True, was_synced=True)
    heavy = world.makers.chain(world.makers.genesis, 20, 9 * UNIT)[-1]
    tip = grown(world, 20)
    staller = world.honest(heavy, silent=(GetBlocks,))
    world.honest(tip)
    world.run(25_000)
    assert world.tip is world.makers.genesis
    world.until(lambda: world.tip is tip, ms=20_000)
    assert "set aside" in world.told[0]
    asked = len([1 for _, peer, _ in world.asked if peer == staller])
    world.run(300_000)
    assert len([1 for _, peer, _ in world.asked if peer == staller]) == asked
    assert world.blamed == []


def test_a_machine_that_is_slow_itself_sets_nobody_aside() -> None:
    world = World(alone=True, was_synced=True, judge_ms=40_000, threads=4)
    tip = grown(world, 5)
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=100_000)
    assert world.told == []


def test_pruned_peers_are_not_asked_again_and_who_has_proofs_gives_them() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world)
    pruned = world.honest(tip, says_pruned=True)
    said = world.honest(tip, proofs_from=40)
    world.honest(tip, outbound=False)
    world.until(lambda: world.tip is tip, ms=30_000)
    fetched = {peer: Counter[bytes]() for peer in world.peers}
    for _, peer, request in world.asked:
        if isinstance(request, GetBlocks):
            fetched[peer].update(request.block_ids)
    assert max(fetched[pruned].values()) == 1
    lowest = min(world.makers.by_id[one].height for one in fetched[said])  # type: ignore[index]
    assert lowest >= 40


def test_a_newcomer_without_an_archive_names_the_height() -> None:
    world = World(alone=True, was_synced=True)
    world.honest(grown(world), proofs_from=30)
    world.run(10_000)
    assert "proof of block 1" in world.sync.state.words
    assert "archive" in world.sync.state.words


def test_a_header_ahead_of_our_clock_ends_the_run_without_fault() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world, 40)
    world.chain.now_ms = up_to(tip)[25].headers.times_ms[-1]
    world.honest(tip)
    world.until(lambda: world.tip.height == 25, ms=20_000)
    world.run(2_000)
    assert world.tip.height == 25
    assert "clock" in world.sync.state.words
    assert world.blamed == []
    world.chain.now_ms += 1_000_000
    world.until(lambda: world.tip is tip, ms=30_000)
    world.run(1_000)
    assert "clock" not in world.sync.state.words


def test_a_giver_that_leaves_is_replaced() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world, 90)
    first = world.honest(tip)
    world.honest(tip, outbound=False)
    world.run(500)
    height = world.tip.height
    assert 0 < height < 60
    world.leave(first)
    world.until(lambda: world.tip is tip, ms=20_000)
    fetched = Counter(one for _, peer, request in world.asked
                      if isinstance(request, GetBlocks) and peer != first
                      for one in request.block_ids)  # fmt: skip
    assert max(fetched.values()) == 1


def test_a_giver_that_changes_its_branch_is_asked_anew() -> None:
    world = World(alone=True, was_synced=True)
    stem = grown(world, 30)
    old = world.makers.chain(stem, 40)[-1]
    new = world.makers.chain(stem, 41)[-1]
    peer = world.honest(old)
    world.run(900)
    world.move(peer, new)
    world.until(lambda: world.tip is new, ms=20_000)
    assert world.blamed == []


def test_the_buffer_is_never_exceeded() -> None:
    world = World(alone=True, was_synced=True, threads=2, limits=LIMITS)
    world.sync._board.buffer.limit = 5 * LIMITS.block
    tip = grown(world, 90)
    for _ in range(6):
        world.honest(tip)
    world.until(lambda: world.tip is tip, ms=60_000)
    # The last place is kept for a second asker.
    assert 3 * LIMITS.block < world.most_bytes <= 5 * LIMITS.block
    assert world.most_bytes < SYNC_BYTES


def test_a_job_that_could_not_be_done_here_is_done_again_and_blames_nobody() -> None:
    world = World(alone=True, was_synced=True)
    tip = grown(world, 9)
    failures = [Failure.of_machine(OSError("disk")), Failure.of_machine(MemoryError())]
    judge, adopt = world._judge, world._adopt

    def judging(job: object) -> None:
        if failures:
            world._do(world.sync.done(job.key, failures.pop(), world.now))  # type: ignore[attr-defined]
        else:
            judge(job)  # type: ignore[arg-type]

    world._judge = judging  # type: ignore[method-assign]
    refused = [True]

    def adopting(job: object) -> None:
        if refused and refused.pop():
            failure = Failure.of_machine(OSError("disk"))
            world._do(world.sync.done(job.key, failure, world.now))  # type: ignore[attr-defined]
        else:
            adopt(job)  # type: ignore[arg-type]

    world._adopt = adopting  # type: ignore[method-assign]
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=30_000)
    assert world.blamed == []


def test_a_reorganisation_that_the_chain_calls_too_deep_halts_the_node() -> None:
    world = World(was_synced=True)
    tip = grown(world, 30)
    world.stand_on(tip)
    peer = world.honest(world.makers.chain(tip, 5)[-1])
    answer = Failure(Consequence.HALT, None, "30 blocks to undo, at most 16")
    world._adopt = lambda job: world._do(world.sync.done(job.key, answer, world.now))  # type: ignore[method-assign]
    world.run(20_000)
    state = world.sync.state
    assert state.phase is Phase.HALTED
    assert not state.near
    assert not state.settled
    assert "resync --accept-loss" in state.words
    assert any("30 blocks to undo" in words for words in world.told)
    asked = len(world.asked)
    world.claim(peer)
    world.run(100_000)
    assert len(world.asked) == asked
    assert world.sync.statistics().requests == 0
