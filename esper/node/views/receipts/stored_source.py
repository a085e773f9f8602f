"""What a receipt of a call is made of, read from a view of the chain."""

from collections.abc import Sequence

from esper.consensus.block import Body
from esper.consensus.header import Header
from esper.node.calls.receipt_words import ReceiptWords
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.stored_blocks import StoredBlock, stored_block
from esper.node.views.proof_rows import rows_then
from esper.node.views.receipts.answered_call import AnsweredCall
from esper.node.views.receipts.stored_anchor import HeadersOf, headers_at
from esper.primitives.ids import ModelId, Txid
from esper.primitives.params import NetworkParameters
from esper.receipts.links.model import genesis_models
from esper.receipts.ports import ModelTokenizer, NamedModel
from esper.storage.errors import ProofPrunedError
from esper.vm.transaction import Transaction


class ModelUnknownError(Exception):
    """A model that the chain does not name at a height; the message names both."""


class StoredSource:
    """Reads of one answered call. For one thread."""

    def __init__(
        self, view: ChainView, call: AnsweredCall, texts: TextService, headers_of: HeadersOf
    ) -> None:
        self._view = view
        self._call = call
        self._texts = texts
        self._headers_of = headers_of
        self.block: StoredBlock = stored_block(view, call.answered.height)
        """The block that answers."""

    @property
    def params(self) -> NetworkParameters:
        """The network, as it began."""
        return self._view.params

    @property
    def genesis_hash(self) -> bytes:
        """64 bytes."""
        return self._view.context.genesis_hash

    def answering(self, txid: Txid) -> tuple[Header, Body, bytes | None]:
        """The block that answers the call; its proof is None once pruned."""
        try:
            proof = self._view.store.proof(self.block.height)
        except ProofPrunedError:
            proof = None
        return self.block.header, self.block.body, proof

    def call(self, txid: Txid) -> Transaction:
        """The call's transaction, wherever it stands."""
        at = self._call.place.place
        made = self.block if at.height == self.block.height else stored_block(self._view, at.height)
        return made.transaction(at.index)

    def model(self, model_id: ModelId, height: int) -> NamedModel:
        """A model as the chain named it when a block was mined. Raises ModelUnknownError."""
        found = genesis_models(self.params).get(model_id)
        if found is not None:
            return found
        # The block was mined by what its parent says.
        registry = headers_at(self._view, height - 1, self._headers_of).registry
        for tier in registry.tiers:
            for entry in tier.entries:
                if entry.model.model_id == model_id:
                    return NamedModel(entry.model, entry.puzzle)
        raise ModelUnknownError(f"block {height} could not be of model {model_id.hex()[:16]}…")

    def rows(self, model_id: ModelId, height: int) -> Sequence[int]:
        """Rows that the proof of a call may have had, the likeliest first."""
        return rows_then(model_id, height, self._view)

    def tokenizer(self, model_id: ModelId) -> ModelTokenizer:
        """The tokenizer of a model. Raises NoTextError where it is not at this node."""
        entry = self.model(model_id, self.block.height).entry
        return ReceiptWords(self._texts.of(model_id), entry.tokenizer_id)
