"""Branches that leave the chain deep: what lies beside it and far from it is proven already."""

from collections.abc import Collection, Sequence
from typing import Final

from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.node.chain.block_judge import BlockJudge, JudgedBlock, JudgementError
from esper.node.chain.changes.adopter import Adopter
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.changes.visits import Visitor
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId
from esper.storage.errors import RewindLimitError, StorageError, UnknownBlockError

STEPS_BACK: Final = 64
"""Blocks that are taken off by one commit on the way to a block far below."""


class FarWays:
    """Takes the chain to blocks that are kept, however deep their branch leaves it."""

    def __init__(
        self, known: KnownBlocks, judge: BlockJudge, adopter: Adopter, visitor: Visitor
    ) -> None:
        self._known = known
        self._judge = judge
        self._adopter = adopter
        self._visitor = visitor

    def leaves_deep(self, header: Header) -> bool:
        """Whether a block leaves the chain deeper than that goes back by itself.

        What it builds on is brought to where it has to be for that: into the tree, or out of it.
        Raises what ``check_may_lead`` raises.
        """
        self._known.check_may_lead(header)
        above: list[BlockId] = []
        at, index = header.pre.parent, self._known.store.index
        while at != index.genesis.block_id and index.height_of(at) is None:
            above.append(at)
            if len(above) > self._known.far.most_blocks:
                return True
            at = self._known.parent_of(at) or self._known.parent_left(at)
        above.reverse()
        if not self._known.may_follow(at):
            for beside in above:
                if beside not in self._known.far and self._known.branches.holds(beside):
                    data = self._known.branches.get(beside)
                    self._known.far.keep(beside, self._known.headers[beside], data)
            return True
        outside = [one for one in above if one not in self._known.tree]
        for judged in self.judged_again(outside, 0, 0):
            self._adopter.adopt(judged)
            self._known.far.drop(judged.block_id)
        return False

    def judged_again(
        self, block_ids: Sequence[BlockId], now_ms: int, received_ms: int
    ) -> list[JudgedBlock]:
        """Blocks that are kept, the lowest first: their proofs were verified when they came.

        Raises UnknownParentViolation, and the rule that one of them breaks.
        """
        judged: list[JudgedBlock] = []
        parent: HeaderChain | None = None
        for block_id in block_ids:
            data = self._known.kept(block_id)
            header = read_header(data.header, self._known.params.limits)
            parent = parent or self._known.headers_of(header.pre.parent)
            if parent is None:
                raise UnknownParentViolation(header.pre.parent)
            # Its time had come before it was kept, whatever the clock says since.
            now_ms = max(now_ms, header.pre.time_ms)
            try:
                one = self._judge.judge(
                    data, parent, now_ms=now_ms, received_ms=received_ms, assumed=True
                )
            except JudgementError as refused:
                raise refused.violation from None
            judged.append(one)
            parent = one.headers
        return judged

    def follow_kept(self) -> None:
        """Follow the far branches of an earlier run that leave the chain where it ends now."""
        for block_id in tuple(self._known.far):
            parent = self._known.far.parent_of(block_id)
            if parent is None or not self._known.may_follow(parent):
                continue
            try:
                [judged] = self.judged_again([block_id], 0, 0)
                self._adopter.adopt(judged)
                self._visitor.visit_here(block_id)
            except RuleViolation:
                self._known.far.refuse(block_id)
            except StorageError:
                if block_id not in self._known.tree:
                    raise
                # Of a visit alone: no reason not to open.
            self._known.far.drop(block_id)

    def height_below(self, block_id: BlockId) -> int:
        """The height of a block of the chain above which all can be taken off.

        Raises UnknownBlockError for a block that is not on the chain, RewindLimitError where an
        undo record is missing.
        """
        index = self._known.store.index
        genesis = block_id == index.genesis.block_id
        height = 0 if genesis else index.height_of(block_id)
        if height is None:
            raise UnknownBlockError(f"block {block_id.hex()[:16]} is not on the chain")
        for above in range(height + 1, self._known.store.tip.height + 1):
            if index.undo(above) is None:
                raise RewindLimitError(above)
        return height

    def take_off_above(self, height: int, spared: Collection[BlockId] | None) -> None:
        """Take off all blocks above a height, and forget those beside that are not ``spared``."""
        store, branches = self._known.store, self._known.branches
        while store.tip.height > height:
            with store.group():
                for _ in range(min(STEPS_BACK, store.tip.height - height)):
                    store.rewind(left=True)
        if spared is not None:
            for beside in set(branches.on_disk).difference(spared):
                branches.drop(beside)
