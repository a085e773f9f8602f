"""Branches that leave the chain deeper than it goes back by itself: kept, stood on, left again."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from esper.node.chain.block_judge import JudgedBlock
from esper.node.chain.chain_service import FinalChainError, StartAgainError
from esper.node.chain.changes.arrival import Adopted
from esper.node.chain.milestones import MilestoneFile
from esper.primitives.errors.block_errors import StateRootViolation
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.ids import BlockId
from esper.storage.errors import StorageError, UnknownBlockError
from esper.storage.side_blocks import FAR_FOLDER, SideBlocks
from tests.support.node.deep_world import PARAMS, UNDO, Disk, RealMade, RealMakers

MAKERS = RealMakers()
STEM = MAKERS.chain(MAKERS.genesis, 3)
OLD = MAKERS.chain(STEM[-1], 20)
NEW = MAKERS.chain(STEM[-1], 9)
MORE = MAKERS.chain(NEW[-1], 3)
BAD = MAKERS.chain(STEM[-1], 6, spoiled=3)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    opened = Disk(tmp_path, PARAMS)

    async def grow() -> None:
        await opened.service.keep_undo_from(3)
        await give(opened, [*STEM, *OLD])

    trio.run(grow)
    yield opened
    opened.store.close()


async def give(disk: Disk, blocks: Sequence[RealMade]) -> Adopted:
    judged = []
    for made in blocks:
        assert made.parent is not None
        judged.append(
            await disk.service.judging.judge(made.data, made.parent.headers, received_ms=0)
        )
    return await disk.service.adopt_many(judged)


def go(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    trio.run(test)


def far_on_disk(disk: Disk) -> set[BlockId]:
    return set(SideBlocks(disk.store.datadir, FAR_FOLDER))


def reopened(disk: Disk) -> Disk:
    disk.store.close()
    return Disk(disk.store.datadir, PARAMS)


def test_a_far_branch_is_kept_stood_on_and_left_again(disk: Disk) -> None:
    service, manager = disk.service, disk.manager

    async def main() -> None:
        assert (await give(disk, NEW)).done == len(NEW)
        assert service.tip == OLD[-1].block_id
        assert far_on_disk(disk) == {made.block_id for made in NEW}
        for made in (*STEM, *OLD, *NEW):
            headers = service.headers_of(made.block_id)
            assert headers is not None
            assert (headers.tip_id, headers.weight) == (made.block_id, made.headers.weight)
        proven = disk.verifier.verified
        await service.stand_on(NEW[-1].block_id)
        assert service.tip == NEW[-1].block_id
        assert service.view.context == NEW[-1].chain.context
        assert disk.store.state.root == NEW[-1].chain.state.root
        assert far_on_disk(disk) == set()
        # Both are known, and the one that was left is read by its ids.
        assert service.headers_of(OLD[-1].block_id) is not None
        assert service.blocks.parts(OLD[7].block_id) == OLD[7].data
        await service.stand_on(OLD[-1].block_id)
        assert service.view.context == OLD[-1].chain.context
        assert service.headers_of(NEW[-1].block_id) is not None
        await service.stand_on(NEW[2].block_id)
        assert service.tip == NEW[2].block_id
        assert disk.verifier.verified == proven

    go(main)
    assert manager.halted is None


def test_after_a_block_that_fails_the_chain_stands_where_it_was(disk: Disk) -> None:
    service = disk.service

    async def main() -> None:
        assert (await give(disk, BAD)).done == len(BAD)
        with pytest.raises(StateRootViolation):
            await service.stand_on(BAD[-1].block_id)
        assert service.view.context == OLD[-1].chain.context
        # It may not come again, nor what builds on it; what is below it may.
        assert far_on_disk(disk) == set()
        for made in BAD[3:]:
            adopted = await give(disk, [made])
            assert adopted.done == 0
            assert isinstance(adopted.failure.violation, InvalidAncestorViolation)  # type: ignore[union-attr]
        with pytest.raises(InvalidAncestorViolation):
            disk.manager.check_may_lead(BAD[4].header)
        await service.stand_on(OLD[-1].block_id)

    go(main)
    assert disk.manager.check_may_lead(BAD[2].header).tip_id == BAD[1].block_id


def test_without_undo_records_the_next_start_goes_over(disk: Disk) -> None:
    async def main() -> None:
        await disk.service.keep_undo_from(None)
        await give(disk, NEW)
        with pytest.raises(StartAgainError):
            await disk.service.stand_on(NEW[-1].block_id)
        assert disk.service.tip == OLD[-1].block_id

    go(main)
    again = reopened(disk)
    disk.store = again.store
    assert again.service.tip == NEW[-1].block_id
    assert again.service.halted == ""
    assert far_on_disk(again) == set()
    assert MilestoneFile(again.store.datadir).load().back_to is None


def test_far_branches_outlive_a_restart_and_damage_costs_one_branch(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    go(lambda: give(disk, NEW))  # type: ignore[arg-type, return-value]
    again = reopened(disk)
    disk.store = again.store
    assert again.service.tip == OLD[-1].block_id
    assert list(again.manager.known.far) == [made.block_id for made in NEW]
    path = again.store.datadir / FAR_FOLDER / f"{NEW[4].block_id.hex()}.block"
    path.write_bytes(path.read_bytes()[:-1])
    third = reopened(again)
    disk.store = third.store
    assert "forgotten with its branch" in caplog.text
    assert far_on_disk(third) == {made.block_id for made in NEW[:4]}

    async def main() -> None:
        with pytest.raises(UnknownBlockError):
            await third.service.stand_on(NEW[-1].block_id)
        assert third.service.tip == OLD[-1].block_id
        await third.service.stand_on(NEW[3].block_id)
        assert third.service.tip == NEW[3].block_id

    go(main)


def test_they_take_no_more_room_than_the_horizon(disk: Disk) -> None:
    far = disk.manager.known.far
    horizon = UNDO + UNDO // 5

    async def main() -> None:
        await give(disk, BAD)
        assert len(far) == len(BAD)
        # The oldest leave for a branch that is proven now; that one never leaves for itself.
        assert (await give(disk, NEW)).done == len(NEW) == horizon
        assert all(made.block_id in far for made in NEW)
        assert len(far) <= horizon + 1
        assert (await give(disk, MORE)).done == 1
        assert len(far) == horizon + 1
        assert far.taken == sum(
            path.stat().st_size for path in (disk.store.datadir / FAR_FOLDER).iterdir()
        )

    go(main)


def test_what_lies_beyond_the_horizon_is_not_taken_up_by_the_next_start(disk: Disk) -> None:
    horizon = PARAMS.governance.horizon
    branch = MAKERS.chain(STEM[-1], horizon + 1)
    for made in branch:
        # Whoever kept it had executed more of the branch.
        disk.manager.known.far.keep(made.block_id, made.headers, made.data)
    again = reopened(disk)
    assert set(again.manager.known.far) == {made.block_id for made in branch[:horizon]}
    assert far_on_disk(again) == set(again.manager.known.far)
    again.store.close()


def test_a_chain_that_was_current_keeps_none(disk: Disk) -> None:
    async def main() -> None:
        await give(disk, NEW)
        await disk.service.note_synced()
        assert far_on_disk(disk) == set()
        assert (await give(disk, NEW)).done == 0
        assert far_on_disk(disk) == set()
        with pytest.raises(FinalChainError):
            await disk.service.stand_on(NEW[0].block_id)

    go(main)


def test_what_builds_on_nothing_that_is_here_is_refused(disk: Disk) -> None:
    async def main() -> None:
        adopted = await give(disk, MORE)
        assert adopted.done == 0
        assert isinstance(adopted.failure.violation, UnknownParentViolation)  # type: ignore[union-attr]
        with pytest.raises(UnknownParentViolation):
            disk.manager.check_may_lead(MORE[0].header)

    go(main)


def test_a_chain_that_was_left_is_taken_up_again_if_it_parts_near(disk: Disk) -> None:
    """It was far from the chain that was left for it, and is not from a short heavy one."""

    async def main() -> None:
        await give(disk, NEW)
        await disk.service.stand_on(OLD[5].block_id)
        await disk.service.stand_on(NEW[4].block_id)
        adopted = await give(disk, [OLD[6]])
        assert (adopted.done, adopted.failure) == (1, None)
        assert disk.service.tip == OLD[6].block_id
        assert disk.store.state.root == OLD[6].chain.state.root

    go(main)


def test_wishes_for_undo_records_are_seen_to_before_the_next_blocks(tmp_path: Path) -> None:
    opened = Disk(tmp_path, PARAMS)

    async def main() -> None:
        await give(opened, [*STEM, *OLD[:5]])
        opened.service.want_undo_from(3)
        await give(opened, OLD[5:])
        await give(opened, NEW)
        await opened.service.stand_on(NEW[-1].block_id)
        assert opened.service.tip == NEW[-1].block_id

    go(main)
    opened.store.close()


@pytest.mark.parametrize("kept", [True, False], ids=["of the visit", "of the block"])
def test_a_visit_that_is_refused_keeps_no_node_from_opening(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    known, ways = disk.manager.known, disk.manager._far_ways
    adopted: list[BlockId] = []

    def refusing(judged: JudgedBlock) -> None:
        adopted.append(judged.block_id)
        if kept:
            # In the tree, wherever: what was refused came after that.
            monkeypatch.setattr(known, "tree", {judged.block_id})
        raise StorageError("no space left on device")

    async def main() -> None:
        assert (await give(disk, NEW[:1])).done == 1

    go(main)
    monkeypatch.setattr(ways._adopter, "adopt", refusing)
    monkeypatch.setattr(type(known), "may_follow", lambda *_: True)
    if kept:
        ways.follow_kept()
    else:
        with pytest.raises(StorageError):
            ways.follow_kept()
    assert adopted == [NEW[0].block_id]
    assert (NEW[0].block_id in known.far) is not kept
