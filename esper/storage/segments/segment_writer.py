"""Appends to segment files so that a crash, or a full disk, at any point costs nothing kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from esper.storage.errors import StoreStoppedError, WriteFailedError
from esper.storage.own_file import open_own, sync_folder, write_all
from esper.storage.segments.segment_reader import (
    MAGIC,
    MAX_RECORD_BYTES,
    SEGMENT_BYTES,
    Locator,
    SegmentCutError,
    SegmentError,
    SegmentReader,
    record_bytes,
    record_end,
)

Opener = Callable[[Path], BinaryIO]
"""Opens a file for appending; tests put failing disks here."""

START: Final = Locator(0, 0)
"""The end of a folder in which nothing is acknowledged."""


def open_for_append(path: Path) -> BinaryIO:
    """The file itself, unbuffered."""
    return open_own(path, "ab")


class SegmentWriter:
    """Appends records to a folder. One process at a time; the caller sees to that."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        acknowledged: Locator | None = None,
        opener: Opener = open_for_append,
    ) -> None:
        """Open a folder for appending, making it if need be.

        ``acknowledged`` is the end of what the caller knows to be kept: whatever is damaged behind
        it is the trace of a crash and cut off, with all that follows; sound records behind it stay.
        A folder that ends before it raises SegmentError. Without it only a cut record at the end
        of the last file is removed, and other damage in that file raises SegmentError.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.reader = SegmentReader(folder)
        self._segment_bytes = segment_bytes
        self._open = opener
        self._stopped = False
        self._staged: list[tuple[int, int, list[bytes]]] = []
        self._kept = START
        if acknowledged is None:
            self._end = self._repaired_last_file()
        else:
            self._check_reaches(acknowledged)
            self._end = self._cut_behind(acknowledged)

    @property
    def end(self) -> Locator:
        """Where the last record ends."""
        return self._end

    @property
    def staged_bytes(self) -> int:
        """Bytes that wait for ``commit``."""
        return sum(len(part) for _, _, parts in self._staged for part in parts)

    def append(self, payload: bytes) -> Locator:
        """Append a record; it is on disk when this returns.

        Raises SegmentError if it is too long, and WriteFailedError if the system refuses: the file
        then ends where it did before.
        """
        place = self.stage(payload)
        self.commit()
        return place

    def stage(self, payload: bytes) -> Locator:
        """Choose a record's place behind all others; ``commit`` writes it. Raises SegmentError."""
        if self._stopped:
            raise StoreStoppedError
        self.check_length(payload)
        place = self._end
        if place.offset > self._segment_bytes:
            place = Locator(place.file + 1, 0)
        if not self._staged:
            self._kept = self._end
        if not self._staged or self._staged[-1][0] != place.file:
            self._staged.append((place.file, place.offset, []))
        parts = self._staged[-1][2]
        if place.offset == 0:
            parts.append(MAGIC)
            place = Locator(place.file, len(MAGIC))
        parts.append(record_bytes(place, payload))
        self._end = record_end(place, payload)
        return place

    def discard(self) -> None:
        """Forget what is staged."""
        if self._staged:
            self._staged, self._end = [], self._kept

    def commit(self) -> None:
        """Write what is staged, a sync for each file; on disk when this returns.

        Raises WriteFailedError if the system refuses: the files then end where they did before.
        """
        if not self._staged:
            return
        staged, self._staged = self._staged, []
        end, self._end = self._end, self._kept
        # Whatever ends this early, an interrupt too, leaves files that must be opened again.
        self._stopped = True
        for number, (file, kept, parts) in enumerate(staged):
            path = self.reader.path(file)
            try:
                with self._open(path) as stream:
                    write_all(stream, b"".join(parts))
                    os.fsync(stream.fileno())
                if kept == 0:
                    sync_folder(path.parent)
            except OSError as error:
                self._take_back(staged[: number + 1])
                raise WriteFailedError(path, str(error)) from error
        self._end = end
        self._stopped = False

    def check_length(self, payload: bytes) -> None:
        """Raises SegmentError for what ``append`` would refuse as too long."""
        if len(payload) > MAX_RECORD_BYTES:
            path = self.reader.path(self._end.file)
            reason = f"{len(payload)} bytes, a record has at most {MAX_RECORD_BYTES}"
            raise SegmentError(path, self._end.offset, reason)

    def cut(self, end: Locator) -> None:
        """Remove everything behind ``end``, later files first."""
        for file in reversed(self.reader.files()):
            path = self.reader.path(file)
            if (file, 0) >= (end.file, end.offset):
                path.unlink(missing_ok=True)
            elif file == end.file and path.stat().st_size > end.offset:
                _truncate(path, end.offset)
        sync_folder(self.reader.folder)
        self._end = end

    def _take_back(self, begun: list[tuple[int, int, list[bytes]]]) -> None:
        """Remove what was written, maybe in part. Unless that succeeds nothing may follow it."""
        try:
            for file, kept, _ in reversed(begun):
                path = self.reader.path(file)
                if kept:
                    _truncate(path, kept)
                else:
                    path.unlink(missing_ok=True)
                    sync_folder(path.parent)
        except OSError:
            return
        self._stopped = False

    def _repaired_last_file(self) -> Locator:
        files = self.reader.files()
        if not files:
            return START
        end = Locator(files[-1], len(MAGIC))
        for found in self.reader.scan(Locator(files[-1], 0)):
            if isinstance(found.error, SegmentCutError):
                _truncate(self.reader.path(found.place.file), found.place.offset)
                return found.place
            if found.error is not None:
                raise found.error
            if found.payload is not None:
                end = record_end(found.place, found.payload)
        return end

    def _check_reaches(self, acknowledged: Locator) -> None:
        if acknowledged.offset == 0:
            return
        path = self.reader.path(acknowledged.file)
        if not path.exists():
            raise SegmentError(path, 0, "is missing, though records in it were acknowledged")
        size = path.stat().st_size
        if size < acknowledged.offset:
            raise SegmentError(
                path, size, f"ends here, records up to byte {acknowledged.offset} were acknowledged"
            )

    def _cut_behind(self, acknowledged: Locator) -> Locator:
        end = acknowledged
        for found in self.reader.scan(acknowledged):
            if found.payload is None:
                break
            end = record_end(found.place, found.payload)
        self.cut(end)
        return end


def _truncate(path: Path, size: int) -> None:
    with open_own(path, "r+b") as stream:
        stream.truncate(size)
        os.fsync(stream.fileno())
