"""Visits under trouble: what a full disk, a refusing system or a long branch does to a node."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from esper.consensus.chain import BlockBytes
from esper.dao.registry import ONE
from esper.node.chain.branches import NoRoomBesideError, side_bytes_of
from esper.node.chain.chain_service import ChainService
from esper.node.chain.changes import tip_mover
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.changes.visiting import VISIT_FOLDER, VisitState, visiting_state
from esper.primitives.networks import MAINNET
from esper.primitives.units import RANGE_512
from esper.storage.chain_store import ChainStore
from esper.storage.errors import DiskReserveError
from esper.storage.side_blocks import SideBlocks
from esper.storage.store_options import StoreOptions
from esper.storage.system_errors import SystemRefusedError
from tests.support.node.deep_world import PARAMS, UNDO, DeepWorld, RealMakers
from tests.support.rotations import FAR, LEFT, NEW, OLD, OTHER, RIGHT, STEM, Node, confirming
from tests.unit.node.chain.test_horizon import PLAN, beside, stem
from tests.unit.node.peers.test_horizon_sync import L, reweighed


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with confirming(PLAN):
        opened = Node(tmp_path / "node")
        yield opened
        opened.store.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_sync_makes_up_for_a_visit_that_a_full_disk_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    """Nobody brings a known block again by himself: the branch would be left for good."""
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
    refused: list[int] = []

    @contextmanager
    def full_once(store: ChainStore) -> Iterator[VisitState]:
        # The block itself took the last room above the reserve.
        if len(refused) <= restarted:
            refused.append(1)
            raise DiskReserveError(store.datadir, 0, 1)
        with visiting_state(store) as state:
            yield state

    monkeypatch.setattr(tip_mover, "visiting_state", full_once)
    with confirming(reweighed(16, 2 * ONE)):
        ours = makers.chain(makers.genesis, 20, spacing_ms=spacing)
        [late] = makers.chain(ours[19 - UNDO], 1, spacing_ms=4 * spacing)
        theirs = makers.chain(late, 13, spacing_ms=spacing)
        tip = theirs[-1]
        world = DeepWorld(tmp_path / "node", makers=makers, params=params)
        world.current = True
        world.stand_on(ours[-1])
        world._await(world.service.note_synced)
        world.restart()
        number = world.honest(tip)
        world.until(lambda: bool(refused), ms=120_000)
        if restarted:
            world.restart()
            [number] = world.peers
        # The disk is free from here on. The peer says its tip every minute, for two hours.
        for _ in range(120):
            world.claim(number)
            world.run(60_000)
        assert world.blamed == []
        found = world.tip
        world.close()
        assert found is tip
    assert params.governance.horizon == L


def test_a_visit_leaves_the_reserve_of_the_disk_alone(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block of the chain looks at the reserve; a visit may write as much as all of them."""
    _, light = beside(node)
    node.submit(*light.blocks[:-1])

    def full_while_visiting(self: StoreOptions, datadir: Path) -> None:
        if (datadir / VISIT_FOLDER).exists():
            raise DiskReserveError(datadir, 0, 1)

    monkeypatch.setattr(StoreOptions, "check_reserve", full_while_visiting)
    with pytest.raises(DiskReserveError):
        node.submit(light.blocks[-1])


def test_a_system_that_refuses_a_visit_does_not_keep_a_node_from_opening(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy, light = beside(node)
    node.submit(*light.blocks)

    def refusing(folder: Path, **_: Any) -> None:
        raise SystemRefusedError(folder, 28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("esper.node.chain.changes.visiting.LevelDbStore", refusing)
        node.restart()
    assert node.stands_on(heavy.chain)


def test_a_branch_of_full_blocks_fits_beside_the_chain_up_to_its_horizon() -> None:
    limits = MAINNET.limits
    whole = MAINNET.governance.horizon * (limits.body_bytes + limits.proof_bytes)
    assert whole <= side_bytes_of(MAINNET)


@pytest.mark.xfail(strict=True, reason="open: a visit holds the chain's lock for all its blocks")
def test_the_chain_grows_while_a_branch_is_visited(node: Node) -> None:
    """A visit takes as long as L full blocks; meanwhile every new block of the chain would wait."""
    heavy, light = beside(node)
    node.submit(*light.blocks[:-1])
    [above] = heavy.on(LEFT, [OLD]).blocks
    mover, visiting, go_on = node.manager._mover, threading.Event(), threading.Event()
    real = mover._execute

    def slow(state: Any, block: Any, content: Any) -> Any:
        if isinstance(state, VisitState):
            visiting.set()
            go_on.wait()
        return real(state, block, content)

    mover._execute = slow  # type: ignore[method-assign]
    service = ChainService(node.manager, lambda: FAR)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.submit, BlockBytes.of(light.blocks[-1]))
            await trio.to_thread.run_sync(visiting.wait)
            with trio.move_on_after(10):
                await service.submit(BlockBytes.of(above))
            tips.append(service.tip)
            go_on.set()

    tips: list[bytes] = []
    trio.run(main)
    assert tips == [above.header.block_id]


def test_a_block_that_finds_no_room_leaves_nothing_half_forgotten(node: Node) -> None:
    """What left for a block that is not kept after all is in no tree, and its headers are known."""
    common = stem()
    node.submit(*common.blocks, *common.on(LEFT, [OLD] * 3).blocks)
    [light] = common.on(STEM, [NEW]).blocks
    rest = common.on(RIGHT, [NEW])
    [heavy] = common.on(OTHER, [OLD]).blocks
    node.submit(light, *rest.blocks, heavy)
    [comes] = rest.on(RIGHT, [NEW]).blocks
    size = sum(len(part) for part in (light.header.to_bytes(), light.body.to_bytes(), light.proof))
    known = node.manager.known
    known.branches.limit = known.branches.taken + size // 2 - size
    with pytest.raises(NoRoomBesideError):
        node.submit(comes)
    left = light.header.block_id
    assert known.branches.holds(left) == node.manager.knows(left)
    assert (node.manager.headers_of(left) is not None) == node.manager.knows(left)


def test_a_block_that_the_system_refuses_drives_no_other_out(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = stem()
    node.submit(*common.blocks, *common.on(LEFT, [OLD] * 3).blocks)
    [light] = common.on(STEM, [NEW]).blocks
    rest = common.on(RIGHT, [NEW])
    [comes] = rest.on(RIGHT, [NEW]).blocks
    node.submit(light, *rest.blocks)
    branches = node.manager.known.branches
    # Once the lightest has left there is enough.
    branches.limit = branches.taken + 2_000

    def refusing(*_: Any) -> None:
        raise SystemRefusedError(node.datadir, 28, "No space left on device")

    monkeypatch.setattr(SideBlocks, "put", refusing)
    with pytest.raises(SystemRefusedError):
        node.submit(comes)
    assert node.manager.knows(light.header.block_id)
    assert branches.holds(light.header.block_id)
    assert not node.manager.knows(comes.header.block_id)


def test_headers_that_find_no_room_drive_no_other_out(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lightest would leave, and then nothing lighter is left: so it need not leave either."""
    common = stem()
    node.submit(*common.blocks, *common.on(LEFT, [OLD] * 3).blocks)
    [light] = common.on(STEM, [NEW]).blocks
    [heavy] = common.on(OTHER, [OLD]).blocks
    rest = common.on(RIGHT, [NEW])
    [comes] = rest.on(RIGHT, [NEW]).blocks
    monkeypatch.setattr(KnownBlocks, "may_follow", lambda *_: False)
    node.submit(light, heavy, *rest.blocks)
    monkeypatch.setattr("esper.node.chain.branches.HEADERS_ONLY", 1)
    with pytest.raises(NoRoomBesideError):
        node.submit(comes)
    assert node.manager.knows(light.header.block_id)
    assert node.manager.headers_of(light.header.block_id) is not None
