"""The chain of a node: proven blocks of all branches, and the state at the best of their tips.

A block is checked as far as its branch allows, kept on disk, and added to the tree of proven
blocks; then the node moves to the best tip, block by block. What a change of chain takes off stays
beside the chain until it can never be needed again, so neither a crash in the middle nor a branch
that turns out invalid loses anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.consensus.block import Block
from esper.consensus.block_isolation import BlockContent, check_block_in_isolation
from esper.consensus.chain import BlockBytes, check_proven, connect, read_block
from esper.consensus.context import ChainContext
from esper.consensus.context_record import decode_context
from esper.consensus.fork_choice import BlockTree, ProvenBlock
from esper.consensus.ports import WorkVerifier
from esper.crypto.batch import BatchVerifier
from esper.crypto.signatures import SignatureClaim, SignatureVerifier
from esper.node.chain.store_state import StoreState, stored_execution
from esper.primitives.errors.chain_errors import InvalidAncestorViolation, TooDeepReorganisation
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.side_blocks import SideBlocks
from esper.vm.context import ONE_BY_ONE
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

PRUNE_EVERY: Final = 64
"""Blocks between two looks for proofs that may be deleted."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a block that broke no rule."""

    block_id: bytes
    """64 bytes."""
    new: bool
    """Whether it was unknown."""
    undone: tuple[bytes, ...]
    """Ids of blocks that left the chain, the old tip first."""
    applied: tuple[bytes, ...]
    """Ids of blocks that joined it, the new tip last."""


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A block that was read and checked by itself, ready to be put on its parent."""

    block_id: bytes
    data: BlockBytes
    block: Block
    content: BlockContent


class ChainManager:
    """The only writer of a store. Not for several threads at once."""

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
    ) -> None:
        """``secret`` decides between equal tips; ``prune`` deletes proofs below the pruning depth.

        Blocks that a crash left beside the chain are taken up again, as of the clock ``now_ms``.
        Raises SideBlockError.
        """
        self.params = params
        self.state = StoreState(store)
        self._store = store
        self._side = SideBlocks(store.datadir)
        self._verifier = verifier
        self._signatures = signatures
        self._prune = prune
        self._order = 0
        self._contexts: dict[bytes, ChainContext] = {}
        self._tree = self._stored_tree(secret)
        self._take_up_side_blocks(now_ms)

    @property
    def context(self) -> ChainContext:
        """The chain as its next block's header sees it."""
        return self._contexts[self._store.tip.block_id]

    @property
    def store(self) -> ChainStore:
        """The store, for reading."""
        return self._store

    def knows(self, block_id: bytes) -> bool:
        """Whether a block is in the tree, on any branch."""
        return block_id in self._tree

    def context_of(self, block_id: bytes) -> ChainContext | None:
        """The chain up to a recent block of any branch, None if it is not kept."""
        return self._contexts.get(block_id)

    def block(self, block_id: bytes) -> BlockBytes:
        """A known block of any branch. Raises what the store raises for one that is not kept."""
        if self._store.index.height_of(block_id) is None:
            return self._side.get(block_id)
        return self._stored(block_id)

    def moved_from(self, before: bytes) -> Arrival:
        """The way from a tip that the chain had to the one that it has."""
        return self._arrival(self._store.tip.block_id, before, new=False)

    def submit(self, data: BlockBytes, *, now_ms: int) -> Arrival:
        """Check a block, keep it, and move to the best tip.

        Raises the violation of the first rule that it breaks, TooDeepReorganisation if following
        the best tip needs the operator, and what the store raises. What the machine refuses is no
        verdict: the block may be brought again.
        """
        block = read_block(data, self.params.limits)
        block_id = block.header.block_id
        before = self._store.tip.block_id
        if block_id in self._tree:
            if self._tree.is_invalid(block_id):
                raise InvalidAncestorViolation(block_id, block.header.pre.parent)
            # Nothing to do, unless the machine failed in the middle of a change of chain.
            self._move_to_best(None)
            return self._arrival(block_id, before, new=False)
        fresh = self._add(block, data, now_ms)
        try:
            failed = self._move_to_best(fresh)
        except BaseException:
            self._forget_unsaved(block_id, block.header.pre.parent, before)
            raise
        if failed is not None:
            raise failed
        return self._arrival(block_id, before, new=True)

    def _forget_unsaved(self, block_id: bytes, parent_id: bytes, before: bytes) -> None:
        """Without this a block that is in the tree and nowhere on disk would block the way."""
        if parent_id == before and self._store.tip.block_id != block_id:
            self._tree.forget(block_id)
            del self._contexts[block_id]

    def _add(self, block: Block, data: BlockBytes, now_ms: int) -> "_Fresh":
        """Everything that can be judged on any branch; then into the tree."""
        pre = block.header.pre
        parent = self._contexts.get(pre.parent)
        if parent is None:
            raise UnknownParentViolation(pre.parent)
        if self._tree.is_invalid(pre.parent):
            raise InvalidAncestorViolation(block.header.block_id, pre.parent)
        content = check_proven(parent, block, self._verifier, now_ms=now_ms)
        if pre.parent != self._store.tip.block_id:
            self._side.put(block.header.block_id, data)
        # What its calls were worth is known when it is executed; no header depends on it.
        context = parent.extended(block.header, block.body.outputs, paid_tokens=0)
        self._contexts[context.tip_id] = context
        self._tree.add(self._proven(parent, context, now_ms))
        return _Fresh(block.header.block_id, data, block, content)

    def _move_to_best(self, fresh: "_Fresh | None") -> RuleViolation | None:
        """Undo and apply until the best tip is the chain's; why ``fresh`` failed, if it did."""
        failed: RuleViolation | None = None
        while (best := self._tree.best_tip()) != self._store.tip.block_id:
            path = self._tree.path(self._store.tip.block_id, best)
            self._check_undoable(len(path.undo))
            for block_id in path.undo:
                self._side.put(block_id, self._stored(block_id))
            for _ in path.undo:
                self._store.rewind()
            for block_id in path.apply:
                known = fresh if fresh is not None and fresh.block_id == block_id else None
                try:
                    self._apply(known or self._kept(block_id))
                except RuleViolation as violation:
                    if violation.consequence is Consequence.HALT:
                        raise
                    failed = violation if known is not None else failed
                    self._tree.mark_invalid(block_id)
                    self._side.remove(block_id)
                    break
        self._settle()
        return failed

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

    def _kept(self, block_id: bytes) -> "_Fresh":
        """A block that waits beside the chain, read and checked by itself again."""
        data = self._side.get(block_id)
        block = read_block(data, self.params.limits)
        return _Fresh(block_id, data, block, check_block_in_isolation(block, self.params.limits))

    def _apply(self, new: "_Fresh") -> None:
        parent = self._contexts[new.block.header.pre.parent]
        self._begin_signatures(new.content.transactions, parent)
        context, execution = connect(
            parent, self.state, new.block, new.content, self._verifier, self._signatures
        )
        self._store.append(new.block_id, new.data, stored_execution(execution, context))
        self._contexts[new.block_id] = context
        self._side.remove(new.block_id)
        depth = self.params.limits.pruning_depth
        if self._prune and context.height > depth and context.height % PRUNE_EVERY == 0:
            self._store.prune_proofs(context.height - depth)

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

    def _stored(self, block_id: bytes) -> BlockBytes:
        """A block of the chain from the store."""
        height = self._tree.height(block_id)
        found = self._store.block(height)
        return BlockBytes(found.header, found.body, self._store.proof(height))

    def _settle(self) -> None:
        """Forget branches that the undo depth has left behind."""
        self._tree.settle(self._store.tip.block_id)
        for block_id in [known for known in self._contexts if known not in self._tree]:
            del self._contexts[block_id]
            self._side.remove(block_id)

    def _arrival(self, block_id: bytes, before: bytes, *, new: bool) -> Arrival:
        path = self._tree.path(before, self._store.tip.block_id)
        return Arrival(block_id, new, path.undo, path.apply)

    def _proven(self, parent: ChainContext, context: ChainContext, now_ms: int) -> ProvenBlock:
        self._order += 1
        return ProvenBlock(
            block_id=context.tip_id,
            parent_id=parent.tip_id,
            work_id=context.tip_work_id,
            weight=context.weight - parent.weight,
            order=self._order,
            received_ms=now_ms,
        )

    def _stored_tree(self, secret: bytes) -> BlockTree:
        """The tree of the newest blocks of the store's chain."""
        tip, depth = self._store.tip.height, self.params.limits.undo_depth
        root = self._lowest_kept(tip, depth)
        below = self._stored_context(root)
        first = ProvenBlock(below.tip_id, bytes(64), below.tip_work_id, 1, 0, 0)
        tree = BlockTree(first, height=root, total=below.weight, undo_depth=depth, secret=secret)
        self._contexts[below.tip_id] = below
        for height in range(root + 1, tip + 1):
            context = self._stored_context(height)
            self._contexts[context.tip_id] = context
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
        waiting = []
        for block_id in self._side:
            if block_id in self._tree:
                self._side.remove(block_id)
                continue
            block = read_block(data := self._side.get(block_id), self.params.limits)
            waiting.append((block.header.pre.height, block_id, block, data))
        for _, block_id, block, data in sorted(waiting, key=lambda item: item[:2]):
            # Its time had come before it was kept, whatever the clock says since.
            not_before = block.header.pre.time_ms
            try:
                self._add(block, data, max(now_ms, not_before))
            except RuleViolation:
                # Its parent was forgotten, or was invalid itself.
                self._side.remove(block_id)
        self._move_to_best(None)
