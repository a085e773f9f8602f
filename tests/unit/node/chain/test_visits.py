"""Visits that are begun, run and ended apart, as the chain changes in between."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esper.node.chain.changes.executing import BlockExecutor
from esper.node.chain.changes.visiting import VISIT_FOLDER
from esper.node.chain.changes.visits import Visit, Visitor
from esper.primitives.errors.block_errors import StateRootViolation
from esper.primitives.ids import BlockId
from tests.support.rotations import FAR, HORIZON, Grown, Node, confirming
from tests.unit.node.chain.test_horizon import PLAN, beside


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with confirming(PLAN):
        opened = Node(tmp_path / "node")
        yield opened
        opened.store.close()


def waiting(node: Node, monkeypatch: pytest.MonkeyPatch) -> tuple[Grown, BlockId]:
    """A branch that waits at its horizon, and its end."""
    _, light = beside(node)
    with monkeypatch.context() as patched:
        patched.setattr(Visitor, "begin", lambda *_: None)
        node.submit(*light.blocks)
    return light, light.blocks[-1].header.block_id


def begun(node: Node, end: BlockId) -> Visit:
    visit = node.manager.begin_visit(end)
    assert visit is not None
    return visit


def failing_at(number: int, light: Grown, monkeypatch: pytest.MonkeyPatch) -> BlockId:
    """The block that from now on breaks a rule when it is executed."""
    broken = light.blocks[number].header.block_id
    real = BlockExecutor.execute

    def fails(executor: BlockExecutor, parent: Any, state: Any, block: Any, content: Any) -> Any:
        if block.header.block_id == broken:
            raise StateRootViolation(bytes(32), bytes(32))
        return real(executor, parent, state, block, content)

    monkeypatch.setattr(BlockExecutor, "execute", fails)
    return broken


def test_what_a_visit_found_is_told_by_its_end(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    _, end = waiting(node, monkeypatch)
    visit = begun(node, end)
    visit.run()
    assert len(visit.executed) == HORIZON
    assert end not in node.manager.known.executed
    node.manager.end_visit(visit)
    assert end in node.manager.known.executed
    assert node.manager.begin_visit(end) is None


def test_nothing_is_kept_of_blocks_that_left_while_they_were_visited(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    light, end = waiting(node, monkeypatch)
    visit = begun(node, end)
    visit.run()
    known = node.manager.known
    known.forget(light.blocks[1].header.block_id)
    node.manager.end_visit(visit)
    kept = [one.header.block_id in known.executed for one in light.blocks]
    assert kept == [True] + [False] * (HORIZON - 1)
    assert not any(one.header.block_id in known.headers for one in light.blocks[1:])


def test_contexts_of_blocks_that_the_chain_executed_meanwhile_stay(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the chain's own context sees no other in its place."""
    _, end = waiting(node, monkeypatch)
    first, second = begun(node, end), begun(node, end)
    first.run()
    second.run()
    node.manager.end_visit(first)
    before = dict(node.manager.known.executed)
    node.manager.end_visit(second)
    assert all(node.manager.known.executed[one] is context for one, context in before.items())


def test_a_block_that_fails_and_left_meanwhile_is_not_marked(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    light, end = waiting(node, monkeypatch)
    broken = failing_at(2, light, monkeypatch)
    visit = begun(node, end)
    visit.run()
    assert visit.failed is not None
    assert visit.failed[0] == broken
    node.manager.known.forget(broken)
    assert not node.manager.end_visit(visit).invalid


def test_a_block_that_fails_twice_is_told_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    light, end = waiting(node, monkeypatch)
    broken = failing_at(2, light, monkeypatch)
    first, second = begun(node, end), begun(node, end)
    first.run()
    second.run()
    assert broken in node.manager.end_visit(first).invalid
    assert not node.manager.end_visit(second).invalid


def test_a_branch_of_which_a_block_is_missing_is_not_visited(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    light, end = waiting(node, monkeypatch)
    node.manager.known.branches.drop(light.blocks[2].header.block_id)
    assert node.manager.begin_visit(end) is None


def test_a_node_that_takes_up_its_branches_while_a_visit_runs_leaves_that_alone(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It visits in place then, in a folder of its own."""
    _, end = waiting(node, monkeypatch)
    visit, manager = begun(node, end), node.manager
    turns: list[bool] = []

    def go_on() -> None:
        turns.append(end in manager.known.executed)
        if len(turns) == 2:
            manager.reroot(manager.context.tip_id, now_ms=FAR)

    visit.run(go_on)
    # What the other one found, though this one was on its way.
    assert turns[2]
    assert len(visit.executed) == HORIZON
    manager.end_visit(visit)
    assert end in manager.known.executed
    assert not list((node.datadir / VISIT_FOLDER).glob("*"))
