"""The history of a node's chain: the index kept in step with the store, and what follows from it.

The store says what the chain is; nothing else is asked. So the index finds its way whatever came
between: a change of chain, a crash before it had the last block, a chain that went back.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from esper.consensus.header import decode_header
from esper.node.chain.changes.arrival import ReadBlock
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.chain.history_entries import block_entries, entries_of
from esper.node.chain.told_beside import told_beside
from esper.primitives.codec import decode
from esper.primitives.ids import BlockId, Txid
from esper.primitives.params import NetworkParameters
from esper.saying import complain, warn
from esper.storage.chain_store import ChainStore
from esper.storage.errors import StorageError, WriteFailedError
from esper.storage.history.history_index import HistoryIndex, OpenFolder, open_folder
from esper.storage.history.history_reader import HistoryReader, HistoryUnusableError
from esper.storage.history.history_records import (
    CallMade,
    CallPlace,
    HistoryEvent,
    Marker,
    Place,
    What,
)
from esper.storage.history.traces import Trace
from esper.storage.receipt_log import ReceiptLog
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.receipt import RECEIPT, Receipt
from esper.vm.round_outcome import RoundOutcome

RECEIPT_LIMIT: Final = 1024
"""Bytes, a few times those of a receipt."""

Progress = Callable[[int, int], None]
"""Told after each block that was added: its height and the tip's."""

LOG: Final = logging.getLogger("esper.history")


@dataclass(frozen=True, slots=True)
class Released:
    """Units that become spendable at a height."""

    height: int
    """The first block whose transactions can spend them."""
    amount: int
    """Units."""


def silent(height: int, tip: int) -> None:
    """A progress that tells nobody."""


NOT_READ: Final[Mapping[BlockId, ReadBlock]] = MappingProxyType({})
"""No block at hand but in the files."""


def catch_up(
    store: ChainStore,
    index: HistoryIndex,
    params: NetworkParameters,
    progress: Progress = silent,
    read: Mapping[BlockId, ReadBlock] = NOT_READ,
) -> None:
    """Take out of the index what is not on the store's chain, and add what is missing.

    ``read`` holds blocks that somebody has read already, by block id.

    Raises HistoryUnusableError if the index is damaged or the chain went back further than it can
    be undone, WriteFailedError, and what reading blocks raises.
    """
    tip = index.tip
    while tip.block_id != _block_id(store, tip.height):
        index.undo(tip.height)
        tip = index.tip
    last = store.tip.height
    for height in range(tip.height + 1, last + 1):
        _add(store, index, params, height, read)
        progress(height, last)


def _block_id(store: ChainStore, height: int) -> BlockId | None:
    """Id of the chain's block at a height, None above the tip."""
    if height == 0:
        return store.index.genesis.block_id
    return None if height > store.tip.height else store.index.entry(height).block_id


def _add(
    store: ChainStore,
    index: HistoryIndex,
    params: NetworkParameters,
    height: int,
    read: Mapping[BlockId, ReadBlock],
) -> None:
    def find_call(call_id: Txid) -> CallMade:
        found = index.call(call_id)
        if found is None:
            raise index.unusable(f"call {call_id.hex()[:16]} is missing")
        return found.made

    block_id, receipts = store.index.entry(height).block_id, _receipts(store, height)
    told, known = told_beside(store, height), read.get(block_id)
    if known is not None:
        time_ms = known.header.pre.time_ms
        entries = entries_of(known.content, receipts, find_call, height, told)
    else:
        block = store.block(height)
        time_ms = decode_header(block.header, params.limits.header_bytes).pre.time_ms
        entries = block_entries(block.body, receipts, params.limits, find_call, height, told)
    index.apply(height, block_id, time_ms, entries)


def _receipts(store: ChainStore, height: int) -> list[Receipt]:
    """The receipts of a block, in the order of its transactions."""
    first = 0 if height == 1 else store.index.entry(height - 1).receipts
    receipts = ReceiptLog(store.index.store)
    return [
        decode(RECEIPT, receipts.receipt(number), limit=RECEIPT_LIMIT, what=f"receipt {number}")
        for number in range(first, store.index.entry(height).receipts)
    ]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """The history as of a tip, for reading from any thread.

    All methods raise HistoryUnusableError, and StoreClosedError once the index was closed.
    """

    _index: HistoryReader
    _params: NetworkParameters
    _open: threading.Lock
    """Held while the index is read, and while it is closed: LevelDB must not be read then."""

    @property
    def tip(self) -> Marker:
        """The block up to which it has followed the chain."""
        with self._open:
            return self._index.tip

    def transaction(self, txid: Txid) -> Place | None:
        """Where a transaction stands, None if it is not on the chain. A coinbase has no entry."""
        with self._open:
            return self._index.transaction(txid)

    def txids_with(self, prefix: str, limit: int) -> list[Txid]:
        """At most ``limit`` txids of the chain whose hex begins with ``prefix``, in order."""
        with self._open:
            return self._index.txids_with(prefix, limit)

    def call(self, txid: Txid) -> CallPlace | None:
        """The call with this txid, None if no call of the chain has it."""
        with self._open:
            return self._index.call(txid)

    def events(
        self, address: bytes, limit: int, before: str | None = None
    ) -> tuple[list[HistoryEvent], str | None]:
        """A page of an address's events, as ``HistoryReader.events`` has it. Raises CursorError."""
        with self._open:
            return self._index.events(address, limit, before)

    def traces(self, about: Txid, limit: int) -> list[Trace]:
        """What blocks say about a proposal or a report, as ``HistoryReader.traces`` has it."""
        with self._open:
            return self._index.traces(about, limit)

    def rounds(self, proposal: Txid) -> list[tuple[int, RoundOutcome]]:
        """Heights and what the rounds of a model came to there, oldest first."""
        with self._open:
            return self._index.rounds(proposal)

    def penalty(self, txid: Txid) -> TakenPenalty | None:
        """What the evidence of a transaction took; None for any other."""
        with self._open:
            return self._index.penalty(txid)

    def immature(self, address: bytes) -> list[Released]:
        """Mining rewards of a 33-byte address that are not spendable yet, the first first."""
        return self._released(address, What.MINED, self._params.reward.maturity)

    def unbonding(self, address: bytes) -> list[Released]:
        """Units of a 33-byte address on their way from stake to balance, the first first."""
        return self._released(address, What.UNSTAKED, self._params.reward.unbonding)

    def _released(self, address: bytes, what: What, blocks: int) -> list[Released]:
        with self._open:
            # Those of block h are spendable in block h + blocks, so once the tip is there.
            above = self._index.tip.height - blocks
            found = self._index.released_later(address, what, above)
        return [Released(height + blocks, amount) for height, amount in found]


class ChainHistory:
    """The index of an open store: written by one thread at a time, read by any."""

    def __init__(
        self,
        store: ChainStore,
        params: NetworkParameters,
        progress: Progress = silent,
        opener: OpenFolder = open_folder,
    ) -> None:
        """Open the index in the store's data directory and catch up with the chain.

        An index that is damaged, of another format or of another chain is built anew, with a line
        in the log. Raises WriteFailedError, and what reading the store's blocks raises.
        """
        self._store = store
        self._params = params
        self._progress = progress
        self._opener = opener
        self._index: HistoryIndex | None = None
        self._view: HistoryView | None = None
        self._open = threading.Lock()
        try:
            self.follow()
        except BaseException:
            self.close()
            raise

    @property
    def index(self) -> HistoryIndex:
        """The index, for reading: ask anew after each ``follow``, which may have replaced it.

        Raises HistoryUnusableError after ``close``.
        """
        if self._index is None:
            raise HistoryUnusableError(self._store.datadir, "the history is closed")
        return self._index

    @property
    def view(self) -> HistoryView:
        """The history as of the tip that the event loop knows; the same until the next one.

        Raises HistoryUnusableError where the index is closed or cannot be opened.
        """
        if self._view is None:
            raise HistoryUnusableError(self._store.datadir, "the history is closed")
        return self._view

    def prepare(self, change: ChainChange) -> Commit:
        """Follow a change of chain in its thread; readers see it from the answer's call on."""
        try:
            self.follow(change.arrival.read)
        except StorageError as error:
            # What cannot be written now is caught up with later.
            complain(
                LOG,
                "history_behind",
                "the history of addresses lags behind until the next block: {reason}",
                reason=str(error),
            )
            return self._keep_view
        return partial(self._show, self.now())

    def now(self) -> HistoryView:
        """The history as the index has it now. Raises HistoryUnusableError after ``close``."""
        return HistoryView(self.index.as_of_now(), self._params, self._open)

    def follow(self, read: Mapping[BlockId, ReadBlock] = NOT_READ) -> None:
        """Keep step with the store. Call it after every change of chain, also one that raised.

        ``read`` holds blocks of the change by block id. Raises what the constructor raises.
        """
        try:
            self._catch_up(read)
        except HistoryUnusableError as error:
            warn(
                LOG,
                "history_rebuilt",
                "history is built anew from block 1: {folder}: {reason}",
                folder=str(error.folder),
                reason=error.reason,
            )
            self.close()
            HistoryIndex.discard(self._store.datadir)
            self._catch_up(read)
        except WriteFailedError:
            # LevelDB writes nothing more before it is opened again; the next call does that.
            self.close()
            raise

    def close(self) -> None:
        """Close the index. A second call does nothing."""
        with self._open:
            self._view = None
            if self._index is not None:
                self._index.close()
                self._index = None

    def _show(self, view: HistoryView) -> None:
        if self._index is not None:
            self._view = view

    def _keep_view(self) -> None:
        """Nothing new can be shown."""

    def _catch_up(self, read: Mapping[BlockId, ReadBlock]) -> None:
        if self._index is None:
            self._index = HistoryIndex.open(
                self._store.datadir,
                self._store.index.genesis.block_id,
                self._params.limits.undo_depth,
                self._opener,
            )
        elif self._index.was_damaged:
            raise HistoryUnusableError(self._index.folder, "was found damaged")
        catch_up(self._store, self._index, self._params, self._progress, read)
        if self._view is None:
            self._view = self.now()
