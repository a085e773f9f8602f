"""The chain on disk: blocks and proofs in segments, tip, state, undo and receipts in one index.

A step of the tip, up or down, is in this order: proof synced, journal entry synced, one synced
batch into the index. The batch is the acknowledgement. Steps up may share all three: a group's
proofs are synced, then its entries, then one batch is. Whatever a crash leaves behind in the files
is, on opening, carried over into the index if it is whole, and cut off if it is not; so is a step
that the index lost. Nothing is kept in memory but where the files end, and a group until its end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final

from esper.consensus.chain import BlockBytes
from esper.primitives.hashing import u32, u64
from esper.primitives.ids import BlockId
from esper.storage.block_reader import BlockReader
from esper.storage.catch_up import catch_up
from esper.storage.chain_index import (
    FIRST_PROOF_FILE_KEY,
    PROOFS_FROM_KEY,
    TIP_KEY,
    UNDO_FROM_KEY,
    ChainIndex,
    Tip,
    encode_entry,
    encode_tip,
    entry_key,
    pair,
    proof_file_key,
)
from esper.storage.chain_reader import ChainReader
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.errors import (
    IndexCorruptError,
    StoreStoppedError,
    WriteFailedError,
    WrongChainError,
)
from esper.storage.format_version import bring_up_to_date
from esper.storage.kv.grouping import GroupingStore
from esper.storage.kv.store_port import KeyValueStore, KeyValueView, Write
from esper.storage.receipt_log import USE_RECEIPTS, ReceiptLog
from esper.storage.segments.block_files import (
    BLOCK_FOLDER,
    PROOF_FOLDER,
    BlockAdded,
    StoredProof,
    TipRemoved,
    journal_payload,
    proof_payload,
)
from esper.storage.segments.segment_reader import Locator, SegmentReader
from esper.storage.segments.segment_writer import SegmentWriter
from esper.storage.segments.voiding import void_damage
from esper.storage.side_blocks import SideBlocks
from esper.storage.state.disk_state_tree import DiskStateTree, StateUpdate
from esper.storage.store_options import DEFAULT_OPTIONS, INDEX_FOLDER, Replay, StoreOptions
from esper.storage.system_errors import system_told
from esper.storage.tip_moves import (
    BlockPlaces,
    GenesisState,
    StoredExecution,
    begin,
    downwards,
    forget_undo,
    plan,
    plan_back,
    upwards,
)
from esper.vm.view import Change

FORGOTTEN_AT_ONCE: Final = 1_000
"""Undo records that go in one batch."""


class ChainStore:
    """A data directory opened for reading and writing, by this process alone."""

    def __init__(
        self,
        datadir: Path,
        genesis: GenesisState,
        replay: Replay,
        options: StoreOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Open a data directory, or make one.

        ``replay`` runs the blocks that lie in the files and not in the index: at most the one that
        a crash interrupted, unless the index lost writes. Raises DirectoryLockedError, FormatError,
        WrongChainError, IndexCorruptError, SegmentError, and SystemRefusedError for what passes.
        """
        self.datadir = datadir
        self._options = options
        self._stopped = False
        self._grouping = False
        self._worked_out: tuple[tuple[BlockId, tuple[Change, ...]], StateUpdate] | None = None
        with system_told(datadir):
            datadir.mkdir(parents=True, exist_ok=True)
            self._lock = DirectoryLock(datadir)
            self._open(genesis, replay)

    def _open(self, genesis: GenesisState, replay: Replay) -> None:
        """What the constructor does once the directory is this process' own."""
        datadir, options = self.datadir, self._options
        self._store: GroupingStore | None = None
        try:
            bring_up_to_date(datadir, newest=options.newest_format, migrations=options.migrations)
            folder = datadir / INDEX_FOLDER
            fresh = not SegmentReader(datadir / BLOCK_FOLDER).files()
            if not folder.exists() and not fresh:
                raise IndexCorruptError(folder, "is missing, though there are blocks")
            self._store = GroupingStore(options.open_index(folder, fresh))
            self._index: ChainIndex[KeyValueStore] = ChainIndex(self._store, folder)
            self._check_genesis(genesis, fresh)
            self._open_files()
            self._reader = self._reading(self._index)
            catch_up(self._index, self._journal, self._proofs, replay, options.undo_depth)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the directory back. A second call does nothing."""
        self._stopped = True
        if self._store is not None:
            self._store.close()
        self._lock.release()

    def __enter__(self) -> "ChainStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def journal(self) -> SegmentReader:
        """The files of the journal."""
        return self._journal.reader

    @property
    def proof_files(self) -> SegmentReader:
        """The files of the proofs."""
        return self._proofs.reader

    @property
    def index(self) -> ChainIndex[KeyValueStore]:
        """The index."""
        return self._index

    @property
    def tip(self) -> Tip:
        """Where the chain ends."""
        return self._index.tip

    @property
    def state(self) -> DiskStateTree:
        """The state after the tip: values, root and proofs."""
        return self._reader.state

    @property
    def options(self) -> StoreOptions:
        """What it was opened with."""
        return self._options

    def as_of_now(self) -> ChainReader:
        """The chain as it is now, whatever follows; to be read from any thread while it is open."""
        view = self._index.over(self._index.store.snapshot())
        return self._reading(view)

    def blocks(self) -> BlockReader:
        """All blocks that are kept, by id; to be read from any thread while it is open."""
        return BlockReader(self.as_of_now, SideBlocks(self.datadir))

    def _reading(self, index: ChainIndex[KeyValueView]) -> ChainReader:
        return ChainReader(
            index, self.journal, self.proof_files, lambda: self._index.first_proof_file
        )

    def block(self, height: int) -> BlockAdded:
        """See ``ChainReader.block``."""
        return self._reader.block(height)

    def proof(self, height: int) -> bytes:
        """See ``ChainReader.proof``."""
        return self._reader.proof(height)

    def receipt(self, number: int) -> bytes:
        """See ``ChainReader.receipt``."""
        return self._reader.receipt(number)

    def update(self, changes: tuple[Change, ...]) -> StateUpdate:
        """What changes by ascending path do to the tip's state; nothing is written.

        The last answer is kept for the ``append`` that follows. Raises StateChangeError.
        """
        key = self.tip.block_id, changes
        if self._worked_out is None or self._worked_out[0] != key:
            self._worked_out = key, self.state.update(changes)
        return self._worked_out[1]

    @contextmanager
    def group(self) -> Iterator[None]:
        """Steps within, up or down, are kept together when it ends, none of them before.

        One sync of each file and one of the index do for all of them. If it ends with an error,
        nothing of them was kept. Raises at its end what ``append`` raises of the system's.
        """
        self._check_writable()
        self._check_alone()
        assert self._store is not None
        self._grouping = True
        self._store.begin()
        try:
            yield
            self._grouping = False
            self._proofs.commit()
            self._journal_commit()
            self._store.commit()
            self._stopped = False
        finally:
            self._grouping = False
            self._store.discard()
            self._proofs.discard()
            self._journal.discard()

    @property
    def staged_bytes(self) -> int:
        """Bytes of blocks that wait for the end of their group."""
        return self._proofs.staged_bytes + self._journal.staged_bytes

    def append(self, block_id: BlockId, block: BlockBytes, execution: StoredExecution) -> None:
        """Make a block the tip; it is kept when this returns. That it fits the tip is not judged.

        Within a group it is kept when that ends. Raises AlreadyOnChainError, StateChangeError,
        DiskReserveError and SegmentError (too long) before anything is written, and
        WriteFailedError if the system refuses: the block may or may not be there after opening
        again, everything before it is.
        """
        if self._grouping:
            self._stage(block_id, block, execution)
            return
        with self.group():
            self._stage(block_id, block, execution)

    def _stage(self, block_id: BlockId, block: BlockBytes, execution: StoredExecution) -> None:
        self._options.check_reserve(self.datadir)
        key = self.tip.block_id, execution.changes
        known, self._worked_out = self._worked_out, None
        update = known[1] if known is not None and known[0] == key else None
        step = plan(self._index, block_id, execution, update)
        entry = journal_payload(BlockAdded(block_id, block.header, block.body))
        stored = proof_payload(StoredProof(block_id, block.proof))
        self._journal.check_length(entry)
        proof = self._proofs.stage(stored)
        place = self._journal.stage(entry)
        places = BlockPlaces(place, proof, self._journal.end, self._proofs.end)
        writes = upwards(self._index, step, places, self._options.undo_depth)
        self._index.store.write((*writes, *self._gap_at(step.height, block.proof)))

    def rewind(self, *, left: bool = False) -> bytes:
        """Take the tip off and return its block id; its bytes stay in the files.

        ``left``: they are to be found by that id as long as the index lasts. Within a group it is
        kept when that ends. Raises RewindLimitError at the genesis or deeper than undo records
        reach, and DiskReserveError and WriteFailedError as ``append`` does.
        """
        if self._grouping:
            return self._stage_rewind(left=left)
        with self.group():
            return self._stage_rewind(left=left)

    def _stage_rewind(self, *, left: bool) -> bytes:
        self._options.check_reserve(self.datadir)
        back = plan_back(self._index, left=left)
        self._journal.stage(journal_payload(TipRemoved(back.removed)))
        self._index.store.write(downwards(back, self._journal.end, self._proofs.end))
        return back.removed

    def keep_undo_from(self, height: int | None) -> None:
        """Keep undo records and contexts from a height on, however deep; None: as usual again.

        What is gone already stays gone. Raises WriteFailedError.
        """
        self._check_writable()
        self._check_alone()
        before, usual = self._index.undo_from, self.tip.height - self._options.undo_depth
        if before == height:
            return
        kept = usual + 1 if height is None else min(height, usual + 1)
        gone = range(kept if before is None else max(before, 1), kept)
        for first in range(gone.start, gone.stop, FORGOTTEN_AT_ONCE):
            part = gone[first - gone.start :][:FORGOTTEN_AT_ONCE]
            self._index.store.write(
                [one for deep in part for one in forget_undo(self._index, deep)]
            )
        self._index.store.write([(UNDO_FROM_KEY, None if height is None else u64(height))])

    @property
    def receipt_root(self) -> bytes:
        """64 bytes: root of the range over all receipts."""
        return ReceiptLog(self._index.store).range(self.tip.receipts).root(USE_RECEIPTS)

    def prune_proofs(self, below: int) -> int:
        """Delete the proof files that hold no proof of height ``below`` or above.

        Returns how many went. The file that is being written stays.
        """
        self._check_writable()
        self._check_alone()
        first = file = self._index.first_proof_file
        writes: list[Write] = []
        lowest = self._index.proofs_from
        while file < self._proofs.end.file:
            greatest = self._index.greatest_in_proof_file(file)
            if greatest >= below:
                break
            writes.append((proof_file_key(file), None))
            lowest = max(lowest, greatest + 1)
            file += 1
        if file > first:
            writes += [(FIRST_PROOF_FILE_KEY, u32(file)), (PROOFS_FROM_KEY, u64(lowest))]
            self._index.store.write(writes)
            self._delete_pruned()
        return file - first

    def put_proof(self, height: int, proof: bytes) -> None:
        """Keep a proof of a block of the chain that has lost its own; what it shows is not judged.

        An empty one says that it is given up, and stays in the files as the others do. Raises
        UnknownBlockError, and as ``append`` DiskReserveError, SegmentError and WriteFailedError.
        """
        self._check_writable()
        self._check_alone()
        self._options.check_reserve(self.datadir)
        block_id = self.block(height).block_id
        place = self._proofs.append(proof_payload(StoredProof(block_id, proof)))
        greatest = max(height, self._index.greatest_in_proof_file(place.file))
        tip, entry = self.tip, self._index.entry(height)
        self._index.store.write(
            [
                *self._gap_at(height, proof),
                (entry_key(height), encode_entry(replace(entry, proof=(pair(place),)))),
                (proof_file_key(place.file), u64(greatest)),
                (TIP_KEY, encode_tip(replace(tip, proofs=pair(self._proofs.end)))),
            ]
        )

    def _gap_at(self, height: int, proof: bytes) -> tuple[Write, ...]:
        """What is written beside a block of this height whose proof may be empty: not kept."""
        if proof or height < self._index.proofs_from:
            return ()
        return ((PROOFS_FROM_KEY, u64(height + 1)),)

    def void_damaged_proofs(self) -> int:
        """Write over what is damaged in the proof files; how many places there were.

        Blocks whose proof stood there must have another, be it empty. Raises WriteFailedError.
        """
        self._check_writable()
        heights = range(1, self.tip.height + 1)
        known = [Locator(*one) for h in heights for one in self._index.entry(h).proof]
        try:
            return void_damage(self.proof_files, known, self._proofs.end)
        except OSError as error:
            raise WriteFailedError(self.proof_files.folder, str(error)) from error

    def _check_genesis(self, genesis: GenesisState, fresh: bool) -> None:
        if self._index.tip_if_any() is None:
            if not fresh:
                raise self._index.corrupt("the tip is missing, though there are blocks")
            self._index.store.write(begin(self._index, genesis))
        found = self._index.genesis.block_id
        if found != genesis.block_id:
            raise WrongChainError(self.datadir, found, genesis.block_id)
        if DiskStateTree(self._index.store).root != self.tip.state_root:
            raise self._index.corrupt("the state is not the tip's")

    def _open_files(self) -> None:
        tip, options = self.tip, self._options
        self._delete_pruned()
        self._journal = SegmentWriter(
            self.datadir / BLOCK_FOLDER,
            segment_bytes=options.segment_bytes,
            acknowledged=Locator(*tip.journal),
            opener=options.opener,
        )
        self._proofs = SegmentWriter(
            self.datadir / PROOF_FOLDER,
            segment_bytes=options.segment_bytes,
            acknowledged=Locator(*tip.proofs),
            opener=options.opener,
        )

    def _delete_pruned(self) -> None:
        reader = SegmentReader(self.datadir / PROOF_FOLDER)
        for file in reader.files():
            if file < self._index.first_proof_file:
                reader.path(file).unlink(missing_ok=True)

    def _journal_commit(self) -> None:
        """From here until the index has the entry, the store cannot go on if anything happens."""
        self._stopped = True
        try:
            self._journal.commit()
        except WriteFailedError:
            # Taken back, or the writer itself refuses from now on.
            self._stopped = False
            raise

    def _check_alone(self) -> None:
        if self._grouping:
            raise ValueError("a group of steps of the tip holds nothing else")

    def _check_writable(self) -> None:
        if self._stopped:
            raise StoreStoppedError
