"""The chain of a node: proven blocks of all branches, and the state at the best of their tips.

    block --judge, any thread--> JudgedBlock --adopt, one at a time--> tree, disk, best tip

A judged block is added to the tree of proven blocks and kept on disk as far as its branch may be
followed; then the node moves to the best tip, block by block. What a change of chain takes off
stays beside the chain until it can never be needed again, so neither a crash in the middle nor a
branch that turns out invalid loses anything.
"""

from collections.abc import Collection, Sequence
from types import MappingProxyType

from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.consensus.ports import WorkVerifier
from esper.crypto.signatures import SignatureVerifier
from esper.node.chain.block_judge import BlockJudge, JudgedBlock, JudgementError
from esper.node.chain.branches import side_bytes_of
from esper.node.chain.chain_view import ChainView
from esper.node.chain.changes.adopter import Adopter
from esper.node.chain.changes.arrival import GROUP_BLOCKS, Adopted, Arrival, with_visit
from esper.node.chain.changes.far_ways import FarWays
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.changes.taking_up import take_up_side_blocks
from esper.node.chain.changes.tip_mover import TipMover
from esper.node.chain.changes.visiting import clear_visits
from esper.node.chain.changes.visits import Visit, Visitor
from esper.node.chain.store_state import StoreState, TreeState
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.vm.context import ONE_BY_ONE


class ChainManager:
    """The only writer of a store. One thread at a time; ``judge`` and ``headers_of`` any."""

    def __init__(
        self,
        store: ChainStore,
        params: NetworkParameters,
        verifier: WorkVerifier,
        *,
        secret: bytes,
        now_ms: int,
        signatures: SignatureVerifier = ONE_BY_ONE,
        prune: bool = False,
        side_bytes: int | None = None,
    ) -> None:
        """``secret`` decides between equal tips; ``prune`` deletes proofs below the pruning depth.

        Blocks that a crash left beside the chain are taken up again, as of the clock ``now_ms``;
        blocks beside the chain may take ``side_bytes``, by default ``side_bytes_of``. Raises
        SideBlockError. A branch that is too deep to be followed is no reason not to open:
        ``halted`` says so.
        """
        self.params = params
        self.state = StoreState(store)
        """The state at the tip, as it is whenever it is asked."""
        self.block_judge = BlockJudge(verifier, params.limits)
        """Judges blocks, in any thread."""
        most = side_bytes_of(params) if side_bytes is None else side_bytes
        self.known = KnownBlocks(store, params, secret=secret, side_bytes=most)
        """All its blocks, to be read from outside."""
        self.halted: TooDeepReorganisation | None = None
        """The branch beside the chain that it must not follow unasked, as far as it is known."""
        self._store = store
        self._mover = TipMover(self.known, self.state, verifier, signatures, prune=prune)
        self._adopter = Adopter(self.known, self._mover)
        self._visitor = Visitor(self.known, self._mover, verifier)
        self._far_ways = FarWays(self.known, self.block_judge, self._adopter, self._visitor)
        clear_visits(store.datadir)
        self._follow_side_blocks(now_ms)
        self.known.far.take_up()
        self._far_ways.follow_kept()

    def _follow_side_blocks(self, now_ms: int) -> None:
        """Move to the best tip of what lies beside the chain and belongs to it."""
        try:
            take_up_side_blocks(self.known, self._visitor, now_ms)
            self._mover.move_to_best(None)
        except TooDeepReorganisation as violation:
            self.halted = violation

    @property
    def context(self) -> ChainContext:
        """The chain as its next block's header sees it."""
        return self.known.context

    @property
    def store(self) -> ChainStore:
        """The store, for reading."""
        return self._store

    def view(self) -> ChainView:
        """The chain as it stands, for whoever reads it while it moves on."""
        reader = self._store.as_of_now()
        executed = MappingProxyType(dict(self.known.executed))
        return ChainView(self.params, self.context, TreeState(reader.state), reader, executed)

    def knows(self, block_id: BlockId) -> bool:
        """Whether a block is in the tree, on any branch."""
        return block_id in self.known.tree

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        """As ``KnownBlocks.headers_of``."""
        return self.known.headers_of(block_id)

    def check_may_come(self, header: Header) -> HeaderChain:
        """As ``KnownBlocks.check_may_come``."""
        return self.known.check_may_come(header)

    def check_may_lead(self, header: Header) -> HeaderChain:
        """As ``KnownBlocks.check_may_lead``."""
        return self.known.check_may_lead(header)

    def moved_from(self, before: BlockId) -> Arrival:
        """The way from a tip that the chain had to the one that it has.

        Nothing is undone or applied in it where the old tip is forgotten: see ``reroot``.
        """
        return self._mover.arrival(self.known.tip_id, before, new=False)

    def keep_undo_from(self, height: int | None) -> None:
        """Let every block above a height be taken off, however deep it lies; None: no more.

        What cannot be taken off now cannot later. Raises what the store raises.
        """
        self._store.keep_undo_from(None if height is None else height + 1)

    def lead_up(self, block_ids: Sequence[BlockId], *, now_ms: int, received_ms: int) -> Arrival:
        """Adopt blocks that are kept, the lowest first, which builds on the tree.

        They were proven when they came. Raises what ``adopt_many`` names as a failure; a block
        whose state fails may not come again.
        """
        adopted = self.adopt_many(self._far_ways.judged_again(block_ids, now_ms, received_ms))
        for block_id in block_ids[: adopted.done]:
            self.known.far.drop(block_id)
        if adopted.failure is not None:
            if isinstance(adopted.failure, RuleViolation):
                self.known.far.refuse(block_ids[adopted.done])
            raise adopted.failure
        return adopted.arrival

    def reroot(
        self, block_id: BlockId, *, now_ms: int, spared: Collection[BlockId] | None = None
    ) -> Arrival:
        """Take off all above a block of the chain, however deep, and begin a new tree there.

        The blocks above stay readable by their ids, and may be brought again; so may any other
        branch that leaves the chain there. Blocks beside the chain that do not build on what is
        left are forgotten, and those that are not ``spared``, if that is given. Raises
        UnknownBlockError for a block that is not on the chain, RewindLimitError where an undo
        record is missing, before anything is done, and what the store raises; then some of them
        may be off.
        """
        height = self._far_ways.height_below(block_id)
        before = self._mover.begin()
        try:
            self._far_ways.take_off_above(height, spared)
        finally:
            self.known.root_anew()
            self._follow_side_blocks(now_ms)
        return self.moved_from(before)

    def submit(self, data: BlockBytes, *, now_ms: int, received_ms: int | None = None) -> Arrival:
        """Judge a block and adopt it, in one thread; ``received_ms`` is ``now_ms`` if not given.

        Raises what ``check_may_come`` and ``adopt`` raise, and the rule that the judge names.
        """
        header = read_header(data.header, self.params.limits)
        if self.knows(header.block_id):
            self.check_may_come(header)
            return self._visit_here(self.catch_up(header.block_id))
        parent = self.check_may_come(header)
        received_ms = now_ms if received_ms is None else received_ms
        try:
            judged = self.block_judge.judge(data, parent, now_ms=now_ms, received_ms=received_ms)
        except JudgementError as refused:
            raise refused.violation from None
        return self._visit_here(self.adopt(judged))

    def _visit_here(self, arrival: Arrival) -> Arrival:
        """Make the visits that an arrival waits for in this thread. Raises as ``submit``."""
        for block_id in arrival.waiting:
            visit = self.begin_visit(block_id)
            if visit is None:
                continue
            try:
                visit.run()
            finally:
                # Also of as much as was executed before the machine refused.
                arrival = with_visit(arrival, self.end_visit(visit))
            if visit.verdict is not None:
                raise visit.verdict
        return arrival

    def catch_up(self, block_id: BlockId) -> Arrival:
        """Move to the best tip, for a block that is known.

        There is nothing to do, unless the machine failed in the middle of a change of chain, or of
        a visit, which is in ``Arrival.waiting`` again. Raises what ``adopt`` raises.
        """
        before = self._mover.begin()
        self._adopter.look_again(block_id)
        return self._mover.arrival(block_id, before, new=False)

    def begin_visit(self, block_id: BlockId) -> Visit | None:
        """A visit of a branch in ``Arrival.waiting``, None if none is due any more.

        It is run in any thread, one at a time, while the chain goes on.
        """
        return self._visitor.begin(block_id)

    def end_visit(self, visit: Visit) -> Arrival:
        """Take up what a visit found, however far it came; the chain stays where it is."""
        before = self._mover.begin()
        self._visitor.end(visit)
        return self._mover.arrival(visit.block_id, before, new=False)

    def adopt(self, judged: JudgedBlock) -> Arrival:
        """Keep a judged block, and move to the best tip.

        The end of a branch that waits for a visit is in ``Arrival.waiting``: visits are the
        caller's, outside of what keeps the chain still. Raises the violation of the first rule that
        the block breaks on its parent's state,
        TooDeepReorganisation if following the best tip needs the operator, NoRoomBesideError, and
        what the store raises. What the machine refuses is no verdict: the block may be brought
        again.
        """
        before = self._mover.begin()
        new = self._adopter.adopt(judged)
        return self._mover.arrival(judged.block_id, before, new=new)

    def adopt_many(self, judged: Sequence[JudgedBlock]) -> Adopted:
        """Keep judged blocks in order, the lowest first, up to the first that fails.

        With ``keeps_far`` blocks that leave the chain deeper than it goes back by itself are kept
        as a whole and not followed, until ``reroot`` and ``lead_up`` do; else their headers are
        remembered, and TooDeepReorganisation is the failure once they weigh more.

        Those that extend the chain share commits, at most GROUP_BLOCKS each: all of them are on
        disk when this returns, and after a crash a group may be missing from some block on.
        """
        before = self._mover.begin()
        done, failure = 0, None
        try:
            while failure is None and done < len(judged):
                if self._adopter.extends_tip(judged[done]):
                    count, failure = self._adopter.adopt_group(judged[done : done + GROUP_BLOCKS])
                    done += count
                elif self.known.keeps_far and self._far_ways.leaves_deep(judged[done].header):
                    one = judged[done]
                    self.known.far.keep(one.block_id, one.headers, one.data)
                    done += 1
                else:
                    self._adopter.adopt(judged[done])
                    done += 1
        except Exception as error:
            failure = error
        last = judged[done - 1].block_id if done else before
        return Adopted(self._mover.arrival(last, before, new=done > 0), done, failure)
