"""Where transactions stand and what happened to addresses: an index that follows from the blocks.

A block is one batch, so whatever a crash takes, the index is that of the chain up to its marker. It
is not synced: the blocks have it all.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from esper.primitives.codec import encode
from esper.primitives.hashing import u32
from esper.primitives.ids import BlockId
from esper.storage.errors import IndexCorruptError, WriteFailedError
from esper.storage.history.history_layout import (
    FORMAT_KEY,
    MARKER_KEY,
    additions,
    undo_key,
)
from esper.storage.history.history_reader import (
    DAMAGED_FILE,
    Damage,
    HistoryReader,
    HistoryUnusableError,
)
from esper.storage.history.history_records import (
    ADDED,
    MARKER,
    AddedKeys,
    Entry,
    Marker,
)
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.kv.store_port import KeyValueStore, Write
from esper.storage.store_options import UNDO_DEPTH

HISTORY_FOLDER: Final = "history"
OLD_FOLDER: Final = "history.old"
FORMAT: Final = 4
"""1 had no traces, 2 neither rounds nor traces of hidden sets, 3 no penalties."""
WRITE_BUFFER_BYTES: Final = 16 << 20

OpenFolder = Callable[[Path], KeyValueStore]


def open_folder(folder: Path) -> KeyValueStore:
    """LevelDB, begun if need be and not synced. Raises IndexCorruptError."""
    return LevelDbStore(folder, create=True, write_buffer_bytes=WRITE_BUFFER_BYTES, synced=False)


class HistoryIndex(HistoryReader):
    """The index of a data directory whose lock is held. Not for several threads at once."""

    def __init__(
        self, store: KeyValueStore, folder: Path, genesis_id: BlockId, undo_depth: int = UNDO_DEPTH
    ) -> None:
        """An index in a store, begun if the store is empty. ``open`` is for the data directory.

        Raises HistoryUnusableError for an index of another format or genesis.
        """
        super().__init__(store, folder, Damage(folder))
        self._store = store
        self._undo_depth = undo_depth
        wanted = u32(FORMAT) + genesis_id
        with self._damage_told():
            found = store.get(FORMAT_KEY)
            if found is None:
                marker = encode(MARKER, Marker(0, genesis_id))
                store.write([(FORMAT_KEY, wanted), (MARKER_KEY, marker)])
            elif found != wanted:
                raise HistoryUnusableError(folder, "is of another format or genesis")

    @classmethod
    def open(
        cls,
        datadir: Path,
        genesis_id: BlockId,
        undo_depth: int = UNDO_DEPTH,
        opener: OpenFolder = open_folder,
    ) -> "HistoryIndex":
        """Open the index of a data directory, or begin one.

        ``genesis_id`` is the 64-byte block id of the genesis; ``undo_depth`` blocks can be undone.
        Raises HistoryUnusableError for damage that shows or was seen before, and for an index of
        another format or genesis: ``discard`` it then. Raises WriteFailedError.
        """
        folder = datadir / HISTORY_FOLDER
        if (folder / DAMAGED_FILE).exists():
            raise HistoryUnusableError(folder, "was found damaged")
        try:
            store = opener(folder)
        except IndexCorruptError as error:
            raise HistoryUnusableError(folder, error.reason) from error
        try:
            return cls(store, folder, genesis_id, undo_depth)
        except BaseException:
            store.close()
            raise

    def as_of_now(self) -> HistoryReader:
        """The index as it is now, whatever follows; to be read from any thread while it is open."""
        return HistoryReader(self._store.snapshot(), self.folder, self._damage)

    @staticmethod
    def discard(datadir: Path) -> None:
        """Delete the index of a data directory; it must be closed. Raises WriteFailedError."""
        folder, old = datadir / HISTORY_FOLDER, datadir / OLD_FOLDER
        try:
            # Half a folder could pass for a whole one: it goes in one step.
            shutil.rmtree(old, ignore_errors=True)
            if folder.exists():
                folder.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise WriteFailedError(folder, str(error)) from error

    def close(self) -> None:
        """Close the folder. A second call does nothing."""
        self._store.close()

    def apply(self, height: int, block_id: BlockId, time_ms: int, entries: Sequence[Entry]) -> None:
        """Add the block on top of the marker's: ``entries`` of all its transactions, in order.

        That the block is the marker's child is for the caller to know. Raises ValueError for
        another height, HistoryUnusableError and WriteFailedError.
        """
        tip = self.tip
        if height != tip.height + 1:
            raise ValueError(f"block {height} does not follow block {tip.height}")
        writes: list[Write] = list(additions(height, time_ms, entries))
        added = AddedKeys(tip.block_id, tuple(key for key, _ in writes))
        writes.append((undo_key(height), encode(ADDED, added)))
        if height > self._undo_depth:
            writes.append((undo_key(height - self._undo_depth), None))
        self._write([*writes, (MARKER_KEY, encode(MARKER, Marker(height, block_id)))])

    def undo(self, height: int) -> None:
        """Take the marker's block out. Raises ValueError for another height.

        Raises HistoryUnusableError also if the block is deeper than blocks can be undone.
        """
        tip = self.tip
        if height != tip.height or height == 0:
            raise ValueError(f"block {height} cannot be taken out, the index ends at {tip.height}")
        found = self._get(undo_key(height))
        if found is None:
            raise self.unusable(f"block {height} is too deep to be taken out")
        added = self._decoded(ADDED, found, f"undo record of block {height}")
        writes: list[Write] = [(key, None) for key in added.keys]
        marker = encode(MARKER, Marker(height - 1, added.parent))
        self._write([*writes, (undo_key(height), None), (MARKER_KEY, marker)])

    def _write(self, writes: Sequence[Write]) -> None:
        with self._damage_told():
            self._store.write(writes)
