"""The way to the best tip: blocks are undone and applied until the chain ends there."""

import logging
from types import MappingProxyType
from typing import Final

from esper.consensus.block import Block
from esper.consensus.block_isolation import BlockContent
from esper.consensus.chain import BlockBytes
from esper.consensus.fork_choice import Path
from esper.consensus.ports import WorkVerifier
from esper.crypto.signatures import SignatureVerifier
from esper.node.chain.block_judge import JudgedBlock
from esper.node.chain.changes.arrival import Arrival, Move
from esper.node.chain.changes.executing import BlockExecutor, block_beside
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.store_state import StoreState, stored_execution
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId
from esper.saying import warn
from esper.storage.side_blocks import SideBlockError

LOG: Final = logging.getLogger("esper.chain")
PRUNE_EVERY: Final = 64
"""Blocks between two looks for proofs that may be deleted."""


class TipMover:
    """Moves a store's chain to the best tip of the tree, and says what happened on the way."""

    def __init__(
        self,
        known: KnownBlocks,
        state: StoreState,
        verifier: WorkVerifier,
        signatures: SignatureVerifier,
        *,
        prune: bool,
    ) -> None:
        """``prune`` deletes proofs below the pruning depth."""
        self._known = known
        self._store = known.store
        self._state = state
        self._executor = BlockExecutor(verifier, signatures)
        self._prune = prune
        self.move = Move()
        """What happened since ``begin``."""

    def begin(self) -> BlockId:
        """Begin a change of chain; the tip before it."""
        self.move = Move()
        return self._known.tip_id

    def move_to_best(self, fresh: JudgedBlock | None) -> None:
        """Undo and apply until the best tip is the chain's; ``move`` says what happened."""
        before = self._known.tip_id
        while (best := self._known.tree.best_tip()) != self._known.tip_id:
            path = self._known.tree.path(self._known.tip_id, best)
            bare = next((one for one in path.apply if self._known.branches.is_bare(one)), None)
            if bare is not None:
                # It was too deep to be kept when it came; whoever has it may bring it again.
                self._known.forget(bare)
                continue
            self.check_undoable(len(path.undo))
            for block_id in path.undo:
                self._known.branches.put_aside(block_id, self._known.stored(block_id))
            for block_id in path.undo:
                undo = self._store.index.undo(self._known.tree.height(block_id)) or ()
                self._store.rewind()
                self.move.touched.update(old.path for old in undo)
            for block_id in path.apply:
                try:
                    self.apply(*self._ready(block_id, fresh))
                except SideBlockError as error:
                    self.lose(block_id, error)
                    break
                except RuleViolation as violation:
                    if consequence_of(violation, Stage.STATE) is Consequence.HALT:
                        raise
                    self.mark(block_id, violation)
                    break
        self._keep_if_left(fresh)
        self.prune_passed(before)
        self.settle(before)

    def apply(self, data: BlockBytes, block: Block, content: BlockContent) -> None:
        """Execute a block on top of the tip. Raises the rule that it breaks there."""
        block_id = block.header.block_id
        parent = self._known.executed[block.header.pre.parent]
        context, execution = self._executor.execute(parent, self._state, block, content)
        # Before the tip moves: whoever looks at it from outside finds its context.
        self._known.headers[block_id] = self._known.executed[block_id] = context
        self._store.append(block_id, data, stored_execution(execution, context))
        self.move.touched.update(change.path for change in execution.changes)
        self.move.passed(block, content)
        self.move.executed.append(block_id)
        self._known.branches.drop(block_id)

    def tell(self) -> None:
        """What builds on blocks that were executed just now knows what they confirmed."""
        executed, self.move.executed = self.move.executed, []
        for block_id in executed:
            self._known.tell_above(block_id)

    def lose(self, block_id: BlockId, error: SideBlockError) -> None:
        """The disk lost a block beside the chain: whoever has the branch may bring it again."""
        warn(
            LOG,
            "branch_lost",
            "a block beside the chain is damaged and forgotten with its branch: {reason}",
            reason=f"{error.path}: {error.reason}",
            block=block_id.hex(),
        )
        self._known.forget(block_id)

    def mark(self, block_id: BlockId, violation: RuleViolation) -> None:
        """A block broke a rule on its parent's state: it and all above it are invalid."""
        for marked in self._known.tree.mark_invalid(block_id):
            self.move.invalid[marked] = violation
            self._known.branches.drop(marked)

    def arrival(self, block_id: BlockId, before: BlockId, *, new: bool) -> Arrival:
        """The change since ``begin``, from the tip ``before``, by the arrival of a block."""
        tip, path = self._known.tip_id, Path((), ())
        if before in self._known.tree:
            path = self._known.tree.path(before, tip)
        move = self.move
        return Arrival(
            block_id,
            new,
            path.undo,
            path.apply,
            MappingProxyType(move.invalid),
            frozenset(move.touched),
            rerooted=before not in self._known.tree,
            waiting=tuple(move.waiting),
            read=MappingProxyType(move.read),
        )

    def prune_passed(self, before: BlockId) -> None:
        """Prune once so many blocks joined the chain."""
        tip, depth = self._store.tip.height, self._known.params.limits.pruning_depth
        passed = self._known.tree.height(before) // PRUNE_EVERY < tip // PRUNE_EVERY
        if self._prune and tip > depth and passed:
            self._store.prune_proofs(tip - depth)

    def settle(self, before: BlockId) -> None:
        """Forget branches that the undo depth has left behind.

        What left the chain just now stays, however many blocks joined it: followers read it.
        """
        self.tell()
        known = self._known
        joined = known.tree.path(before, known.tip_id).apply
        remembered = 2 * known.params.limits.undo_depth
        far = len(joined) > remembered
        known.tree.settle(joined[remembered - 1] if far else known.tip_id)
        gone = [block_id for block_id in known.headers if block_id not in known.tree]
        for block_id in gone if known.keeps_far else ():
            # Somebody may still be about to prove that it weighs more.
            if known.branches.never_executed(block_id):
                data = known.branches.get(block_id)
                if known.far.has_room(data):
                    known.far.keep(block_id, known.headers[block_id], data)
        known.forget_contexts(gone)

    def _keep_if_left(self, fresh: JudgedBlock | None) -> None:
        """A fresh block that the way to the best tip led past is kept beside the chain."""
        if fresh is None or fresh.block_id not in self._known.tree:
            return
        block_id = fresh.block_id
        known = self._known.branches.holds(block_id) or self._known.branches.is_bare(block_id)
        if known or self._known.tree.is_invalid(block_id):
            return
        if self._store.index.height_of(block_id) is None:
            self._known.branches.put_aside(block_id, fresh.data)

    def check_undoable(self, depth: int) -> None:
        """A chain that has been higher has fewer undo records than the undo depth.

        Raises TooDeepReorganisation before anything is undone.
        """
        tip = self._store.tip.height
        kept = next(
            (n for n in range(depth) if self._store.index.undo(tip - n) is None),
            depth,
        )
        if kept < depth:
            raise TooDeepReorganisation(depth, kept)

    def _ready(
        self, block_id: BlockId, fresh: JudgedBlock | None
    ) -> tuple[BlockBytes, Block, BlockContent]:
        """A block to be executed: the fresh one, or one that waits beside the chain."""
        if fresh is not None and fresh.block_id == block_id:
            return fresh.data, fresh.block, fresh.content
        data = self._known.branches.get(block_id)
        return data, *block_beside(data, self._known.params.limits)
