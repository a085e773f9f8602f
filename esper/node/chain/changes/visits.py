"""Visits of branches beside the chain: begun and ended by who changes it, made by anybody.

    begin, under the lock --> run, in any thread, for minutes --> end, under the lock

While one runs the chain goes on: what a visit reads was taken when it began, and what it finds is
taken up as far as its blocks are still there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from esper.consensus.context import ChainContext
from esper.consensus.ports import WorkVerifier
from esper.node.chain.changes.executing import BlockExecutor, block_beside
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.changes.tip_mover import TipMover
from esper.node.chain.changes.visiting import visiting_state
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId
from esper.primitives.params import LimitParameters
from esper.storage.chain_reader import ChainReader
from esper.storage.side_blocks import SideBlockError, SideBlocks
from esper.storage.store_options import StoreOptions
from esper.vm.context import ONE_BY_ONE


@dataclass(slots=True)
class Visit:
    """A branch to be executed on a copy of the state, as the chain was when it was begun."""

    block_id: BlockId
    """64 bytes: the end of the branch."""
    undo: tuple[int, ...]
    """Heights of the chain's blocks above the fork, the highest first."""
    apply: tuple[BlockId, ...]
    """The branch's blocks, the lowest first."""
    context: ChainContext
    """The chain up to the fork; then up to the last block that was executed."""
    reader: ChainReader
    """The chain, as it was."""
    datadir: Path
    """Where the branch's blocks lie."""
    options: StoreOptions
    """Of the store."""
    limits: LimitParameters
    """Of the network."""
    executor: BlockExecutor
    """Nobody else's."""
    executed: list[ChainContext] = field(default_factory=list)
    """The chain up to each block that was executed, the lowest first."""
    failed: tuple[BlockId, RuleViolation] | None = None
    """The block that broke a rule on its parent's state, and the rule."""
    lost: tuple[BlockId, SideBlockError] | None = None
    """The block that was not there any more."""

    @property
    def verdict(self) -> RuleViolation | None:
        """The rule that the end of the branch itself broke, None if it did not."""
        if self.failed is None or self.failed[0] != self.block_id:
            return None
        return self.failed[1]

    def run(self, go_on: Callable[[], None] = lambda: None) -> None:
        """Execute the branch, as far as it goes. One visit of a data directory at a time.

        ``go_on`` is called before each block, and raises to end the visit there. Raises
        DiskReserveError, and what the store and a rule that stops the node raise; what was
        executed before it stays.
        """
        datadir, side = self.datadir, SideBlocks(self.datadir)
        with visiting_state(datadir, self.reader, self.options) as state:
            for height in self.undo:
                go_on()
                state.undo(self.reader.index.undo(height) or ())
            for block_id in self.apply:
                go_on()
                # As before each block of the chain: a visit writes as much as all of them.
                self.options.check_reserve(datadir)
                try:
                    block, content = block_beside(side.get(block_id), self.limits)
                    context, execution = self.executor.execute(self.context, state, block, content)
                except SideBlockError as error:
                    self.lost = block_id, error
                    return
                except RuleViolation as violation:
                    if consequence_of(violation, Stage.STATE) is Consequence.HALT:
                        raise
                    self.failed = block_id, violation
                    return
                state.apply(execution.changes)
                self.context = context
                self.executed.append(context)


class Visitor:
    """Begins and ends visits. One thread at a time, which is the one that changes the chain."""

    def __init__(self, known: KnownBlocks, mover: TipMover, verifier: WorkVerifier) -> None:
        self._known = known
        self._mover = mover
        self._verifier = verifier

    def begin(self, block_id: BlockId) -> Visit | None:
        """A visit of the branch that ends here, None if none is due or it cannot be followed."""
        known, store = self._known, self._known.store
        if not known.waits_for_visit(block_id):
            return None
        try:
            path = known.tree.path(known.tip_id, block_id)
            self._mover.check_undoable(len(path.undo))
        except TooDeepReorganisation:
            return None
        if not all(known.branches.holds(one) for one in path.apply):
            return None
        return Visit(
            block_id,
            tuple(known.tree.height(one) for one in path.undo),
            path.apply,
            known.executed[known.tree.parent(path.apply[0])],
            store.as_of_now(),
            store.datadir,
            store.options,
            known.params.limits,
            # What else checks signatures may be busy with the chain meanwhile.
            BlockExecutor(self._verifier, ONE_BY_ONE),
        )

    def end(self, visit: Visit) -> None:
        """Take up what a visit found, as far as it went and its blocks are still there.

        The chain stays where it is. A block that failed is marked, with all above it; one that
        the disk lost is forgotten. ``TipMover.move`` says so.
        """
        known, mover = self._known, self._mover
        for context in visit.executed:
            block_id = context.tip_id
            if block_id in known.tree and block_id not in known.executed:
                known.headers[block_id] = known.executed[block_id] = context
                mover.move.executed.append(block_id)
        mover.tell()
        if visit.lost is not None:
            block_id, error = visit.lost
            # Else it left the branches while the visit was on its way.
            if block_id in known.tree and known.branches.holds(block_id):
                mover.lose(block_id, error)
        if visit.failed is not None:
            block_id, violation = visit.failed
            if block_id in known.tree and not known.tree.is_invalid(block_id):
                mover.mark(block_id, violation)

    def visit_here(self, block_id: BlockId) -> None:
        """A whole visit at once, if one is due. Raises what ``Visit.run`` raises."""
        visit = self.begin(block_id)
        if visit is not None:
            try:
                visit.run()
            finally:
                # Also of as much as was executed before the machine refused.
                self.end(visit)
