"""Judged blocks come in: into the tree, onto the disk, and on the chain if they lead."""

from collections.abc import Sequence
from typing import Final

from esper.node.chain.block_judge import JudgedBlock
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.changes.tip_mover import TipMover
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId

GROUP_BYTES: Final = 8 << 20
"""Bytes of blocks from which on a group takes no other."""


class Adopter:
    """Takes judged blocks, one by one or in groups that share a commit."""

    def __init__(self, known: KnownBlocks, mover: TipMover) -> None:
        self._known = known
        self._store = known.store
        self._mover = mover

    def adopt(self, judged: JudgedBlock) -> bool:
        """Keep a block, and move to the best tip; whether it was new.

        Raises what ``ChainManager.adopt`` names.
        """
        block_id = judged.block_id
        # Again: others came while it was judged.
        self._known.check_may_come(judged.header)
        if block_id in self._known.tree:
            self.look_again(block_id)
            return False
        self._join(judged)
        try:
            self._mover.move_to_best(judged)
        except BaseException:
            self._forget_unkept(block_id)
            raise
        self._wait_if_due(block_id)
        failed = self._mover.move.invalid.get(block_id)
        if failed is not None and not self._known.tree.is_invalid(judged.header.pre.parent):
            raise failed
        return True

    def look_again(self, block_id: BlockId) -> None:
        """Move to the best tip, for a block that is known. Raises as ``adopt``."""
        self._mover.move_to_best(None)
        self._wait_if_due(block_id)

    def extends_tip(self, judged: JudgedBlock) -> bool:
        """Whether a new block goes on top of the tip, which is the best: it will be the best."""
        tip = self._known.tip_id
        return (
            judged.header.pre.parent == tip
            and judged.block_id not in self._known.tree
            and self._known.tree.best_tip() == tip
        )

    def adopt_group(self, judged: Sequence[JudgedBlock]) -> tuple[int, Exception | None]:
        """Blocks of which the first extends the tip; how many did, and what stopped the next."""
        before, done, failure = self._known.tip_id, 0, None
        try:
            with self._store.group():
                for one in judged:
                    full = self._store.staged_bytes > GROUP_BYTES
                    if done and (full or not self.extends_tip(one)):
                        break
                    try:
                        self._extend(one)
                    except Exception as error:
                        failure = error
                        break
                    done += 1
        except BaseException:
            # None of them was kept; whoever has them may bring them again.
            if done:
                self._known.forget(judged[0].block_id)
            raise
        self._mover.prune_passed(before)
        self._mover.settle(before)
        return done, failure

    def _wait_if_due(self, block_id: BlockId) -> None:
        if self._known.waits_for_visit(block_id):
            self._mover.move.waiting.append(block_id)

    def _extend(self, judged: JudgedBlock) -> None:
        """Put a block on top of the tip. Raises as ``adopt``."""
        block_id = judged.block_id
        self._known.check_may_come(judged.header)
        self._join(judged)
        try:
            self._mover.apply(judged.data, judged.block, judged.content)
        except RuleViolation as violation:
            if consequence_of(violation, Stage.STATE) is Consequence.HALT:
                raise
            self._mover.mark(block_id, violation)
            raise
        except BaseException:
            self._known.forget(block_id)
            raise

    def _join(self, judged: JudgedBlock) -> None:
        """Into the tree, and onto the disk unless it is about to go on top of the tip."""
        pre, block_id = judged.header.pre, judged.block_id
        parent = self._known.headers[pre.parent]
        # More of the branch may have been executed since it was judged.
        self._known.join(parent, judged.headers.told(parent), judged.received_ms)
        if pre.parent == self._known.tip_id:
            return
        try:
            if self._known.may_follow(pre.parent):
                gone = self._known.branches.keep(block_id, judged.data)
            else:
                gone = self._known.branches.keep_bare(block_id)
        except BaseException:
            self._known.tree.forget(block_id)
            del self._known.headers[block_id]
            raise
        self._known.forget_contexts(gone)

    def _forget_unkept(self, block_id: BlockId) -> None:
        """A block that is in the tree and nowhere on disk would block the way for good."""
        if block_id not in self._known.tree or self._known.branches.is_bare(block_id):
            return
        on_disk = self._store.index.height_of(block_id) is not None
        if not on_disk and not self._known.branches.holds(block_id):
            self._known.forget(block_id)
