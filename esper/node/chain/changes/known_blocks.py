"""All blocks that a node knows: on its chain, beside it and far from it, in memory and on disk."""

from collections.abc import Sequence
from itertools import count

from esper.consensus.block import decode_body
from esper.consensus.block_isolation import read_content
from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.header import Header, decode_header
from esper.consensus.header_chain import HeaderChain
from esper.node.chain.branches import Branches
from esper.node.chain.changes.arrival import ReadBlock, Way
from esper.node.chain.changes.stored_tree import proven, stored_tree
from esper.node.chain.far_branches import FarBranches
from esper.node.chain.header_chains import HeaderChains
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.errors import ProofPrunedError


class KnownBlocks:
    """Blocks of all branches, and where each is kept. Changed by one thread at a time."""

    def __init__(
        self, store: ChainStore, params: NetworkParameters, *, secret: bytes, side_bytes: int
    ) -> None:
        """``secret`` decides between equal tips; blocks beside the chain take ``side_bytes``."""
        self.store = store
        self.params = params
        self.headers: dict[BlockId, HeaderChain] = {}
        """The headers up to each block of the tree."""
        self.executed: dict[BlockId, ChainContext] = {}
        """The chain up to each block of the tree that was executed."""
        self.keeps_far = False
        """Whether far branches are kept: in a node that was never current."""
        self._secret = secret
        self._side_bytes = side_bytes
        self._orders = count(1)
        self._chains = HeaderChains(store, params)
        self.root_anew()
        self.far = FarBranches(store, params, self.headers_here, side_bytes)
        """Branches that leave the chain deeper than it goes back by itself."""

    def root_anew(self) -> None:
        """A tree of the store's chain as it is, without what lies beside it."""
        self.headers.clear()
        self.executed.clear()
        self.tree, contexts = stored_tree(self.store, self.params, self._secret, self._orders)
        self.headers.update(contexts)
        self.executed.update(contexts)
        self.branches = Branches(self.store, self.tree, self._side_bytes)

    @property
    def context(self) -> ChainContext:
        """The chain as its next block's header sees it."""
        return self.executed[self.tip_id]

    @property
    def tip_id(self) -> BlockId:
        """The tip of the store."""
        return self.store.tip.block_id

    def join(self, parent: HeaderChain, headers: HeaderChain, received_ms: int) -> None:
        """A block with its headers into the tree."""
        self.tree.add(proven(parent, headers, next(self._orders), received_ms))
        self.headers[headers.tip_id] = headers

    def tell_above(self, block_id: BlockId) -> None:
        """What builds on an executed block, and was not executed, knows what that confirmed."""
        executed = self.executed.get(block_id)
        if executed is None or block_id not in self.tree:
            return
        waiting = list(self.tree.children(block_id))
        while waiting:
            above = waiting.pop()
            if above not in self.executed:
                self.headers[above] = self.headers[above].told(executed)
                waiting += self.tree.children(above)

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        """The headers up to a block of any branch, None if it is not kept.

        Those of the chain and of what was left behind for another branch are kept for good.
        """
        return self.headers_here(block_id) or self.far.headers_of(block_id)

    def headers_here(self, block_id: BlockId) -> HeaderChain | None:
        """As ``headers_of``, without those of far branches."""
        return self.headers.get(block_id) or self._chains.of(block_id)

    def headers_at(self, height: int) -> HeaderChain | None:
        """The headers up to the chain's block of a height, None where it has none."""
        index = self.store.index
        if not 0 <= height <= self.store.tip.height:
            return None
        at = index.entry(height).block_id if height else index.genesis.block_id
        return self.headers_here(at)

    def parent_of(self, block_id: BlockId) -> BlockId | None:
        """The block below one of any branch, None if it is in no branch beside the chain."""
        if block_id in self.tree:
            return self.tree.parent(block_id)
        return self.far.parent_of(block_id)

    def context_of(self, block_id: BlockId) -> ChainContext | None:
        """The chain up to a recent block that was executed, None if it is not kept."""
        return self.executed.get(block_id)

    def parent_left(self, block_id: BlockId) -> BlockId:
        """The block below one that a change of chain left behind. Raises UnknownBlockError."""
        data = self.store.blocks().header(block_id)
        return decode_header(data, self.params.limits.header_bytes).pre.parent

    def way_to(self, block_id: BlockId) -> Way:
        """The way to any block that is kept, left behind ones too. Raises UnknownBlockError."""
        index = self.store.index
        above: list[BlockId] = []
        at = block_id
        while at != index.genesis.block_id and index.height_of(at) is None:
            above.append(at)
            at = self.parent_of(at) or self.parent_left(at)
        return Way(at, tuple(reversed(above)))

    def block(self, block_id: BlockId) -> BlockBytes:
        """A known block of any branch. Raises what the store raises for one that is not kept."""
        if self.store.index.height_of(block_id) is None:
            return self.branches.get(block_id)
        return self.stored(block_id)

    def content(self, block_id: BlockId) -> ReadBlock:
        """A known block of any branch, read again; its proof may be pruned.

        Raises what the store raises for one that is not kept.
        """
        limits, height = self.params.limits, self.store.index.height_of(block_id)
        kept = self.branches.get(block_id) if height is None else self.store.block(height)
        header = decode_header(kept.header, limits.header_bytes)
        body = decode_body(kept.body, limits.body_bytes)
        return ReadBlock(header, read_content(body, header.pre, limits))

    def kept(self, block_id: BlockId) -> BlockBytes:
        """A block from wherever it is kept, without its proof if that is not."""
        if block_id in self.far:
            return self.far.get(block_id)
        if self.branches.holds(block_id):
            return self.branches.get(block_id)
        blocks = self.store.blocks()
        try:
            proof = blocks.proof(block_id)
        except ProofPrunedError:
            proof = b""
        return BlockBytes(blocks.header(block_id), blocks.body(block_id), proof)

    def stored(self, block_id: BlockId) -> BlockBytes:
        """A block of the chain from the store, without its proof if that is not kept."""
        height = self.tree.height(block_id)
        found = self.store.block(height)
        try:
            proof = self.store.proof(height)
        except ProofPrunedError:
            proof = b""
        return BlockBytes(found.header, found.body, proof)

    def check_may_come(self, header: Header) -> HeaderChain:
        """The branch that a header builds on, unless something is known against it.

        Costs nothing, whoever asks. Raises UnknownParentViolation, InvalidAncestorViolation and
        InvalidSiblingViolation.
        """
        pre = header.pre
        self.tree.check_may_join(header.block_id, pre.parent, header.work_id)
        parent = self.headers.get(pre.parent)
        if parent is None:
            raise UnknownParentViolation(pre.parent)
        return parent

    def check_may_lead(self, header: Header) -> HeaderChain:
        """As ``check_may_come``, of headers on any block that is kept, however deep it lies."""
        if header.pre.parent in self.tree:
            return self.check_may_come(header)
        return self.far.check_may_come(header.block_id, header.pre.parent)

    def waits_for_visit(self, block_id: BlockId) -> bool:
        """Whether a branch beside the chain ends at its horizon and was not executed."""
        if block_id not in self.tree or block_id in self.executed:
            return False
        headers = self.headers[block_id]
        return headers.height >= headers.horizon and not self.tree.is_invalid(block_id)

    def may_follow(self, parent_id: BlockId) -> bool:
        """Whether a branch on this block leaves the chain where blocks can still be undone."""
        if parent_id not in self.tree or self.branches.is_bare(parent_id):
            return False
        try:
            self.tree.path(self.store.tip.block_id, parent_id)
        except TooDeepReorganisation:
            return False
        return True

    def forget_contexts(self, gone: Sequence[BlockId]) -> None:
        """Blocks left the tree: nothing else is kept of them."""
        for block_id in gone:
            self.headers.pop(block_id, None)
            self.executed.pop(block_id, None)
            self.branches.drop(block_id)

    def forget(self, block_id: BlockId) -> None:
        """Take a block and what builds on it out of the tree and off the disk."""
        self.forget_contexts(self.branches.forget(block_id))
