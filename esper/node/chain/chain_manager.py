"""The chain of a node: proven blocks of all branches, and the state at the best of their tips.

    block --judge, any thread--> JudgedBlock --adopt, one at a time--> tree, disk, best tip

A judged block is added to the tree of proven blocks and kept on disk as far as its branch may be
followed; then the node moves to the best tip, block by block. What a change of chain takes off
stays beside the chain until it can never be needed again, so neither a crash in the middle nor a
branch that turns out invalid loses anything.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from esper.consensus.block import Block, decode_body
from esper.consensus.block_isolation import (
    BlockContent,
    check_lists,
    check_parts_of_work,
    read_content,
)
from esper.consensus.chain import BlockBytes, check_header, connect, read_block
from esper.consensus.context import ChainContext
from esper.consensus.context_record import decode_context
from esper.consensus.fork_choice import BlockTree, Path, ProvenBlock
from esper.consensus.header import Header, decode_header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.consensus.ports import WorkVerifier
from esper.crypto.signatures import SignatureClaim, SignatureVerifier
from esper.node.chain.block_judge import BlockJudge, JudgedBlock, JudgementError
from esper.node.chain.branches import SIDE_BYTES, Branches
from esper.node.chain.chain_view import ChainView
from esper.node.chain.far_branches import FarBranches
from esper.node.chain.header_chains import HeaderChains
from esper.node.chain.store_state import StoreState, TreeState, stored_execution
from esper.node.signatures.batch import BatchVerifier
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import NO_BLOCK, BlockId
from esper.primitives.params import NetworkParameters
from esper.saying import warn
from esper.storage.chain_store import ChainStore
from esper.storage.errors import ProofPrunedError, RewindLimitError, UnknownBlockError
from esper.storage.side_blocks import SideBlockError
from esper.vm.context import ONE_BY_ONE
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

LOG: Final = logging.getLogger("esper.chain")
PRUNE_EVERY: Final = 64
"""Blocks between two looks for proofs that may be deleted."""
GROUP_BLOCKS: Final = 16
"""Most blocks that share one commit: what a crash in sync may cost."""
STEPS_BACK: Final = 64
"""Blocks that are taken off by one commit on the way to a block far below."""
GROUP_BYTES: Final = 8 << 20
"""Bytes of blocks from which on a group takes no other."""
READ_BLOCKS: Final = GROUP_BLOCKS
"""Blocks of a change of chain whose content is handed on as it was read; others are read again."""

_NOTHING: Final[Mapping[BlockId, RuleViolation]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block with its lists as values."""

    header: Header
    """Its header."""
    content: BlockContent
    """Its lists."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a block that broke no rule by itself, and of the chain."""

    block_id: BlockId
    """64 bytes."""
    new: bool
    """Whether it was unknown."""
    undone: tuple[BlockId, ...]
    """Ids of blocks that left the chain, the old tip first."""
    applied: tuple[BlockId, ...]
    """Ids of blocks that joined it, the new tip last."""
    invalid: Mapping[BlockId, RuleViolation] = field(default_factory=lambda: _NOTHING)
    """Blocks that were found to be invalid on the way, and the rule that each or the block below
    it broke; the arriving block may be among them."""
    touched: frozenset[bytes] = frozenset()
    """Paths of all state records that any of these blocks changed."""
    rerooted: bool = False
    """Whether the old tip is forgotten: the chain went back far below it, and anything in the state
    may be another. Nothing is said to be undone or applied then."""
    read: Mapping[BlockId, ReadBlock] = field(default_factory=dict, compare=False, repr=False)
    """Some of these blocks, as they were read on the way."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to get to a block that is kept."""

    fork: BlockId
    """The last block of the chain on the way: where it leaves the chain."""
    above: tuple[BlockId, ...]
    """The blocks from there on, the lowest first, the wanted one last; none if it is on the
    chain."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of judged blocks that were given together."""

    arrival: Arrival
    """The change that they made."""
    done: int
    """How many of them, from the first on, are on the chain or kept beside it."""
    failure: Exception | None = None
    """What ``adopt`` raised for the one behind them, None if there is none."""


@dataclass(slots=True)
class _Move:
    """What happened on the way to the best tip."""

    invalid: dict[BlockId, RuleViolation] = field(default_factory=dict)
    touched: set[bytes] = field(default_factory=set)
    read: dict[BlockId, ReadBlock] = field(default_factory=dict)

    def passed(self, block: Block, content: BlockContent) -> None:
        """Keep the last few blocks for those who follow the chain."""
        self.read[block.header.block_id] = ReadBlock(block.header, content)
        if len(self.read) > READ_BLOCKS:
            del self.read[next(iter(self.read))]


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
        side_bytes: int = SIDE_BYTES,
    ) -> None:
        """``secret`` decides between equal tips; ``prune`` deletes proofs below the pruning depth.

        Blocks that a crash left beside the chain are taken up again, as of the clock ``now_ms``;
        blocks beside the chain may take ``side_bytes``. Raises SideBlockError. A branch that is
        too deep to be followed is no reason not to open: ``halted`` says so.
        """
        self.params = params
        self.state = StoreState(store)
        """The state at the tip, as it is whenever it is asked."""
        self.block_judge = BlockJudge(verifier, params.limits)
        """Judges blocks, in any thread."""
        self._store = store
        self._verifier = verifier
        self._signatures = signatures
        self._prune = prune
        self._secret = secret
        self._order = 0
        self._headers: dict[BlockId, HeaderChain] = {}
        self._executed: dict[BlockId, ChainContext] = {}
        self._move = _Move()
        self._side_bytes = side_bytes
        self.halted: TooDeepReorganisation | None = None
        """The branch beside the chain that it must not follow unasked, as far as it is known."""
        self._chains = HeaderChains(store, params)
        self.keeps_far = False
        """Whether far branches are kept: in a node that was never current."""
        self._root_anew(now_ms)
        self.far = FarBranches(store, params, self._headers_here, side_bytes)
        """Branches that leave the chain deeper than it goes back by itself."""
        self._take_up_far()

    def _take_up_far(self) -> None:
        """Follow the far branches of an earlier run that leave the chain where it ends now."""
        for block_id in tuple(self.far):
            parent = self.far.parent_of(block_id)
            if parent is None or not self._may_follow(parent):
                continue
            try:
                [judged] = self._judged_again([block_id], 0, 0)
                self._adopt(judged)
            except RuleViolation:
                self.far.refuse(block_id)
            self.far.drop(block_id)

    def _root_anew(self, now_ms: int) -> None:
        """A tree of the store's chain as it is, and of what lies beside it and belongs to it."""
        self._headers.clear()
        self._executed.clear()
        self._tree = self._stored_tree(self._secret)
        self._branches = Branches(self._store, self._tree, self._side_bytes)
        try:
            self._take_up_side_blocks(now_ms)
        except TooDeepReorganisation as violation:
            self.halted = violation

    @property
    def context(self) -> ChainContext:
        """The chain as its next block's header sees it."""
        return self._executed[self._store.tip.block_id]

    @property
    def store(self) -> ChainStore:
        """The store, for reading."""
        return self._store

    def view(self) -> ChainView:
        """The chain as it stands, for whoever reads it while it moves on."""
        reader = self._store.as_of_now()
        executed = MappingProxyType(dict(self._executed))
        return ChainView(self.params, self.context, TreeState(reader.state), reader, executed)

    def knows(self, block_id: BlockId) -> bool:
        """Whether a block is in the tree, on any branch."""
        return block_id in self._tree

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        """The headers up to a block of any branch, None if it is not kept.

        Those of the chain and of what was left behind for another branch are kept for good.
        """
        return self._headers_here(block_id) or self.far.headers_of(block_id)

    def _headers_here(self, block_id: BlockId) -> HeaderChain | None:
        return self._headers.get(block_id) or self._chains.of(block_id)

    def parent_of(self, block_id: BlockId) -> BlockId | None:
        """The block below one of any branch, None if it is in no branch beside the chain."""
        if block_id in self._tree:
            return self._tree.parent(block_id)
        return self.far.parent_of(block_id)

    def context_of(self, block_id: BlockId) -> ChainContext | None:
        """The chain up to a recent block that was executed, None if it is not kept."""
        return self._executed.get(block_id)

    def block(self, block_id: BlockId) -> BlockBytes:
        """A known block of any branch. Raises what the store raises for one that is not kept."""
        if self._store.index.height_of(block_id) is None:
            return self._branches.get(block_id)
        return self._stored(block_id)

    def content(self, block_id: BlockId) -> ReadBlock:
        """A known block of any branch, read again; its proof may be pruned.

        Raises what the store raises for one that is not kept.
        """
        limits, height = self.params.limits, self._store.index.height_of(block_id)
        kept = self._branches.get(block_id) if height is None else self._store.block(height)
        header = decode_header(kept.header, limits.header_bytes)
        body = decode_body(kept.body, limits.body_bytes)
        return ReadBlock(header, read_content(body, header.pre, limits))

    def moved_from(self, before: BlockId) -> Arrival:
        """The way from a tip that the chain had to the one that it has.

        Nothing is undone or applied in it where the old tip is forgotten: see ``reroot``.
        """
        return self._arrival(self._store.tip.block_id, before, new=False)

    def headers_at(self, height: int) -> HeaderChain | None:
        """The headers up to the chain's block of a height, None where it has none."""
        index = self._store.index
        if not 0 <= height <= self._store.tip.height:
            return None
        at = index.entry(height).block_id if height else index.genesis.block_id
        return self._headers_here(at)

    def keep_undo_from(self, height: int | None) -> None:
        """Let every block above a height be taken off, however deep it lies; None: no more.

        What cannot be taken off now cannot later. Raises what the store raises.
        """
        self._store.keep_undo_from(None if height is None else height + 1)

    def way_to(self, block_id: BlockId) -> Way:
        """The way to any block that is kept, left behind ones too. Raises UnknownBlockError."""
        index = self._store.index
        above: list[BlockId] = []
        at = block_id
        while at != index.genesis.block_id and index.height_of(at) is None:
            above.append(at)
            at = self.parent_of(at) or self._parent_left(at)
        return Way(at, tuple(reversed(above)))

    def _parent_left(self, block_id: BlockId) -> BlockId:
        data = self._store.blocks().header(block_id)
        return decode_header(data, self.params.limits.header_bytes).pre.parent

    def lead_up(self, block_ids: Sequence[BlockId], *, now_ms: int, received_ms: int) -> Arrival:
        """Adopt blocks that are kept, the lowest first, which builds on the tree.

        They were proven when they came. Raises what ``adopt_many`` names as a failure; a block
        whose state fails may not come again.
        """
        adopted = self.adopt_many(self._judged_again(block_ids, now_ms, received_ms))
        for block_id in block_ids[: adopted.done]:
            self.far.drop(block_id)
        if adopted.failure is not None:
            if isinstance(adopted.failure, RuleViolation):
                self.far.refuse(block_ids[adopted.done])
            raise adopted.failure
        return adopted.arrival

    def _judged_again(
        self, block_ids: Sequence[BlockId], now_ms: int, received_ms: int
    ) -> list[JudgedBlock]:
        judged: list[JudgedBlock] = []
        parent: HeaderChain | None = None
        for block_id in block_ids:
            data = self._kept(block_id)
            header = read_header(data.header, self.params.limits)
            parent = parent or self.headers_of(header.pre.parent)
            if parent is None:
                raise UnknownParentViolation(header.pre.parent)
            # Its time had come before it was kept, whatever the clock says since.
            now_ms = max(now_ms, header.pre.time_ms)
            try:
                one = self.block_judge.judge(
                    data, parent, now_ms=now_ms, received_ms=received_ms, assumed=True
                )
            except JudgementError as refused:
                raise refused.violation from None
            judged.append(one)
            parent = one.headers
        return judged

    def _kept(self, block_id: BlockId) -> BlockBytes:
        """A block from wherever it is kept, without its proof if that is not."""
        if block_id in self.far:
            return self.far.get(block_id)
        if self._branches.holds(block_id):
            return self._branches.get(block_id)
        blocks = self._store.blocks()
        try:
            proof = blocks.proof(block_id)
        except ProofPrunedError:
            proof = b""
        return BlockBytes(blocks.header(block_id), blocks.body(block_id), proof)

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
        index, before = self._store.index, self._store.tip
        genesis = block_id == index.genesis.block_id
        height = 0 if genesis else index.height_of(block_id)
        if height is None:
            raise UnknownBlockError(f"block {block_id.hex()[:16]} is not on the chain")
        for above in range(height + 1, before.height + 1):
            if index.undo(above) is None:
                raise RewindLimitError(above)
        self._move = _Move()
        try:
            while self._store.tip.height > height:
                with self._store.group():
                    for _ in range(min(STEPS_BACK, self._store.tip.height - height)):
                        self._store.rewind(left=True)
            if spared is not None:
                for beside in set(self._branches.on_disk).difference(spared):
                    self._branches.drop(beside)
        finally:
            self._root_anew(now_ms)
        return self.moved_from(before.block_id)

    def check_may_come(self, header: Header) -> HeaderChain:
        """The branch that a header builds on, unless something is known against it.

        Costs nothing, whoever asks. Raises UnknownParentViolation, InvalidAncestorViolation and
        InvalidSiblingViolation.
        """
        pre = header.pre
        self._tree.check_may_join(header.block_id, pre.parent, header.work_id)
        parent = self._headers.get(pre.parent)
        if parent is None:
            raise UnknownParentViolation(pre.parent)
        return parent

    def check_may_lead(self, header: Header) -> HeaderChain:
        """As ``check_may_come``, of headers on any block that is kept, however deep it lies."""
        if header.pre.parent in self._tree:
            return self.check_may_come(header)
        return self.far.check_may_come(header.block_id, header.pre.parent)

    def submit(self, data: BlockBytes, *, now_ms: int, received_ms: int | None = None) -> Arrival:
        """Judge a block and adopt it, in one thread; ``received_ms`` is ``now_ms`` if not given.

        Raises what ``check_may_come`` and ``adopt`` raise, and the rule that the judge names.
        """
        header = read_header(data.header, self.params.limits)
        if header.block_id in self._tree:
            self.check_may_come(header)
            return self.catch_up(header.block_id)
        parent = self.check_may_come(header)
        received_ms = now_ms if received_ms is None else received_ms
        try:
            judged = self.block_judge.judge(data, parent, now_ms=now_ms, received_ms=received_ms)
        except JudgementError as refused:
            raise refused.violation from None
        return self.adopt(judged)

    def catch_up(self, block_id: BlockId) -> Arrival:
        """Move to the best tip, for a block that is known.

        There is nothing to do, unless the machine failed in the middle of a change of chain.
        Raises what ``adopt`` raises.
        """
        before, self._move = self._store.tip.block_id, _Move()
        self._move_to_best(None)
        return self._arrival(block_id, before, new=False)

    def adopt(self, judged: JudgedBlock) -> Arrival:
        """Keep a judged block, and move to the best tip.

        Raises the violation of the first rule that it breaks on its parent's state,
        TooDeepReorganisation if following the best tip needs the operator, NoRoomBesideError, and
        what the store raises. What the machine refuses is no verdict: the block may be brought
        again.
        """
        before, self._move = self._store.tip.block_id, _Move()
        new = self._adopt(judged)
        return self._arrival(judged.block_id, before, new=new)

    def adopt_many(self, judged: Sequence[JudgedBlock]) -> Adopted:
        """Keep judged blocks in order, the lowest first, up to the first that fails.

        With ``keeps_far`` blocks that leave the chain deeper than it goes back by itself are kept
        as a whole and not followed, until ``reroot`` and ``lead_up`` do; else their headers are
        remembered, and TooDeepReorganisation is the failure once they weigh more.

        Those that extend the chain share commits, at most GROUP_BLOCKS each: all of them are on
        disk when this returns, and after a crash a group may be missing from some block on.
        """
        before, self._move = self._store.tip.block_id, _Move()
        done, failure = 0, None
        try:
            while failure is None and done < len(judged):
                if self._extends_tip(judged[done]):
                    count, failure = self._adopt_group(judged[done : done + GROUP_BLOCKS])
                    done += count
                elif self.keeps_far and self._is_far(judged[done].header):
                    one = judged[done]
                    self.far.keep(one.block_id, one.headers, one.data)
                    done += 1
                else:
                    self._adopt(judged[done])
                    done += 1
        except Exception as error:
            failure = error
        last = judged[done - 1].block_id if done else before
        return Adopted(self._arrival(last, before, new=done > 0), done, failure)

    def _is_far(self, header: Header) -> bool:
        """Whether a block leaves the chain deeper than that goes back by itself.

        What it builds on is brought to where it has to be for that: into the tree, or out of it.
        Raises what ``check_may_lead`` raises.
        """
        self.check_may_lead(header)
        above: list[BlockId] = []
        at, index = header.pre.parent, self._store.index
        while at != index.genesis.block_id and index.height_of(at) is None:
            above.append(at)
            if len(above) > self.far.most_blocks:
                return True
            at = self.parent_of(at) or self._parent_left(at)
        above.reverse()
        if not self._may_follow(at):
            for beside in above:
                if beside not in self.far and self._branches.holds(beside):
                    self.far.keep(beside, self._headers[beside], self._branches.get(beside))
            return True
        outside = [one for one in above if one not in self._tree]
        for judged in self._judged_again(outside, 0, 0):
            self._adopt(judged)
            self.far.drop(judged.block_id)
        return False

    def _adopt(self, judged: JudgedBlock) -> bool:
        """Whether it was new."""
        block_id = judged.block_id
        # Again: others came while it was judged.
        self.check_may_come(judged.header)
        if block_id in self._tree:
            self._move_to_best(None)
            return False
        self._join(judged)
        try:
            self._move_to_best(judged)
        except BaseException:
            self._forget_unkept(block_id)
            raise
        failed = self._move.invalid.get(block_id)
        if failed is not None and not self._tree.is_invalid(judged.header.pre.parent):
            raise failed
        return True

    def _extends_tip(self, judged: JudgedBlock) -> bool:
        """Whether a new block goes on top of the tip, which is the best: it will be the best."""
        tip = self._store.tip.block_id
        return (
            judged.header.pre.parent == tip
            and judged.block_id not in self._tree
            and self._tree.best_tip() == tip
        )

    def _adopt_group(self, judged: Sequence[JudgedBlock]) -> tuple[int, Exception | None]:
        """Blocks of which the first extends the tip; how many did, and what stopped the next."""
        before, done, failure = self._store.tip.block_id, 0, None
        try:
            with self._store.group():
                for one in judged:
                    full = self._store.staged_bytes > GROUP_BYTES
                    if done and (full or not self._extends_tip(one)):
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
                self._forget_contexts(self._branches.forget(judged[0].block_id))
            raise
        self._prune_passed(before)
        self._settle(before)
        return done, failure

    def _extend(self, judged: JudgedBlock) -> None:
        """Put a block on top of the tip. Raises as ``adopt``."""
        block_id = judged.block_id
        self.check_may_come(judged.header)
        self._join(judged)
        try:
            self._apply(judged.data, judged.block, judged.content)
        except RuleViolation as violation:
            if consequence_of(violation, Stage.STATE) is Consequence.HALT:
                raise
            self._mark(block_id, violation)
            raise
        except BaseException:
            self._forget_contexts(self._branches.forget(block_id))
            raise

    def _mark(self, block_id: BlockId, violation: RuleViolation) -> None:
        for marked in self._tree.mark_invalid(block_id):
            self._move.invalid[marked] = violation
            self._branches.drop(marked)

    def _join(self, judged: JudgedBlock) -> None:
        """Into the tree, and onto the disk unless it is about to go on top of the tip."""
        pre, block_id = judged.header.pre, judged.block_id
        parent = self._headers[pre.parent]
        self._tree.add(self._proven(parent, judged.headers, judged.received_ms))
        self._headers[block_id] = judged.headers
        if pre.parent == self._store.tip.block_id:
            return
        try:
            if self._may_follow(pre.parent):
                gone = self._branches.keep(block_id, judged.data)
            else:
                gone = self._branches.keep_bare(block_id)
        except BaseException:
            self._tree.forget(block_id)
            del self._headers[block_id]
            raise
        self._forget_contexts(gone)

    def _may_follow(self, parent_id: BlockId) -> bool:
        """Whether a branch on this block leaves the chain where blocks can still be undone."""
        if parent_id not in self._tree or self._branches.is_bare(parent_id):
            return False
        try:
            self._tree.path(self._store.tip.block_id, parent_id)
        except TooDeepReorganisation:
            return False
        return True

    def _forget_unkept(self, block_id: BlockId) -> None:
        """A block that is in the tree and nowhere on disk would block the way for good."""
        if block_id not in self._tree or self._branches.is_bare(block_id):
            return
        on_disk = self._store.index.height_of(block_id) is not None
        if not on_disk and not self._branches.holds(block_id):
            self._forget_contexts(self._branches.forget(block_id))

    def _move_to_best(self, fresh: JudgedBlock | None) -> None:
        """Undo and apply until the best tip is the chain's; ``_move`` says what happened."""
        before = self._store.tip.block_id
        while (best := self._tree.best_tip()) != self._store.tip.block_id:
            path = self._tree.path(self._store.tip.block_id, best)
            bare = next((one for one in path.apply if self._branches.is_bare(one)), None)
            if bare is not None:
                # It was too deep to be kept when it came; whoever has it may bring it again.
                self._forget_contexts(self._branches.forget(bare))
                continue
            self._check_undoable(len(path.undo))
            for block_id in path.undo:
                self._branches.put_aside(block_id, self._stored(block_id))
            for block_id in path.undo:
                undo = self._store.index.undo(self._tree.height(block_id)) or ()
                self._store.rewind()
                self._move.touched.update(old.path for old in undo)
            for block_id in path.apply:
                try:
                    self._apply(*self._ready(block_id, fresh))
                except SideBlockError as error:
                    # The disk lost it: whoever has the branch may bring it again.
                    warn(
                        LOG,
                        "branch_lost",
                        "a block beside the chain is damaged and forgotten with its branch: "
                        "{reason}",
                        reason=f"{error.path}: {error.reason}",
                        block=block_id.hex(),
                    )
                    self._forget_contexts(self._branches.forget(block_id))
                    break
                except RuleViolation as violation:
                    if consequence_of(violation, Stage.STATE) is Consequence.HALT:
                        raise
                    self._mark(block_id, violation)
                    break
        self._keep_if_left(fresh)
        self._prune_passed(before)
        self._settle(before)

    def _keep_if_left(self, fresh: JudgedBlock | None) -> None:
        """A fresh block that the way to the best tip led past is kept beside the chain."""
        if fresh is None or fresh.block_id not in self._tree:
            return
        block_id = fresh.block_id
        known = self._branches.holds(block_id) or self._branches.is_bare(block_id)
        if known or self._tree.is_invalid(block_id):
            return
        if self._store.index.height_of(block_id) is None:
            self._branches.put_aside(block_id, fresh.data)

    def _check_undoable(self, depth: int) -> None:
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
        data = self._branches.get(block_id)
        limits = self.params.limits
        block = read_block(data, limits)
        # One that was taken on trust came without its proof.
        check_parts_of_work(block.header, block.body.outputs, block.proof or None, limits)
        return data, block, check_lists(block, limits)

    def _apply(self, data: BlockBytes, block: Block, content: BlockContent) -> None:
        block_id = block.header.block_id
        parent = self._executed[block.header.pre.parent]
        self._begin_signatures(content.transactions, parent)
        context, execution = connect(
            parent, self.state, block, content, self._verifier, self._signatures
        )
        # Before the tip moves: whoever looks at it from outside finds its context.
        self._headers[block_id] = self._executed[block_id] = context
        self._store.append(block_id, data, stored_execution(execution, context))
        self._move.touched.update(change.path for change in execution.changes)
        self._move.passed(block, content)
        self._branches.drop(block_id)

    def _begin_signatures(self, transactions: Sequence[Transaction], parent: ChainContext) -> None:
        """Let other threads check signatures while this one executes."""
        if not isinstance(self._signatures, BatchVerifier):
            return
        ledger = Ledger(Overlay(self.state))
        claims = []
        for transaction in transactions:
            known = None if transaction.key else ledger.known_key(transaction.sender)
            key = transaction.key if known is None else known.key
            digest = transaction.signing_digest(parent.genesis_hash)
            claims.append(SignatureClaim(transaction.suite, key, digest, transaction.signature))
        self._signatures.begin(claims)

    def _stored(self, block_id: BlockId) -> BlockBytes:
        """A block of the chain from the store, without its proof if that is not kept."""
        height = self._tree.height(block_id)
        found = self._store.block(height)
        try:
            proof = self._store.proof(height)
        except ProofPrunedError:
            proof = b""
        return BlockBytes(found.header, found.body, proof)

    def _prune_passed(self, before: BlockId) -> None:
        """Prune once so many blocks joined the chain."""
        tip, depth = self._store.tip.height, self.params.limits.pruning_depth
        passed = self._tree.height(before) // PRUNE_EVERY < tip // PRUNE_EVERY
        if self._prune and tip > depth and passed:
            self._store.prune_proofs(tip - depth)

    def _settle(self, before: BlockId) -> None:
        """Forget branches that the undo depth has left behind.

        What left the chain just now stays, however many blocks joined it: followers read it.
        """
        joined = self._tree.path(before, self._store.tip.block_id).apply
        remembered = 2 * self.params.limits.undo_depth
        far = len(joined) > remembered
        self._tree.settle(joined[remembered - 1] if far else self._store.tip.block_id)
        gone = [known for known in self._headers if known not in self._tree]
        for block_id in gone if self.keeps_far else ():
            # Somebody may still be about to prove that it weighs more.
            if self._branches.never_executed(block_id):
                data = self._branches.get(block_id)
                if self.far.has_room(data):
                    self.far.keep(block_id, self._headers[block_id], data)
        self._forget_contexts(gone)

    def _forget_contexts(self, gone: Sequence[BlockId]) -> None:
        for block_id in gone:
            self._headers.pop(block_id, None)
            self._executed.pop(block_id, None)
            self._branches.drop(block_id)

    def _arrival(self, block_id: BlockId, before: BlockId, *, new: bool) -> Arrival:
        tip, path = self._store.tip.block_id, Path((), ())
        if before in self._tree:
            path = self._tree.path(before, tip)
        move = self._move
        return Arrival(
            block_id,
            new,
            path.undo,
            path.apply,
            MappingProxyType(move.invalid),
            frozenset(move.touched),
            rerooted=before not in self._tree,
            read=MappingProxyType(move.read),
        )

    def _proven(self, parent: HeaderChain, chain: HeaderChain, received_ms: int) -> ProvenBlock:
        self._order += 1
        return ProvenBlock(
            block_id=chain.tip_id,
            parent_id=parent.tip_id,
            work_id=chain.tip_work_id,
            weight=chain.weight - parent.weight,
            order=self._order,
            received_ms=received_ms,
        )

    def _stored_tree(self, secret: bytes) -> BlockTree:
        """The tree of the newest blocks of the store's chain."""
        tip, depth = self._store.tip.height, self.params.limits.undo_depth
        root = self._lowest_kept(tip, depth)
        below = self._stored_context(root)
        first = ProvenBlock(below.tip_id, NO_BLOCK, below.tip_work_id, 1, 0, 0)
        tree = BlockTree(first, height=root, total=below.weight, undo_depth=depth, secret=secret)
        self._headers[below.tip_id] = self._executed[below.tip_id] = below
        for height in range(root + 1, tip + 1):
            context = self._stored_context(height)
            self._headers[context.tip_id] = self._executed[context.tip_id] = context
            tree.add(self._proven(below, context, 0))
            below = context
        return tree

    def _lowest_kept(self, tip: int, depth: int) -> int:
        """The lowest height, at most ``depth`` below the tip, from which on contexts are kept.

        A change of chain that a crash interrupted leaves a tip below the one that they were kept
        for, so that they may not reach the whole depth.
        """
        lowest = tip
        while lowest > max(0, tip - depth) and (
            lowest == 1 or self._store.index.context(lowest - 1) is not None
        ):
            lowest -= 1
        return lowest

    def _stored_context(self, height: int) -> ChainContext:
        if height == 0:
            return ChainContext.genesis(self.params)
        found = self._store.index.context(height)
        if found is None:
            raise self._store.index.corrupt(f"the context of block {height} is missing")
        return decode_context(found, self.params)

    def _take_up_side_blocks(self, now_ms: int) -> None:
        """What was kept beside the chain had its work proven and its lists read before."""
        waiting = []
        for block_id in self._branches.on_disk:
            if block_id in self._tree:
                self._branches.drop(block_id)
                continue
            data = self._branches.get(block_id)
            header = read_header(data.header, self.params.limits)
            waiting.append((header.pre.height, block_id, header))
        for _, block_id, header in sorted(waiting, key=lambda item: item[:2]):
            # Its time had come before it was kept, whatever the clock says since.
            not_before = header.pre.time_ms
            try:
                parent = self.check_may_come(header)
                check_header(header, parent, now_ms=max(now_ms, not_before))
            except RuleViolation:
                # Its parent was forgotten, or was invalid itself.
                self._branches.drop(block_id)
                continue
            headers = parent.extended_by_header(header)
            self._tree.add(self._proven(parent, headers, now_ms))
            self._headers[block_id] = headers
        self._move_to_best(None)
