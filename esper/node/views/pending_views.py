"""What waits and concerns an address, for the RPC."""

from functools import partial
from typing import Final

from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history_entries import waiting_happenings
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.rpc_formats import address_of, address_text
from esper.node.views.sync_state import SyncState
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.vm.transaction import Transaction

LISTED: Final = 200
"""Events that ``get_pending`` names."""


class PendingViews:
    """Answers about what comes to addresses, and what they sent."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        params: NetworkParameters,
        sync: SyncState,
    ) -> None:
        self._chain = chain
        self._mempool = mempool
        self._params = params
        self._sync = sync

    async def pending(self, params: s.AccountParams) -> s.Pending:
        """What waits for an address. Raises RpcError."""
        address = address_of(params.address, self._params)
        waiting = [transaction for transaction, _, _ in self._mempool.pool.kept()]
        # A full mempool takes a while to look through; others are answered meanwhile.
        return await self._chain.in_thread(partial(self._listed, address, waiting))

    def _listed(self, address: bytes, waiting: list[Transaction], view: ChainView) -> s.Pending:
        own = sorted((one for one in waiting if one.sender == address), key=lambda one: one.nonce)
        coming = [one for one in waiting if one.sender != address and _brings(one, address)]
        events = [event for one in (*own, *coming)[:LISTED] for event in self._events(one, address)]
        return s.Pending(events[:LISTED], self._sync.as_of(view.context))

    def _events(self, transaction: Transaction, address: bytes) -> list[s.PendingEvent]:
        return [
            s.PendingEvent(
                txid=transaction.txid.hex(),
                what=one.what.label,
                amount=str(one.amount),
                fee=str(one.fee),
                other=address_text(one.other, self._params),
                nonce=transaction.nonce,
                expiry=transaction.expiry,
            )
            for one in waiting_happenings(transaction)
            if one.address == address
        ]


def _brings(transaction: Transaction, address: bytes) -> bool:
    payload = transaction.payload
    return any(one.receiver == address for one in (*payload.payments, *payload.gifts))
