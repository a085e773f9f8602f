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
from esper.node.chain.block_judge import JudgementError
from esper.node.chain.branches import NoRoomBesideError, side_bytes_of
from esper.node.chain.chain_service import ChainService
from esper.node.chain.changes import visits
from esper.node.chain.changes.arrival import Adopted, Arrival
from esper.node.chain.changes.executing import BlockExecutor
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.changes.visiting import VISIT_FOLDER, VisitState, visiting_state
from esper.primitives.errors.block_errors import StateRootViolation
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.consequences import Stage
from esper.primitives.networks import MAINNET
from esper.primitives.units import RANGE_512
from esper.storage.chain_reader import ChainReader
from esper.storage.errors import DiskReserveError
from esper.storage.side_blocks import SideBlocks
from esper.storage.store_options import StoreOptions
from esper.storage.system_errors import SystemRefusedError
from tests.support.node.deep_world import PARAMS, UNDO, DeepWorld, RealMakers
from tests.support.rotations import (
    FAR,
    HORIZON,
    LEFT,
    NEW,
    OLD,
    OTHER,
    RIGHT,
    STEM,
    Node,
    confirming,
)
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
    def full_once(
        datadir: Path, reader: ChainReader, options: StoreOptions
    ) -> Iterator[VisitState]:
        # The block itself took the last room above the reserve.
        if len(refused) <= restarted:
            refused.append(1)
            raise DiskReserveError(datadir, 0, 1)
        with visiting_state(datadir, reader, options) as state:
            yield state

    monkeypatch.setattr(visits, "visiting_state", full_once)
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


class Held:
    """Executes the blocks of visits once it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.blocks = 0
        real = BlockExecutor.execute

        def slow(executor: BlockExecutor, parent: Any, state: Any, block: Any, content: Any) -> Any:
            if isinstance(state, VisitState):
                self.began.set()
                assert self.go_on.wait(60)
                self.blocks += 1
            return real(executor, parent, state, block, content)

        monkeypatch.setattr(BlockExecutor, "execute", slow)

    async def until_began(self) -> None:
        await trio.to_thread.run_sync(self.began.wait)


def test_the_chain_grows_while_a_branch_is_visited(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit takes as long as L full blocks; meanwhile every new block of the chain would wait."""
    heavy, light = beside(node)
    node.submit(*light.blocks[:-1])
    [above] = heavy.on(LEFT, [OLD]).blocks
    held = Held(monkeypatch)
    service = ChainService(node.manager, lambda: FAR)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.submit, BlockBytes.of(light.blocks[-1]))
            await held.until_began()
            await service.submit(BlockBytes.of(above))
            tips.append(service.tip)
            held.go_on.set()

    tips: list[bytes] = []
    trio.run(main)
    assert tips == [above.header.block_id]
    # What the visit found by the state of before is taken up on top of the chain of now.
    assert node.manager.headers_of(light.chain.context.tip_id) == light.chain.context


def test_a_visit_of_a_branch_that_became_the_chain_meanwhile_changes_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks that it reads are not beside the chain any more: none of them is lost."""
    _, light = beside(node)
    node.submit(*light.blocks[:-1])
    mover = node.manager._mover
    held = Held(monkeypatch)
    service = ChainService(node.manager, lambda: FAR)

    def take_the_branch() -> Arrival:
        tree, before = type(node.manager.known.tree), mover.begin()
        with monkeypatch.context() as patched:
            patched.setattr(tree, "best_tip", lambda _: light.chain.context.tip_id)
            mover.move_to_best(None)
        return mover.arrival(before, before, new=False)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.submit, BlockBytes.of(light.blocks[-1]))
            await held.until_began()
            await service._change(take_the_branch)
            held.go_on.set()

    trio.run(main)
    assert node.stands_on(light.chain)
    assert held.blocks < HORIZON
    assert all(node.manager.knows(one.header.block_id) for one in light.blocks)


def test_a_visit_that_is_cancelled_ends_at_its_next_block_and_keeps_what_it_found(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node stops within a second, whatever it looks at; and nobody makes it look in vain."""
    _, light = beside(node)
    node.submit(*light.blocks[:-1])
    held = Held(monkeypatch)
    service = ChainService(node.manager, lambda: FAR)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.submit, BlockBytes.of(light.blocks[-1]))
            await held.until_began()
            nursery.cancel_scope.cancel()
            held.go_on.set()

    trio.run(main)
    assert held.blocks == 1
    found = node.manager.headers_of(light.chain.context.tip_id)
    assert found is not None
    assert found.executed_height == light.blocks[0].header.pre.height


def test_the_end_of_a_branch_that_fails_in_a_visit_is_refused_with_its_rule(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy, light = beside(node)
    node.submit(*light.blocks[:-1])
    broken = light.blocks[-1].header.block_id
    real = BlockExecutor.execute

    def fails(executor: BlockExecutor, parent: Any, state: Any, block: Any, content: Any) -> Any:
        if block.header.block_id == broken:
            raise StateRootViolation(bytes(32), bytes(32))
        return real(executor, parent, state, block, content)

    monkeypatch.setattr(BlockExecutor, "execute", fails)
    service = ChainService(node.manager, lambda: FAR)

    async def given() -> Adopted:
        below = node.manager.headers_of(light.blocks[-2].header.block_id)
        assert below is not None
        return await service.adopt_many(
            [await service.judging.judge(BlockBytes.of(light.blocks[-1]), below)]
        )

    adopted = trio.run(given)
    assert adopted.done == 0
    assert isinstance(adopted.failure, JudgementError)
    assert (adopted.failure.stage, adopted.failure.block_id) == (Stage.STATE, broken)
    assert node.stands_on(heavy.chain)
    with pytest.raises(InvalidAncestorViolation):
        trio.run(service.submit, BlockBytes.of(light.blocks[-1]))


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
