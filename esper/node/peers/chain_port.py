"""The chain as the network's machines see it."""

from typing import Final

from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.node.chain.block_judge import JudgementError
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.sync_state import is_recent
from esper.node.clock import Clock
from esper.primitives.ids import BlockId
from esper.storage.errors import UnknownBlockError

HEIGHTS_KEPT: Final = 1_024
"""Machines ask for the same few blocks at every event, and the index would be read each time."""


class NodeChain:
    """A ``ChainPort``: everything is answered at once, from memory or the index."""

    def __init__(
        self, chain: ChainService, manager: ChainManager, wall: Clock, minimum_weight: int
    ) -> None:
        """``manager`` is the one behind ``chain``; ``wall`` is the time of day."""
        self._chain = chain
        self._manager = manager
        self._wall = wall
        self._minimum_weight = minimum_weight
        self._genesis = chain.view.store.index.genesis.block_id
        self._view: ChainView | None = None
        self._heights: dict[BlockId, int | None] = {}

    @property
    def tip(self) -> HeaderChain:
        """See ``ChainPort``."""
        return self._chain.view.context

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        """See ``ChainPort``."""
        return self._chain.headers_of(block_id)

    def height_on_chain(self, block_id: BlockId) -> int | None:
        """See ``ChainPort``."""
        view = self._chain.view
        if view is not self._view or len(self._heights) >= HEIGHTS_KEPT:
            # A view never changes: what it said of a block, it says again.
            self._view, self._heights = view, {self._genesis: 0}
        if block_id not in self._heights:
            self._heights[block_id] = view.store.index.height_of(block_id)
        return self._heights[block_id]

    def fork_height(self, block_id: BlockId) -> int | None:
        """See ``ChainPort``."""
        found: BlockId | None = block_id
        try:
            while found is not None:
                height = self.height_on_chain(found)
                if height is not None:
                    return height
                found = self._manager.known.parent_of(found)
        except KeyError:
            # The tree has just forgotten it, in the thread that grows the chain.
            return None
        return None

    def id_at(self, height: int) -> BlockId:
        """See ``ChainPort``."""
        index = self._chain.view.store.index
        if height == 0:
            return index.genesis.block_id
        if not 0 < height <= index.tip.height:
            raise LookupError(height)
        try:
            return index.entry(height).block_id
        except UnknownBlockError as error:
            raise LookupError(height) from error

    def tip_is_current(self) -> bool:
        """See ``ChainPort``."""
        tip = self._chain.view.context
        return is_recent(tip, self._wall()) and tip.weight >= self._minimum_weight

    def check_may_come(self, header: Header) -> HeaderChain:
        """See ``ChainPort``."""
        return self._manager.check_may_lead(header)

    def check_header(self, header: Header, parent: HeaderChain) -> None:
        """See ``ChainPort``."""
        try:
            self._chain.judging.judge_header(header, parent)
        except JudgementError as refused:
            raise refused.violation from None

    def check_alone(self, header: Header) -> None:
        """See ``ChainPort``."""
        try:
            self._chain.judging.judge_alone(header, self._chain.view.context.genesis_hash)
        except JudgementError as refused:
            raise refused.violation from None
