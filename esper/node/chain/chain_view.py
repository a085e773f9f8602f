"""The chain as it stood after a whole change: what readers hold, whatever is written meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass

from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_reader import ChainReader


@dataclass(frozen=True, slots=True, eq=False)
class ChainView:
    """A tip with its state and its blocks; one object for each tip, for any thread."""

    params: NetworkParameters
    """The network."""
    context: ChainContext
    """The chain as its next block sees it."""
    state: ChainState
    """The state at the tip."""
    store: ChainReader
    """Blocks, proofs and receipts up to the tip."""
    recent: Mapping[BlockId, ChainContext]
    """Contexts of executed blocks above the depth that can be undone, by block id."""

    def context_of(self, block_id: BlockId) -> ChainContext | None:
        """The chain up to a recent block of it, None if it is not kept."""
        return self.recent.get(block_id)
