"""Receipts for the RPC: what anybody can check without this node."""

from esper.node.views.receipts.receipt_maker import ReceiptMaker, Wanted
from esper.node.views.sync_state import SyncState
from esper.primitives.ids import txid_of
from esper.rpc import schema as s


class ReceiptViews:
    """Answers with receipts of calls."""

    def __init__(self, maker: ReceiptMaker, sync: SyncState) -> None:
        self._maker = maker
        self._sync = sync

    async def receipt(self, params: s.ReceiptParams) -> s.ReceiptReply:
        """The receipt of a call that was answered. Raises RpcError with ``data.status``."""
        made = await self._maker.made(txid_of(params.txid), Wanted(params.work, params.anchor))
        chain = made.view.context
        return s.ReceiptReply(
            txid=params.txid,
            receipt=made.data.decode("ascii"),
            height=made.height,
            block=made.block_id.hex(),
            confirmations=chain.height - made.height + 1,
            anchor=made.anchor,
            anchored_at=made.anchored_at,
            lacking=made.lacking,
            as_of=self._sync.as_of(chain),
        )
