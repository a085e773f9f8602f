"""Branches whose models depend on what their own blocks confirmed: visits, switches, restarts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.header_chain import HeaderChain
from esper.dao.registry import ONE
from esper.node.chain.changes.executing import BlockExecutor
from esper.node.chain.changes.visiting import VISIT_FOLDER
from esper.node.chain.changes.visits import Visit, Visitor
from esper.node.chain.store_state import genesis_of, replay_of
from esper.primitives.errors.block_errors import StateRootViolation
from esper.primitives.errors.header_errors import HorizonViolation
from esper.storage.errors import DiskReserveError
from esper.storage.reindex import reindex
from esper.storage.store_options import StoreOptions
from tests.support.rotations import (
    HORIZON,
    LEFT,
    NEW,
    NEWER,
    OLD,
    PARAMS,
    RIGHT,
    STEM,
    TIER_1,
    UNDO,
    Grown,
    Node,
    Plan,
    activation,
    confirming,
    genesis,
    reversal,
    settlement,
)

PLAN: Plan = {
    # From height 6 on the old model is mined at a quarter of its target: four times the weight.
    (STEM, 1): (activation(1 + HORIZON, NEW),),
    (RIGHT, 8): (activation(8 + HORIZON, NEWER),),
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with confirming(PLAN):
        opened = Node(tmp_path / "node")
        yield opened
        opened.store.close()


def stem() -> Grown:
    return genesis().on(STEM, [OLD] * HORIZON)


def beside(node: Node, ours: int = 3) -> tuple[Grown, Grown]:
    """A node on heavy blocks of the old model, and a branch of light ones up to its horizon."""
    common = stem()
    heavy = common.on(LEFT, [OLD] * ours)
    node.submit(*common.blocks, *heavy.blocks)
    light = common.on(RIGHT, [NEW] * HORIZON)
    return heavy, light


def same_rules(one: HeaderChain | None, other: HeaderChain | None) -> bool:
    assert one is not None
    assert other is not None
    entries = [entry for tier in other.registry.tiers for entry in tier.entries]
    return (
        one.registry == other.registry
        and one.tiers == other.tiers
        and [one.target(entry) for entry in entries] == [other.target(entry) for entry in entries]
    )


def test_who_executed_a_branch_and_who_did_not_agree_up_to_its_horizon(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Visitor, "begin", lambda *_: None)
    common = stem()
    node.submit(*common.blocks, *common.on(LEFT, [OLD] * 4).blocks)
    light = common.on(RIGHT, [NEW] * (HORIZON - 1))
    other = Node(tmp_path / "other")
    for block in light.blocks:
        node.submit(block)
    other.submit(*common.blocks, *light.blocks)
    assert other.stands_on(light.chain)
    for block in light.blocks:
        ours = node.manager.headers_of(block.header.block_id)
        theirs = other.manager.headers_of(block.header.block_id)
        assert same_rules(ours, theirs)
        assert ours is not None
        assert ours.executed_height == common.height
    other.store.close()


def test_a_branch_is_visited_at_its_horizon_and_followed_when_it_is_heavier(node: Node) -> None:
    heavy, light = beside(node)
    for block in light.blocks:
        assert node.submit(block).applied == ()
    # The chain is where it was, and what the branch confirmed is known.
    assert node.stands_on(heavy.chain)
    assert not list((node.datadir / VISIT_FOLDER).glob("*"))
    assert node.manager.headers_of(light.chain.context.tip_id) == light.chain.context
    longer = light.on(RIGHT, [NEW, NEW])
    node.submit(*longer.blocks)
    assert node.stands_on(heavy.chain)
    # From height 13 on the newer model is mined; with 13 blocks the branch is the heavier.
    end = longer.on(RIGHT, [NEWER] * 6)
    arrival = node.submit(*end.blocks)
    assert (len(arrival.undone), len(arrival.applied)) == (3, 13)
    assert node.stands_on(end.chain)
    node.restart()
    assert node.stands_on(end.chain)


def test_a_visited_branch_that_stays_lighter_is_left_beside_and_visited_again_after_a_restart(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy, light = beside(node)
    more = light.on(RIGHT, [NEW, NEW, NEWER])
    node.submit(*light.blocks, *more.blocks)
    assert node.stands_on(heavy.chain)
    visits: list[Visit] = []
    run = Visit.run

    def noted(self: Visit, go_on: Callable[[], None] = lambda: None) -> None:
        visits.append(self)
        run(self, go_on)

    monkeypatch.setattr(Visit, "run", noted)
    node.restart()
    assert len(visits) == 1
    assert node.stands_on(heavy.chain)
    assert all(node.manager.knows(one.header.block_id) for one in (*light.blocks, *more.blocks))
    end = more.on(RIGHT, [NEWER] * 5)
    node.submit(*end.blocks)
    assert node.stands_on(end.chain)


def test_a_full_disk_keeps_a_node_from_visiting_and_not_from_opening(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy, light = beside(node)
    node.submit(*light.blocks)

    def full(*_: object) -> None:
        raise DiskReserveError(node.datadir, 0, 1)

    with monkeypatch.context() as patched:
        patched.setattr(StoreOptions, "check_reserve", full)
        node.restart()
    assert node.stands_on(heavy.chain)
    [above] = light.on(RIGHT, [NEW]).blocks
    with pytest.raises(HorizonViolation):
        node.submit(above)
    # Whoever brings the branch again has it looked at.
    node.submit(light.blocks[-1])
    assert node.submit(above).new


def test_a_header_beyond_the_horizon_waits_and_is_taken_later(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, light = beside(node)
    [above] = light.on(RIGHT, [NEW]).blocks
    with monkeypatch.context() as patched:
        # As long as the machine keeps it from looking.
        patched.setattr(Visitor, "begin", lambda *_: None)
        node.submit(*light.blocks)
        with pytest.raises(HorizonViolation):
            node.submit(above)
    node.submit(light.blocks[-1])
    assert node.submit(above).new


def test_a_block_that_was_judged_before_a_visit_is_told_what_that_found(node: Node) -> None:
    _, light = beside(node)
    node.submit(*light.blocks[:-1])
    below = light.blocks[-2].header.block_id
    sibling = stem().on(RIGHT, [NEW] * (HORIZON - 1)).on(STEM, [NEW]).blocks[0]
    parent = node.manager.headers_of(below)
    assert parent is not None
    judged = node.manager.block_judge.judge(
        BlockBytes.of(sibling), parent, now_ms=node.now_ms, received_ms=node.now_ms
    )
    assert judged.headers.executed_height == HORIZON
    node.submit(light.blocks[-1])
    node.manager.adopt(judged)
    found = node.manager.headers_of(judged.block_id)
    assert found is not None
    assert found.executed_height == 2 * HORIZON - 1


def test_what_builds_on_a_visited_branch_is_told_what_it_confirmed(node: Node) -> None:
    """Two branches leave one another above the fork; the visit of one says more of the other."""
    _, light = beside(node)
    low = stem().on(RIGHT, [NEW] * 3)
    other = low.on(STEM, [NEW])
    node.submit(*low.blocks, *other.blocks)
    before = node.manager.headers_of(other.chain.context.tip_id)
    node.submit(*light.blocks[3:])
    after = node.manager.headers_of(other.chain.context.tip_id)
    assert before is not None
    assert after is not None
    assert (before.executed_height, before.schedule) == (HORIZON, ())
    assert after.executed_height == low.height
    assert after.schedule == low.chain.context.schedule != ()
    assert same_rules(after, other.chain.context)


def test_a_visit_finds_what_fails_and_leaves_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy, light = beside(node)
    node.submit(*light.blocks[:-1])
    broken = light.blocks[1].header.block_id
    # Whoever mined it did the work; its state is not what it says.
    real = BlockExecutor.execute

    def fails(
        self: BlockExecutor, parent: ChainContext, state: Any, block: Block, content: Any
    ) -> Any:
        if block.header.block_id == broken:
            raise StateRootViolation(bytes(32), bytes(32))
        return real(self, parent, state, block, content)

    monkeypatch.setattr(BlockExecutor, "execute", fails)
    arrival = node.submit(light.blocks[-1])
    assert set(arrival.invalid) == {one.header.block_id for one in light.blocks[1:]}
    assert node.stands_on(heavy.chain)
    assert not list((node.datadir / VISIT_FOLDER).glob("*"))


def test_a_branch_that_leaves_too_deep_is_not_visited(node: Node) -> None:
    common = stem()
    heavy = common.on(LEFT, [OLD] * UNDO)
    light = common.on(RIGHT, [NEW] * HORIZON)
    node.submit(*common.blocks, *heavy.blocks, *light.blocks[:-1])
    deeper = heavy.on(LEFT, [OLD])
    node.submit(*deeper.blocks, light.blocks[-1])
    assert node.stands_on(deeper.chain)
    found = node.manager.headers_of(light.blocks[-1].header.block_id)
    assert found is not None
    assert found.executed_height == common.height


BOTH_WAYS: Plan = {
    (STEM, 2): (activation(2 + HORIZON, NEW), activation(3 + HORIZON, TIER_1, ONE // 4)),
    (LEFT, 10): (reversal(10 + HORIZON, NEW),),
    (LEFT, 11): (settlement(11 + HORIZON, NEW), activation(12 + HORIZON, NEWER)),
    (RIGHT, 10): (settlement(10 + HORIZON, NEW),),
    (RIGHT, 12): (reversal(12 + HORIZON, TIER_1, new_tier=True),),
}


def test_reorganisations_over_confirming_blocks_both_ways_with_restarts(tmp_path: Path) -> None:
    with confirming(BOTH_WAYS):
        node = Node(tmp_path / "node")
        common = genesis().on(STEM, [OLD] * 6 + [NEW, TIER_1, NEW])
        node.submit(*common.blocks)
        left = common.on(LEFT, [NEW, NEW])
        right = common.on(RIGHT, [NEW, TIER_1, NEW])
        node.submit(*left.blocks)
        assert node.stands_on(left.chain)
        node.submit(*right.blocks)
        assert node.stands_on(right.chain)
        node.restart()
        assert node.stands_on(right.chain)
        longer = left.on(LEFT, [TIER_1, NEW])
        node.submit(*longer.blocks)
        assert node.stands_on(longer.chain)
        node.restart()
        assert node.stands_on(longer.chain)
        # Over the reversal, the settlement that finds nothing, and the newer model.
        end = longer.on(LEFT, [NEW, OLD, OLD, NEWER, TIER_1, NEWER])
        node.submit(*end.blocks)
        assert node.stands_on(end.chain)
        assert [tier.model for tier in end.chain.context.registry.tiers] == [NEWER, TIER_1]
        node.store.close()


def test_headers_of_old_blocks_are_read_back_as_they_were(tmp_path: Path) -> None:
    plan: Plan = {
        (STEM, 3): (activation(3 + HORIZON, NEW),),
        (STEM, 18): (settlement(18 + HORIZON, NEW), activation(26, TIER_1, ONE // 8)),
        (STEM, 21): (reversal(30, TIER_1, new_tier=True),),
    }
    with confirming(plan):
        node = Node(tmp_path / "node")
        contexts: list[ChainContext] = []
        blocks: list[Block] = []
        grown = genesis()
        for height in range(1, 40):
            grown = grown.on(STEM, [OLD if height < 8 else NEW])
            contexts.append(grown.chain.context)
            blocks += grown.blocks
        node.submit(*blocks)
        for _ in range(2):
            for context in contexts:
                found = node.manager.headers_of(context.tip_id)
                assert found is not None
                assert (found.tip_registry, found.schedule, found.tip_tiers) == (
                    context.tip_registry,
                    context.schedule,
                    context.tip_tiers,
                )
                assert found.executed_height == found.height
            node.restart()
        tip = node.manager.context
        node.store.close()
        reindex(node.datadir, genesis_of(PARAMS), replay_of(PARAMS), node.options)
        node.open()
        assert node.manager.context == tip
        middle = node.manager.headers_of(contexts[19].tip_id)
        assert middle is not None
        assert middle.schedule == contexts[19].schedule
        node.store.close()
