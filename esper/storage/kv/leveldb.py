"""The key-value store on disk: LevelDB through plyvel.

Every read checks LevelDB's block checksums, every batch is synced unless the store holds only what
can be derived again, and a transaction: without that, plyvel commits half a batch when an exception
passes through it. The write buffer of 64 MiB keeps
compaction from stalling writers for seconds.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import plyvel

from esper.storage.errors import (
    IndexCorruptError,
    StorageError,
    StoreClosedError,
    WriteFailedError,
)
from esper.storage.kv.leveldb_diagnosis import damaged_file
from esper.storage.kv.store_port import Write
from esper.storage.system_errors import SystemRefusedError, refused_number, system_told

WRITE_BUFFER_BYTES: Final = 64 << 20
LOOKS: Final = 3
"""Damage must show so often: a file may change, or go, while it is looked at."""


class LevelDbView:
    """A folder's entries, for reading, as they are or as they were at a moment."""

    def __init__(self, folder: Path, source: Any) -> None:
        """``source`` is a database of plyvel's, or one of its snapshots."""
        self.folder = folder
        self._source = source

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None if there is none.

        Raises IndexCorruptError, and SystemRefusedError where the system keeps it from reading.
        """
        # Hundreds of reads a block: the context manager below takes longer than the read itself.
        try:
            value: bytes | None = self._source.get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError) as error:
            raise self._stop(error) from error
        return value

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with ``prefix`` and their values. Raises IndexCorruptError."""
        # The raw iterator: plyvel's other one takes a damaged block for the end.
        with self._told(), closing(self._source.raw_iterator(verify_checksums=True)) as found:
            found.seek(prefix)
            while found.valid() and found.key().startswith(prefix):
                yield found.item()
                found.next()

    def items_down(self, prefix: bytes, below: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys of the prefix less than ``below``, descending. Raises IndexCorruptError."""
        with self._told(), closing(self._source.raw_iterator(verify_checksums=True)) as found:
            found.seek(below)
            if found.valid():
                found.prev()
            else:
                # All keys are less: the iterator stands behind the last one.
                found.seek_to_last()
            while found.valid() and found.key().startswith(prefix):
                yield found.item()
                found.prev()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (plyvel.Error, RuntimeError) as error:
            raise self._stop(error) from error

    def _stop(self, error: Exception) -> StorageError:
        if isinstance(error, plyvel.Error):
            return self._corrupt(error)
        # RuntimeError is what plyvel says of a database that was closed, and of nothing else.
        return StoreClosedError(self.folder)

    def _corrupt(self, error: Exception) -> StorageError:
        """Damage, unless it was the system that refused."""
        words = _words(error)
        number = refused_number(words)
        if number is not None:
            return SystemRefusedError(self.folder, number, words)
        try:
            damaged = damaged_file(self.folder)
        except OSError:
            # LevelDB has seen damage; where, can be looked at another time.
            damaged = None
        return IndexCorruptError(damaged or self.folder, words)


class LevelDbStore(LevelDbView):
    """A folder that LevelDB keeps. One process at a time; the data directory's lock sees to it."""

    def __init__(
        self,
        folder: Path,
        *,
        create: bool,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
        synced: bool = True,
    ) -> None:
        """Open a folder, made if ``create``.

        Unless ``synced``, a power cut may take the newest batches, each as a whole. Raises
        IndexCorruptError for damage that shows on opening, or a folder that is missing, and
        SystemRefusedError for what passes: a lack of descriptors or memory, no permission.
        """
        super().__init__(folder, None)
        self.synced = synced
        try:
            self._db = plyvel.DB(
                str(folder),
                create_if_missing=create,
                paranoid_checks=True,
                write_buffer_size=write_buffer_bytes,
                # Hashes do not compress.
                compression=None,
            )
        except plyvel.Error as error:
            raise self._corrupt(error) from error
        self._source = self._db

    def write(self, writes: Iterable[Write]) -> None:
        """Apply all writes in one batch, synced if the store is. Raises WriteFailedError."""
        try:
            with self._db.write_batch(transaction=True, sync=self.synced) as batch:
                for key, value in writes:
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)
        except plyvel.CorruptionError as error:
            raise self._corrupt(error) from error
        except plyvel.Error as error:
            raise WriteFailedError(self.folder, _words(error)) from error

    def snapshot(self) -> LevelDbView:
        """All entries as they are now. Raises StoreClosedError."""
        with self._told():
            return LevelDbView(self.folder, self._db.snapshot())

    def check(self) -> None:
        """Read every entry and every file. Raises what reads raise."""
        for _ in self.items(b""):
            # Reading compares the checksums of the entries' blocks.
            pass
        damaged = None
        for _ in range(LOOKS):
            with system_told(self.folder):
                damaged = damaged_file(self.folder, entries=False, tables=self._tables())
            if damaged is None:
                return
        if damaged is not None:
            raise IndexCorruptError(damaged, "a checksum fails")

    def _tables(self) -> set[int]:
        """The numbers of the tables in use."""
        lines = self._db.get_property(b"leveldb.sstables").splitlines()
        return {int(line.split(b":")[0]) for line in lines if line.startswith(b" ")}

    def close(self) -> None:
        """Close the folder. A second call does nothing."""
        self._db.close()


def _words(error: Exception) -> str:
    """LevelDB's own sentence, which plyvel hands over as bytes."""
    words = error.args[0] if error.args else ""
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
