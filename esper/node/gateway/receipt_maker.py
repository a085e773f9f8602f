"""Receipts of proven calls from the node's chain, in its reading threads."""

from collections.abc import Callable
from functools import partial

from esper.consensus.ports import WorkVerifier
from esper.node.calls.text_service import NoTextError, TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory, HistoryView
from esper.node.gateway.driver_ports import ReceiptNotMadeError
from esper.node.gateway.promise_signer import read_promise
from esper.node.gateway.receipt_source import ChainReceipts
from esper.primitives.ids import Txid
from esper.receipts.build import AnchorSource, build_proof
from esper.receipts.form import decode_receipt, encode_receipt
from esper.receipts.json_shapes import FormError
from esper.storage.errors import StorageError
from esper.storage.history.history_reader import HistoryUnusableError

AnchorMaker = Callable[[ChainView], AnchorSource | None]
"""The tip of a view as an anchor, None where nothing keeps what it takes."""


class ChainReceiptMaker:
    """A ``ReceiptMaker``."""

    def __init__(
        self,
        chain: ChainService,
        history: ChainHistory,
        texts: TextService,
        verifier: WorkVerifier,
        anchors: AnchorMaker = lambda view: None,
    ) -> None:
        """``verifier`` says which rows an old proof has."""
        self._chain = chain
        self._history = history
        self._texts = texts
        self._verifier = verifier
        self._anchors = anchors

    async def make(self, txid: bytes, promise: bytes, *, anchored: bool) -> bytes:
        """The receipt of a call with its promise. Raises ReceiptNotMadeError."""
        try:
            history = self._history.view
            made = partial(self._made, Txid(txid), promise, history, anchored)
            return await self._chain.in_thread(made)
        except (KeyError, StorageError, HistoryUnusableError, NoTextError) as error:
            raise ReceiptNotMadeError(str(error)) from error

    def block_of(self, receipt: bytes) -> bytes:
        """64 bytes: id of the block that a receipt is of; empty for a promise."""
        try:
            return decode_receipt(receipt).block_id or b""
        except FormError:
            # One that a group of many calls made too large: nobody can check it.
            return b""

    def _made(
        self, txid: Txid, promise: bytes, history: HistoryView, anchored: bool, view: ChainView
    ) -> bytes:
        said, instant, request = read_promise(promise)
        found = build_proof(
            ChainReceipts(view, history, self._texts),
            txid,
            self._verifier,
            anchor=self._anchors(view) if anchored else None,
            instant=instant,
            request=request,
        )
        group = found.group
        assert group is not None
        if group.members[group.position].answer != said.answer:
            raise ReceiptNotMadeError("the block's answer is not the one that was signed")
        return encode_receipt(found)
