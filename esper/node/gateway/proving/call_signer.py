"""Signs what the proving line asks for: calls with the prompts of their promises, and cancels."""

from collections.abc import Callable

from esper.gateway.ports import StorePort
from esper.gateway.proving_rows import Row, Sign
from esper.node.chain.chain_view import ChainView
from esper.node.gateway.gateway_account import CANCEL_UNITS, GatewayAccount
from esper.node.gateway.promise_signer import read_promise
from esper.node.gateway.proving.driver_ports import NotSignedError
from esper.node.in_force import parameters_of
from esper.primitives.address import Address
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay


class CallSigner:
    """A ``SignCall`` by the gateway's account."""

    def __init__(
        self, account: GatewayAccount, store: StorePort, view: Callable[[], ChainView]
    ) -> None:
        """``view``: the chain as it stands."""
        self._account = account
        self._store = store
        self._view = view

    async def __call__(self, sign: Sign, row: Row | None) -> tuple[bytes, bytes]:
        """Txid and bytes of a transaction. Raises NotSignedError and StoreError."""
        made = self._cancel(sign) if sign.cancel else await self._call(sign, row)
        return made.txid, made.to_bytes()

    async def _call(self, sign: Sign, row: Row | None) -> Transaction:
        kept = await self._store.ask(lambda store: store.receipts.find(sign.call))
        if kept is None or kept.promise is None or row is None:
            why = f"call {sign.call} has no promise any more: it cannot be proven"
            raise NotSignedError(why, is_lost=True)
        try:
            promise = read_promise(kept.promise)[0]
        except ValueError as error:
            why = f"the promise of call {sign.call} is damaged: it cannot be proven"
            raise NotSignedError(why, is_lost=True) from error
        if (promise.model_id, promise.answer) != (row.model_id, row.answer):
            why = f"the promise of call {sign.call} is another's: it cannot be proven"
            raise NotSignedError(why, is_lost=True)
        view = self._view()
        limits = parameters_of(view.context, view.state).limits
        return self._account.call(
            sign, promise.model_id, promise.prompt, len(promise.answer), limits
        )

    def _cancel(self, sign: Sign) -> Transaction:
        view = self._view()
        made = self._account.cancel(sign, parameters_of(view.context, view.state).limits)
        balance = Ledger(Overlay(view.state)).account(self._account.address).balance
        if balance < made.fee + CANCEL_UNITS:
            address = Address.from_bytes(self._account.address).to_text(view.params.address_prefix)
            raise NotSignedError(
                "calls of the gateway wait behind a nonce that nothing uses up; send a few coins "
                f"for a fee to {address}"
            )
        return made
