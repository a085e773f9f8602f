"""What a node's chain says of an answered call, for its receipt."""

from collections.abc import Sequence

from esper.consensus.block import Body
from esper.consensus.header import Header
from esper.node.calls.receipt_words import ReceiptWords
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import HistoryView
from esper.node.chain.stored_blocks import stored_block
from esper.node.gateway.named_models import named_model
from esper.node.views.proof_rows import rows_then
from esper.primitives.ids import ModelId, Txid
from esper.primitives.params import NetworkParameters
from esper.receipts.ports import NamedModel
from esper.storage.errors import StorageError
from esper.storage.history.history_records import CallPlace
from esper.vm.transaction import Transaction


class ChainReceipts:
    """A ``ReceiptSource``: one chain and its history, for any thread."""

    def __init__(self, view: ChainView, history: HistoryView, texts: TextService) -> None:
        self._view = view
        self._history = history
        self._texts = texts

    @property
    def params(self) -> NetworkParameters:
        """The network, as it began."""
        return self._view.params

    @property
    def genesis_hash(self) -> bytes:
        """64 bytes."""
        return self._view.context.genesis_hash

    def answering(self, txid: Txid) -> tuple[Header, Body, bytes | None]:
        """The block that answers a call. Raises KeyError if none does."""
        answered = self._place(txid).answered
        if answered is None:
            raise KeyError(f"call {txid.hex()[:16]} has no answer")
        block = stored_block(self._view, answered.height)
        proof: bytes | None
        try:
            proof = self._view.store.proof(answered.height)
        except StorageError:
            # Pruned, or damaged: the receipt holds without the block's work.
            proof = None
        return block.header, block.body, proof

    def call(self, txid: Txid) -> Transaction:
        """A call's transaction."""
        place = self._place(txid).place
        return stored_block(self._view, place.height).transaction(place.index)

    def model(self, model_id: ModelId, height: int) -> NamedModel:
        """A model as the chain names it. Raises KeyError."""
        return named_model(model_id, self._view)

    def rows(self, model_id: ModelId, height: int) -> Sequence[int]:
        """Rows that the proof of a call may have had, the likeliest first."""
        return rows_then(model_id, height, self._view)

    def tokenizer(self, model_id: ModelId) -> ReceiptWords:
        """The tokenizer of a model. Raises NoTextError."""
        entry = named_model(model_id, self._view).entry
        return ReceiptWords(self._texts.of(model_id), entry.tokenizer_id)

    def _place(self, txid: Txid) -> CallPlace:
        place = self._history.call(txid)
        if place is None:
            raise KeyError(f"call {txid.hex()[:16]} is not in the chain")
        return place
