"""Where transactions stand and what happened to addresses: an index that follows from the blocks.

A block is one batch, so whatever a crash takes, the index is that of the chain up to its marker. It
is not synced: the blocks have it all.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from esper.primitives.codec import Codec, CodecError, decode, encode
from esper.primitives.hashing import u32
from esper.storage.errors import IndexCorruptError, StorageError, WriteFailedError
from esper.storage.history.history_layout import (
    BEHIND_ALL,
    FORMAT_KEY,
    MARKER_KEY,
    PLACE_BYTES,
    additions,
    call_key,
    events_prefix,
    place_bytes,
    place_from,
    released_prefix,
    result_key,
    transaction_key,
    undo_key,
)
from esper.storage.history.history_records import (
    ADDED,
    CALL,
    EVENT,
    MARKER,
    AddedKeys,
    CallPlace,
    Entry,
    HistoryEvent,
    Marker,
    Place,
    What,
    cursor_of,
    position_of,
)
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.kv.store_port import KeyValueStore, Write
from esper.storage.segments.segment_reader import MAX_RECORD_BYTES
from esper.storage.store_options import UNDO_DEPTH

T = TypeVar("T")

HISTORY_FOLDER: Final = "history"
OLD_FOLDER: Final = "history.old"
DAMAGED_FILE: Final = "damaged"
"""A note in the folder: what is damaged may not show when the folder is opened."""
FORMAT: Final = 1
WRITE_BUFFER_BYTES: Final = 16 << 20

OpenFolder = Callable[[Path], KeyValueStore]


class HistoryUnusableError(StorageError):
    """The index is damaged, or does not follow from this chain by this program."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"{folder}: {reason}; it is built anew from the blocks at the next block or start"
        )
        self.folder = folder
        """Folder of the index."""
        self.reason = reason
        """What is wrong with it."""


def open_folder(folder: Path) -> KeyValueStore:
    """LevelDB, begun if need be and not synced. Raises IndexCorruptError."""
    return LevelDbStore(folder, create=True, write_buffer_bytes=WRITE_BUFFER_BYTES, synced=False)


class HistoryIndex:
    """The index of a data directory whose lock is held. Not for several threads at once."""

    def __init__(
        self, store: KeyValueStore, folder: Path, genesis_id: bytes, undo_depth: int = UNDO_DEPTH
    ) -> None:
        """An index in a store, begun if the store is empty. ``open`` is for the data directory.

        Raises HistoryUnusableError for an index of another format or genesis.
        """
        self._store = store
        self.folder = folder
        self.was_damaged = False
        """Whether anything was found that makes the index unusable."""
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
        genesis_id: bytes,
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

    @property
    def tip(self) -> Marker:
        """Up to where the index has followed. Raises HistoryUnusableError, as all reads do."""
        found = self._get(MARKER_KEY)
        if found is None:
            raise self.unusable("the marker is missing")
        return self._decoded(MARKER, found, "marker")

    def apply(self, height: int, block_id: bytes, time_ms: int, entries: Sequence[Entry]) -> None:
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

    def transaction(self, txid: bytes) -> Place | None:
        """Where a transaction stands, None if it is not on the chain. A coinbase has no entry."""
        found = self._get(transaction_key(txid))
        return None if found is None else self._place(found)

    def call(self, txid: bytes) -> CallPlace | None:
        """The call with this txid, None if no call of the chain has it."""
        found = self._get(call_key(txid))
        if found is None:
            return None
        place = self._place(found[:PLACE_BYTES])
        made = self._decoded(CALL, found[PLACE_BYTES:], "call")
        result = place_bytes(place) if made.inline else self._get(result_key(txid))
        return CallPlace(made, place, None if result is None else self._place(result))

    def events(
        self, address: bytes, limit: int, before: str | None = None
    ) -> tuple[list[HistoryEvent], str | None]:
        """At most ``limit`` events of a 33-byte address, the newest first, and the next cursor.

        ``before`` is the cursor that the page before came with; the cursor is None on the last
        page. Blocks that come between two pages shift nothing. Raises CursorError and
        HistoryUnusableError.
        """
        prefix = events_prefix(address)
        below = prefix + (BEHIND_ALL if before is None else position_of(before))
        with self._damage_told():
            found = list(islice(self._store.items_down(prefix, below), limit + 1))
        events = [self._decoded(EVENT, value, "event") for _, value in found[:limit]]
        if len(found) <= limit or not events:
            return events, None
        return events, cursor_of(found[limit - 1][0][len(prefix) :])

    def released_later(self, address: bytes, what: What, above: int) -> list[tuple[int, int]]:
        """Heights above ``above`` and amounts of an address's events of one kind, oldest first.

        ``what`` is one of RELEASED_LATER. Raises HistoryUnusableError.
        """
        prefix = released_prefix(address, what)
        amounts = []
        with self._damage_told():
            for key, value in self._store.items_down(prefix, prefix + BEHIND_ALL):
                height = self._place(key[len(prefix) :]).height
                if height <= above:
                    break
                amounts.append((height, int.from_bytes(value, "big")))
        return amounts[::-1]

    def _get(self, key: bytes) -> bytes | None:
        with self._damage_told():
            return self._store.get(key)

    def _write(self, writes: Sequence[Write]) -> None:
        with self._damage_told():
            self._store.write(writes)

    def _place(self, data: bytes) -> Place:
        if len(data) != PLACE_BYTES:
            raise self.unusable(f"a place has {len(data)} bytes, must have {PLACE_BYTES}")
        return place_from(data)

    def _decoded(self, codec: Codec[T], data: bytes, what: str) -> T:
        try:
            return decode(codec, data, limit=MAX_RECORD_BYTES, what=what)
        except CodecError as error:
            raise self.unusable(str(error)) from error

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except IndexCorruptError as error:
            raise self.unusable(error.reason) from error

    def unusable(self, reason: str) -> HistoryUnusableError:
        """The error for an index that cannot go on; leaves a note that has it built anew."""
        self.was_damaged = True
        # Without the note, damage that opening does not show is found by a read once more.
        with suppress(OSError):
            (self.folder / DAMAGED_FILE).touch()
        return HistoryUnusableError(self.folder, reason)
