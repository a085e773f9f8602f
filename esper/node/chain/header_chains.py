"""The headers up to any block that was executed once, read back from the nearest kept context.

The store keeps the context of one block of a few, and of each that confirmed something; those
between are its headers put on top of it.
"""

import threading
from collections import OrderedDict
from typing import Final

from esper.consensus.context import ChainContext
from esper.consensus.context_record import decode_context
from esper.consensus.header import Header, decode_header
from esper.consensus.header_chain import HeaderChain
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore

REMEMBERED: Final = 1_024
"""A kilobyte each: who walks along a chain reads every header once."""


class HeaderChains:
    """Of the blocks on a store's chain and of those left behind. For any thread."""

    def __init__(self, store: ChainStore, params: NetworkParameters) -> None:
        self._store = store
        self._params = params
        self._recent: OrderedDict[BlockId, HeaderChain] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, block_id: BlockId) -> HeaderChain | None:
        """The headers up to a block, None for one that was never executed here.

        A few reads, also for the oldest. Raises what damaged files raise.
        """
        chain = self._store.as_of_now()
        index, limit = chain.index, self._params.limits.header_bytes
        above: list[Header] = []
        at, found = block_id, self._remembered(block_id)
        while found is None:
            if at == index.genesis.block_id:
                found = ChainContext.genesis(self._params)
                break
            height = index.height_of(at)
            entry = index.left(at) if height is None else index.entry(height)
            if entry is None:
                return None
            kept = index.left_context(at) if height is None else index.context(height)
            if kept:
                found = decode_context(kept, self._params)
                break
            above.append(decode_header(chain.header_at(entry), limit))
            at = above[-1].pre.parent
            found = self._remembered(at)
        for header in reversed(above):
            # It was executed here, and confirmed nothing: else its context were kept.
            found = found.extended_by_header(header).executed(())
            self._remember(found)
        return found

    def _remembered(self, block_id: BlockId) -> HeaderChain | None:
        with self._lock:
            return self._recent.get(block_id)

    def _remember(self, headers: HeaderChain) -> None:
        with self._lock:
            self._recent[headers.tip_id] = headers
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
