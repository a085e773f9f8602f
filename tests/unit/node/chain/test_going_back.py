"""A node that has to go back further than its undo records reach does so at its next start."""

from pathlib import Path

import pytest

from esper.node.chain import going_back
from esper.node.chain.chain_service import StartAgainError
from esper.node.chain.milestones import MilestoneFile
from esper.node.datadir import DataDirectory
from esper.primitives.ids import BlockId
from esper.storage.taking_off import take_off
from tests.support.node.node_world import PARAMS, go, jump, node_world
from tests.unit.node.chain.test_node_chain_service import LEFT, RIGHT


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Path, BlockId]:
    """A directory whose node was asked to go back to the genesis and could not."""
    found: list[BlockId] = []

    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            for block in RIGHT:
                jump(60)
                await world.take(block)
            chain = world.node.chain
            genesis = chain.view.store.index.genesis.block_id
            # As after an older program, or an index that was built anew.
            world.node.manager.store.index.store.write([(b"u" + (1).to_bytes(8, "big"), None)])
            with pytest.raises(StartAgainError, match="start it again"):
                await chain.reroot(genesis)
            assert chain.tip == RIGHT[2].header.block_id
            found.append(genesis)

    go(main)
    return tmp_path, found[0]


def check_back_and_on(path: Path, genesis: BlockId) -> None:
    async def main() -> None:
        async with node_world(path, mines=False) as world:
            assert world.node.chain.tip == genesis
            for block in LEFT:
                await world.take(block)
            assert world.node.chain.tip == LEFT[1].header.block_id

    go(main)
    assert MilestoneFile(path).load().back_to is None

    async def again() -> None:
        async with node_world(path, mines=False) as world:
            assert world.node.chain.tip == LEFT[1].header.block_id

    go(again)


def test_the_next_start_executes_from_the_genesis_on(asked: tuple[Path, BlockId]) -> None:
    check_back_and_on(*asked)


@pytest.mark.parametrize("step", ["take_off", "rebuild_index"])
def test_killed_on_the_way_the_start_after_goes_on(
    asked: tuple[Path, BlockId], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(going_back, step, killed)
    with pytest.raises(KeyboardInterrupt):
        going_back.go_back_if_asked(DataDirectory(asked[0], PARAMS))
    monkeypatch.undo()
    check_back_and_on(*asked)


def test_a_crash_that_kept_some_of_it_is_gone_on_from(asked: tuple[Path, BlockId]) -> None:
    take_off(asked[0], [block.header.block_id for block in RIGHT[:0:-1]])
    check_back_and_on(*asked)


def test_a_crash_that_kept_what_cannot_be_undone(asked: tuple[Path, BlockId]) -> None:
    take_off(asked[0], [block.header.block_id for block in RIGHT[::-1]])
    check_back_and_on(*asked)


def test_a_block_that_is_not_on_the_chain_any_more_changes_nothing(
    asked: tuple[Path, BlockId],
) -> None:
    directory = DataDirectory(asked[0], PARAMS)
    going_back.go_back(directory, LEFT[0].header.block_id)

    async def main() -> None:
        MilestoneFile(asked[0]).save(type(MilestoneFile(asked[0]).load())())
        async with node_world(asked[0], mines=False) as world:
            assert world.node.chain.tip == RIGHT[2].header.block_id

    go(main)
