"""Receipts of proven calls with their promises, as the node makes receipts for everybody."""

from typing import Final

from esper.consensus.header import decode_header
from esper.gateway.store.kept_rows import DAMAGED
from esper.node.gateway.promise_signer import read_promise
from esper.node.gateway.proving.driver_ports import ProvenReceipt, ReceiptNotMadeError
from esper.node.views.receipts.receipt_maker import ReceiptMaker, Wanted
from esper.node.views.receipts.stored_source import ModelUnknownError
from esper.primitives.codec import CodecError
from esper.primitives.ids import Txid
from esper.receipts.form import MAX_BYTES, decode_receipt
from esper.receipts.json_shapes import FormError
from esper.rpc.errors import RpcError
from esper.storage.errors import StorageError
from esper.storage.history.history_reader import HistoryUnusableError

TOO_LARGE: Final = "too_large"
REFUSALS = (RpcError, ModelUnknownError, StorageError, HistoryUnusableError, KeyError)
"""What says that a chain has no receipt of a call, or none now."""


class PromisedReceipts:
    """A ``ReceiptMaker`` of the driver on the one of the node."""

    def __init__(self, maker: ReceiptMaker) -> None:
        self._maker = maker

    async def make(self, txid: bytes, promise: bytes) -> ProvenReceipt:
        """The receipt of a call with its promise. Raises ReceiptNotMadeError."""
        try:
            _, instant, request = read_promise(promise)
        except ValueError as error:
            raise ReceiptNotMadeError("its promise is damaged", DAMAGED) from error
        try:
            made = await self._maker.made(Txid(txid), Wanted(instant=instant, request=request))
            anchor = None
            if made.anchor is not None:
                anchor = (made.anchor, made.view.store.index.entry(made.anchor).block_id)
        except REFUSALS as error:
            raise ReceiptNotMadeError(str(error)) from error
        if len(made.data) > MAX_BYTES:
            # A group of many long calls. Nobody could check it; the promise stays.
            why = f"the receipt has {len(made.data)} bytes, one that is checked {MAX_BYTES} at most"
            raise ReceiptNotMadeError(why, TOO_LARGE)
        return ProvenReceipt(made.data, made.block_id, anchor)

    def read(self, receipt: bytes) -> ProvenReceipt | None:
        """What a receipt is of that was made before; None for one that nobody can read."""
        try:
            found = decode_receipt(receipt)
        except FormError:
            return None
        if found.block_id is None:
            return None
        anchor = None
        if found.anchor is not None:
            try:
                header = decode_header(found.anchor.header, len(found.anchor.header))
            except CodecError:
                return None
            anchor = (header.pre.height, header.block_id)
        return ProvenReceipt(receipt, found.block_id, anchor)
