"""Splits, halting and what it takes to end them, killed nodes and pruned peers: on a real chain."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.node.offline.resync import resync
from esper.p2p.ports import Adopt
from esper.p2p.sync.sync_state import Phase
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetBlocks
from esper.primitives.units import RANGE_512
from esper.storage.errors import ProofPrunedError
from esper.storage.side_blocks import FAR_FOLDER, SIDE_FOLDER
from tests.support.node.deep_world import (
    FAR,
    PARAMS,
    UNDO,
    DeepWorld,
    RealMade,
    RealMakers,
    deep_params,
)

HUGE = (1 << 500) - 1
HORIZON = UNDO + UNDO // 5
MORE_UNDO = 10
"""With it the horizon is two blocks further than that."""

MAKERS = RealMakers()
STEM = MAKERS.chain(MAKERS.genesis, 12)
OTHERS = MAKERS.chain(STEM[-1], 30)
OURS = MAKERS.chain(STEM[-1], 20)

WIDE = RealMakers(deep_params(MORE_UNDO))
WIDE_STEM = WIDE.chain(WIDE.genesis, 5)
WIDE_OTHERS = WIDE.chain(WIDE_STEM[-1], 16)
WIDE_OURS = WIDE.chain(WIDE_STEM[-1], MORE_UNDO + 1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DeepWorld]:
    opened = DeepWorld(tmp_path / "node", makers=MAKERS)
    yield opened
    opened.close()


def synced_at(world: DeepWorld, tip: RealMade) -> None:
    """The node was synced there once."""
    world.current = True
    world.stand_on(tip)
    world._await(world.service.note_synced)
    world.restart()
    assert world.tip is tip
    assert world.service.was_synced


def side_files(world: DeepWorld) -> int:
    return sum(len(list((world.folder / name).glob("*"))) for name in (SIDE_FOLDER, FAR_FOLDER))


@pytest.mark.parametrize("depth", [1, UNDO])
def test_a_split_heals_while_the_lighter_side_can_be_undone(world: DeepWorld, depth: int) -> None:
    synced_at(world, OURS[depth - 1])
    world.honest(OTHERS[-1])
    world.until(lambda: world.tip is OTHERS[-1], ms=60_000)
    assert world.sync.state.near
    assert world.told == []


@pytest.mark.parametrize("depth", [UNDO + 1, 20])
def test_a_deeper_split_is_never_followed_and_told(world: DeepWorld, depth: int) -> None:
    synced_at(world, OURS[depth - 1])
    peers = [world.honest(OTHERS[-1]) for _ in range(2)]
    before = world.sync.state.parted
    world.run(60_000)
    assert world.tip is OURS[depth - 1]
    assert (before, world.sync.state.parted) == (False, True)
    assert "esperd resync --accept-loss" in world.sync.state.words
    assert len([words for words in world.told if "resync --accept-loss" in words]) == 1
    assert not [one for one in world.asked if isinstance(one[2], GetBlocks)]
    assert side_files(world) == 0
    assert world.blamed == []
    assert world.service.halted == ""
    # One that comes over is half of two; the other's coming over ends it.
    for peer, parted in zip(peers, (True, False), strict=True):
        world.move(peer, OURS[depth - 1])
        assert world.sync.state.parted is parted


def halted(world: DeepWorld) -> None:
    """Our own block comes between judging and adopting: what was near is too deep now."""
    synced_at(world, WIDE_OURS[MORE_UNDO - 1])
    run_job = world._run_job
    adopts: list[Adopt] = []

    def interfering(job: Any) -> None:
        if isinstance(job, Adopt):
            adopts.append(job)
            if len(adopts) == 1:
                # All the others are proven meanwhile, and come together.
                world._later(2_000, lambda: run_job(job))
                return
            if len(adopts) == 2:
                assert job.blocks[-1].headers.height > WIDE_OURS[MORE_UNDO].height
                world._await(lambda: world.service.submit(WIDE_OURS[MORE_UNDO].data))
        run_job(job)

    world._run_job = interfering  # type: ignore[method-assign]
    world.honest(WIDE_OTHERS[-1])
    world.until(lambda: world.sync.state.phase is Phase.HALTED, ms=60_000)
    world._run_job = run_job  # type: ignore[method-assign]


def test_a_halted_node_says_so_serves_on_and_follows_nothing_until_resync(
    tmp_path: Path,
) -> None:
    world = DeepWorld(tmp_path / "node", makers=WIDE, params=deep_params(MORE_UNDO))
    halted(world)
    tip = WIDE_OURS[MORE_UNDO]
    for again in range(2):
        assert world.tip is tip
        assert world.sync.state.words.count("resync --accept-loss") == 1
        assert "resync --accept-loss" in world.service.halted
        assert world.service.why_not_synced(FAR)
        # It serves what it has ...
        assert world.service.blocks.parts(tip.block_id) == tip.data
        fork, headers = world.service.blocks.headers_after([WIDE_STEM[3].block_id], 4)
        assert (fork, len(headers)) == (WIDE_STEM[3].block_id, 4)
        # ... and asks for nothing.
        asked = len(world.asked)
        world.honest(WIDE_OTHERS[-1], claim=Claim(99, HUGE, WIDE_OTHERS[-1].block_id))
        world.run(30_000)
        assert len(world.asked) == asked
        if not again:
            world.restart()
            assert world.sync.state.phase is Phase.HALTED
    world.disk.store.close()
    report = resync(world.disk.directory, accept_loss=True, now_ms=0)
    assert report.aside is not None
    world.peers.clear()
    world._open_disk()
    assert (world.service.halted, world.service.was_synced) == ("", False)
    world.honest(WIDE_OTHERS[-1])
    world.until(lambda: world.tip is WIDE_OTHERS[-1], ms=60_000)
    world.until(lambda: world.syncs == 1, ms=60_000)
    assert world.service.was_synced
    world.close()


@pytest.mark.parametrize("kill", [False, True])
def test_nothing_that_is_on_disk_is_fetched_again(world: DeepWorld, kill: bool) -> None:
    world.honest(OTHERS[-1])
    world.until(lambda: world.tip.height >= 20, ms=60_000, step=5)
    here = world.tip.height
    world.restart(kill=kill)
    assert world.tip.height == here
    asked = len(world.asked)
    world.until(lambda: world.tip is OTHERS[-1], ms=60_000)
    fetched = {
        MAKERS.by_id[one].height
        for _, _, request in world.asked[asked:]
        if isinstance(request, GetBlocks)
        for one in request.block_ids
    }
    assert fetched == set(range(here + 1, OTHERS[-1].height + 1))


def test_what_pruned_peers_lack_is_had_of_another(world: DeepWorld) -> None:
    pruned = world.honest(OTHERS[-1], proofs_from=20)
    silent = world.honest(OTHERS[-1], says_pruned=True)
    archive = world.honest(OTHERS[-1])
    world.until(lambda: world.tip is OTHERS[-1], ms=60_000)
    asked = {
        (peer, MAKERS.by_id[one].height)
        for _, peer, request in world.asked
        if isinstance(request, GetBlocks)
        for one in request.block_ids
    }
    assert min(height for peer, height in asked if peer == pruned) >= 20
    assert (archive, 1) in asked
    assert len([one for one in asked if one[0] == silent]) <= OTHERS[-1].height // 2
    assert world.blamed == []


def test_where_all_peers_are_pruned_the_height_is_said(world: DeepWorld) -> None:
    world.honest(OTHERS[-1], proofs_from=20)
    world.honest(OTHERS[-1], proofs_from=15)
    world.run(10_000)
    assert "no connected peer keeps the proof of block 1" in world.sync.state.words
    assert world.tip.height == 0
    world.honest(OTHERS[-1])
    world.until(lambda: world.tip is OTHERS[-1], ms=900_000)


def test_a_cheap_branch_is_bounded_on_disk_and_given_up(tmp_path: Path) -> None:
    difficulty = replace(
        PARAMS.difficulty,
        retargets=True,
        genesis_target=RANGE_512 >> 4,
        window=2,
        half_life_blocks=3,
    )
    params = replace(PARAMS, difficulty=difficulty)
    makers = RealMakers(params)
    spacing = difficulty.spacing_ms
    ours = makers.chain(makers.genesis, 20, spacing_ms=spacing)
    # Late blocks are cheap blocks: targets follow the time.
    late = 2 * difficulty.half_life_blocks * spacing
    cheap = makers.chain(ours[19 - UNDO], 40, spacing_ms=late)
    world = DeepWorld(tmp_path / "node", makers=makers, params=params)
    synced_at(world, ours[-1])
    giver = world.honest(cheap[-1], claim=Claim(cheap[-1].height, HUGE, cheap[-1].block_id))
    most, busy = 0, 0
    for _ in range(600):
        world.run(100)
        most = max(most, side_files(world))
        busy += world.sync.state.busy
    assert world.tip is ours[-1]
    assert 0 < most <= HORIZON
    assert world.sync.state.near
    assert not world.sync.state.busy
    assert busy == 0
    assert world.sync._board.peers[giver].void_until > world.now
    world.close()


def test_a_node_without_the_proofs_below_an_assumed_block_does_not_claim_them(
    tmp_path: Path,
) -> None:
    vouched = OTHERS[17]
    world = DeepWorld(
        tmp_path / "node", makers=MAKERS, assume_valid=(vouched.height, vouched.block_id)
    )
    world.current = True
    world.honest(OTHERS[-1], proofs_from=vouched.height + 1)
    world.until(lambda: world.syncs == 1 and world.tip is OTHERS[-1], ms=120_000)
    assert world.disk.verifier.verified == OTHERS[-1].height - vouched.height
    for _ in range(2):
        blocks = world.service.blocks
        assert blocks.proofs_from == vouched.height + 1
        assert blocks.proof(OTHERS[18].block_id) == OTHERS[18].proof
        assert blocks.body(vouched.block_id) == vouched.body
        with pytest.raises(ProofPrunedError):
            blocks.proof(vouched.block_id)
        world.restart()
    world.close()
