"""What peers ask for and this node has in memory: recent blocks, and what waits."""

from esper.node.mempool.mempool_service import MempoolService
from esper.p2p.peer import PeerNumber
from esper.p2p.service.following import Following
from esper.p2p.wire import bulk_messages as bulk
from esper.primitives.ids import BlockId


class FromMemory:
    """``RecentBlocks`` and ``TransactionSource`` of a node, see ``p2p/service/answering.py``."""

    def __init__(self, following: Following, mempool: MempoolService) -> None:
        self._following = following
        self._mempool = mempool

    def compact_for(self, peer: PeerNumber, block_id: bytes) -> tuple[bulk.Compact, bytes] | None:
        """See ``answering.RecentBlocks``."""
        return self._following.blocks.compact_for(peer, BlockId(block_id))

    def transactions_of(
        self, block_id: bytes, indices: tuple[int, ...]
    ) -> tuple[bytes, ...] | None:
        """See ``answering.RecentBlocks``."""
        return self._following.blocks.transactions_of(block_id, indices)

    def transaction_for(self, peer: PeerNumber, prefix: bytes) -> bytes | None:
        """See ``answering.TransactionSource``."""
        if not self._following.transactions.may_serve(peer, prefix):
            return None
        waiting = self._mempool.by_prefix(prefix)
        if waiting is not None:
            return waiting
        recent = self._following.blocks.recent.by_prefix(prefix)
        return recent[0] if len(recent) == 1 else None
