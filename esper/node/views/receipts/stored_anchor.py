"""Anchors of receipts from the store: a block of the chain, with the state that it led to."""

from collections.abc import Callable

from esper.consensus.header_chain import HeaderChain
from esper.node.chain.chain_view import ChainView
from esper.primitives.ids import BlockId, Txid
from esper.primitives.mmr import Place as NodePlace
from esper.storage.chain_reader import ChainReader
from esper.storage.errors import StorageError
from esper.storage.history.history_records import Place
from esper.storage.node_log import block_nodes
from esper.storage.receipt_log import ReceiptLog
from esper.storage.state.disk_state_tree import DiskStateTree
from esper.vm.state_tree import StateProof

HeadersOf = Callable[[BlockId], HeaderChain | None]
"""The headers up to a block that was executed, None for others."""


class NotInStateError(Exception):
    """The anchor's state has no such record."""


class HeadersMissingError(StorageError):
    """The node does not know the chain up to one of its own blocks."""

    def __init__(self, height: int) -> None:
        super().__init__(f"the headers up to block {height} are not kept; run `esperd reindex`")


def headers_at(view: ChainView, height: int, headers_of: HeadersOf) -> HeaderChain:
    """The headers up to a view's block. Raises HeadersMissingError and what damaged files raise."""
    index = view.store.index
    block_id = index.entry(height).block_id if height else index.genesis.block_id
    found = headers_of(block_id)
    if found is None:
        raise HeadersMissingError(height)
    return found


class StoredAnchor:
    """A block of a view as an anchor. For one thread."""

    def __init__(
        self,
        view: ChainView,
        height: int,
        state: DiskStateTree,
        answered: Place,
        headers_of: HeadersOf,
    ) -> None:
        """``state`` is that after the block of ``height``; ``answered`` is the answer's place."""
        self._view = view
        self._height = height
        self._state = state
        self._answered = answered
        self._headers_of = headers_of

    @property
    def _store(self) -> ChainReader:
        return self._view.store

    @property
    def header(self) -> bytes:
        """Its bytes."""
        return self._store.header(self._height)

    def prove(self, path: bytes) -> tuple[StateProof, bytes]:
        """What stands at a 32-byte path, and its proof. Raises NotInStateError."""
        record = self._state.get(path)
        if record is None:
            raise NotInStateError(f"the state has nothing at {path.hex()[:16]}")
        return self._state.prove(path), record

    def block_node(self, place: NodePlace) -> bytes:
        """64 bytes: a node of the range over all blocks. Raises NodeMissingError."""
        return block_nodes(self._store.index.store).node(place)

    def receipt_node(self, place: NodePlace) -> bytes:
        """64 bytes: a node of the range over all receipts. Raises NodeMissingError."""
        return ReceiptLog(self._store.index.store).nodes.node(place)

    def weight(self, height: int) -> int:
        """Weight of the chain at a height."""
        return headers_at(self._view, height, self._headers_of).weight

    def outcome(self, txid: Txid) -> tuple[int, bytes]:
        """Number and bytes of the chain's receipt of the answering transaction."""
        below, index = self._answered.height - 1, self._answered.index
        number = index + (self._store.index.entry(below).receipts if below else 0)
        return number, self._store.receipt(number)
