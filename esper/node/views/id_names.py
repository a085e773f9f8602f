"""Ids by their first digits: whoever asks for a transaction or a block may leave the rest out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory
from esper.node.mempool.mempool_service import MempoolService
from esper.primitives.ids import BlockId, Txid
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, NOT_FOUND, RpcError

ReplyT = TypeVar("ReplyT")

ID_DIGITS: Final = 128
SHOWN_MATCHES: Final = 5
"""Ids that an ambiguous beginning is told to fit."""
SHOWN_DIGITS: Final = 24
"""Of each of them: a few more than anybody types."""


class TransactionNames:
    """Whole txids for their beginnings: of what waits, was dropped lately, or is in the chain."""

    def __init__(self, mempool: MempoolService, history: ChainHistory) -> None:
        self._mempool = mempool
        self._history = history

    def whole(
        self, function: Callable[[s.TransactionParams], Awaitable[ReplyT]]
    ) -> Callable[[s.TransactionParams], Awaitable[ReplyT]]:
        """``function`` for requests that may give a beginning; it gets the whole txid.

        Raises RpcError where none or several begin so.
        """

        async def asked(params: s.TransactionParams) -> ReplyT:
            if len(params.txid) < ID_DIGITS:
                params = replace(params, txid=self._found(params.txid).hex())
            return await function(params)

        return asked

    def _found(self, beginning: str) -> Txid:
        known = set(self._mempool.pool.txids_with(beginning))
        known.update(self._history.view.txids_with(beginning, SHOWN_MATCHES + 1))
        if not known:
            raise RpcError(NOT_FOUND, f"no transaction {beginning}… waits or is in the chain")
        return only_one(beginning, sorted(known), "transactions", "txid")


def block_with(beginning: str, view: ChainView) -> BlockId:
    """The only block of the chain whose id begins so. Raises RpcError."""
    found = view.store.index.ids_with(beginning, SHOWN_MATCHES + 1)
    if not found:
        raise RpcError(NOT_FOUND, f"no block {beginning[:16]}… is in the chain")
    return only_one(beginning, found, "blocks", "hash")


NameT = TypeVar("NameT", Txid, BlockId)


def only_one(beginning: str, found: Sequence[NameT], what: str, field: str) -> NameT:
    """The one name that was found. Raises RpcError for several."""
    if len(found) == 1:
        return found[0]
    shown = ", ".join(f"{name.hex()[:SHOWN_DIGITS]}…" for name in found[:SHOWN_MATCHES])
    raise RpcError(
        INVALID_PARAMS,
        f"{field}: several {what} begin with {beginning}, give more digits: {shown}",
        {"field": field, "matches": [name.hex() for name in found[:SHOWN_MATCHES]]},
    )
