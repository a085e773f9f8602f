"""The chain on disk as it is read: by height, from the files that its index names."""

from collections.abc import Callable
from pathlib import Path

from esper.storage.chain_index import BlockEntry, ChainIndex, Tip
from esper.storage.errors import ProofPrunedError, UnknownBlockError
from esper.storage.kv.store_port import KeyValueView
from esper.storage.receipt_log import ReceiptLog
from esper.storage.segments.block_files import (
    BlockAdded,
    BlockFileError,
    header_at,
    journal_entry,
    stored_proof,
)
from esper.storage.segments.segment_reader import Locator, SegmentError, SegmentReader
from esper.storage.state.disk_state_tree import DiskStateTree


class ChainReader:
    """A chain up to the tip of its index. Files only grow, so a view of an index stays readable."""

    def __init__(
        self,
        index: ChainIndex[KeyValueView],
        journal: SegmentReader,
        proofs: SegmentReader,
        first_proof_file: Callable[[], int],
    ) -> None:
        """``first_proof_file`` says which is the first now: proofs go under a view's hands."""
        self._index = index
        self._state = DiskStateTree(index.store)
        self._journal_files = journal
        self._proof_files = proofs
        self._first_proof_file = first_proof_file

    @property
    def index(self) -> ChainIndex[KeyValueView]:
        """The index, for reading."""
        return self._index

    @property
    def tip(self) -> Tip:
        """Where the chain ends."""
        return self._index.tip

    @property
    def state(self) -> DiskStateTree:
        """The state after the tip: values, root and proofs."""
        return self._state

    @property
    def first_proof_file(self) -> int:
        """The first proof file that is kept now."""
        return self._first_proof_file()

    @property
    def proof_folder(self) -> Path:
        """Where proofs are."""
        return self._proof_files.folder

    def block(self, height: int) -> BlockAdded:
        """The block of a height. Raises UnknownBlockError, SegmentError, BlockFileError."""
        self._check_height(height)
        return self.block_at(self._index.entry(height))

    def block_at(self, entry: BlockEntry) -> BlockAdded:
        """The block of an entry, on the chain or left behind. Raises what ``block`` does."""
        reader, place = self._journal_files, Locator(*entry.block)
        found = journal_entry(reader.read(place), place, reader)
        if not isinstance(found, BlockAdded) or found.block_id != entry.block_id:
            raise BlockFileError(
                f"{reader.path(place.file)} at byte {place.offset}: is not block "
                f"{entry.block_id.hex()[:16]}"
            )
        return found

    def header(self, height: int) -> bytes:
        """The header of a block, without its body. Raises what ``block`` does."""
        self._check_height(height)
        return self.header_at(self._index.entry(height))

    def header_at(self, entry: BlockEntry) -> bytes:
        """The header of an entry's block. Raises what ``block`` does."""
        return header_at(self._journal_files, Locator(*entry.block), entry.block_id)

    def proof(self, height: int) -> bytes:
        """The proof of a block. Raises ProofPrunedError besides what ``block`` does."""
        self._check_height(height)
        return self.proof_at(self._index.entry(height), height)

    def proof_at(self, entry: BlockEntry, height: int) -> bytes:
        """The proof of an entry's block, which is of this height. Raises what ``proof`` does."""
        reader = self._proof_files
        if not entry.proof or entry.proof[0][0] < self._first_proof_file():
            raise ProofPrunedError(height)
        place = Locator(*entry.proof[0])
        try:
            payload = reader.read(place)
        except SegmentError:
            if place.file < self._first_proof_file():
                # It went while it was looked for.
                raise ProofPrunedError(height) from None
            raise
        found = stored_proof(payload, place, reader)
        if found.block_id != entry.block_id:
            raise BlockFileError(
                f"{reader.path(place.file)} at byte {place.offset}: is not the proof of block "
                f"{entry.block_id.hex()[:16]}"
            )
        if not found.proof:
            # A repair did without it.
            raise ProofPrunedError(height)
        return found.proof

    def receipt(self, number: int) -> bytes:
        """A receipt, counted from 0 over all blocks. Raises IndexError if there is none."""
        count = self.tip.receipts
        if not 0 <= number < count:
            raise IndexError(f"receipt {number} of {count}")
        return ReceiptLog(self._index.store).receipt(number)

    def _check_height(self, height: int) -> None:
        tip = self.tip.height
        if not 1 <= height <= tip:
            raise UnknownBlockError(f"there is no block at height {height}, the tip is at {tip}")
