"""The block tree against an oracle that keeps every block and works everything out anew."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esper.consensus.fork_choice import RIVAL_MS, TAG_DRAW, BlockTree, ProvenBlock
from esper.primitives.errors.chain_errors import (
    InvalidAncestorViolation,
    InvalidSiblingViolation,
    TooDeepReorganisation,
)
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.hashing import tagged_hash
from esper.primitives.ids import BlockId, WorkId

UNDO = 3
SECRET = b"secret of this node"


@dataclass
class Oracle:
    """Lists and loops only."""

    blocks: dict[BlockId, ProvenBlock]
    root: BlockId
    marked: set[BlockId]

    def line(self, block_id: BlockId) -> list[BlockId]:
        """From a block down to the root, both included; empty if it does not lead there."""
        found = []
        while block_id in self.blocks:
            found.append(block_id)
            if block_id == self.root:
                return found
            block_id = self.blocks[block_id].parent_id
        return []

    def known(self) -> list[BlockId]:
        return [block_id for block_id in self.blocks if self.line(block_id)]

    def invalid(self, block_id: BlockId) -> bool:
        return any(ancestor in self.marked for ancestor in self.line(block_id))

    def total(self, block_id: BlockId) -> int:
        return sum(self.blocks[ancestor].weight for ancestor in self.line(block_id))

    def best(self) -> BlockId:
        valid = [self.blocks[b] for b in self.known() if not self.invalid(b)]
        most = max(self.total(block.block_id) for block in valid)
        tied = [block for block in valid if self.total(block.block_id) == most]
        first = min(tied, key=lambda block: block.order)
        near = [b for b in tied if abs(b.received_ms - first.received_ms) <= RIVAL_MS]
        heads = [
            block
            for block in near
            if all(o.work_id != block.work_id or o.order >= block.order for o in near)
        ]
        return min(heads, key=lambda b: tagged_hash(TAG_DRAW, SECRET, b.work_id)).block_id


class TreeMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        first = BlockId(b"0")
        root = ProvenBlock(first, BlockId(b""), WorkId(b"w0"), 5, 0, 0)
        self.tree = BlockTree(root, height=0, total=5, undo_depth=UNDO, secret=SECRET)
        self.oracle = Oracle({first: root}, first, set())
        self.order = 0
        self.now = 0
        self.tip = first

    def pick(self, data: st.DataObject) -> BlockId:
        """Any block that ever was: recent ones more often."""
        ids = list(self.oracle.blocks)
        return ids[-1 - min(data.draw(st.integers(0, 12)), len(ids) - 1)]

    @rule(
        data=st.data(), weight=st.sampled_from([1, 1, 1, 2, 3]), passed=st.sampled_from([0, 3000])
    )
    def grow(self, data: st.DataObject, weight: int, passed: int) -> None:
        parent = self.pick(data)
        self.order += 1
        self.now += passed
        name = BlockId(b"%d" % self.order)
        twins = [
            block
            for block in self.oracle.blocks.values()
            if block.parent_id == parent and block.weight == weight
        ]
        twin = data.draw(st.sampled_from([None, *twins]))
        work = twin.work_id if twin else WorkId(b"w" + name)
        block = ProvenBlock(name, parent, work, weight, self.order, self.now)
        if not self.oracle.line(parent):
            with pytest.raises(UnknownParentViolation):
                self.tree.add(block)
        elif self.oracle.invalid(parent):
            with pytest.raises(InvalidAncestorViolation):
                self.tree.add(block)
        elif twin is not None and twin.block_id in self.oracle.marked:
            with pytest.raises(InvalidSiblingViolation):
                self.tree.add(block)
        else:
            assert self.tree.add(block)
            assert not self.tree.add(block)
            self.oracle.blocks[name] = block

    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        found = self.pick(data)
        if found == self.oracle.root:
            with pytest.raises(TooDeepReorganisation):
                self.tree.mark_invalid(found)
        elif not self.oracle.line(found):
            with pytest.raises(KeyError):
                self.tree.mark_invalid(found)
        else:
            failed = self.oracle.blocks[found]
            twins = {
                block.block_id
                for block in self.oracle.blocks.values()
                if (block.parent_id, block.work_id) == (failed.parent_id, failed.work_id)
            }
            marked = self.tree.mark_invalid(found)
            assert marked[0] == found
            self.oracle.marked |= twins
            assert all(self.oracle.invalid(one) for one in marked)

    @rule()
    def follow(self) -> None:
        """Move the node to the best tip as far as it may, and forget."""
        best = self.tree.best_tip()
        old, new = self.oracle.line(self.tip), self.oracle.line(best)
        undo = [block for block in old if block not in new]
        if len(undo) > UNDO:
            with pytest.raises(TooDeepReorganisation) as halted:
                self.tree.path(self.tip, best)
            assert halted.value.depth == len(undo)
            return
        path = self.tree.path(self.tip, best)
        assert list(path.undo) == undo
        assert list(path.apply) == [block for block in reversed(new) if block not in old]
        self.tip = best
        self.tree.settle(best)
        self.oracle.root = new[min(2 * UNDO, len(new) - 1)]

    @precondition(lambda self: hasattr(self, "tree"))
    @invariant()
    def agree(self) -> None:
        assert self.tree.root == self.oracle.root
        assert self.tree.best_tip() == self.oracle.best()
        known = self.oracle.known()
        assert len(self.tree) == len(known)
        offset = self.tree.total(self.oracle.root) - self.oracle.total(self.oracle.root)
        for block_id in known:
            assert block_id in self.tree
            assert self.tree.is_invalid(block_id) == self.oracle.invalid(block_id)
            assert self.tree.total(block_id) == self.oracle.total(block_id) + offset


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
