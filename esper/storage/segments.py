"""Append-only files of records, each with a checksum: a changed byte is found and named.

    folder/000000.seg, 000001.seg, ...       a new file once the last one exceeds its size
    file    = magic "ESPRSEG1" || record ...
    record  = length as u32 || head checksum, 8 bytes || payload || payload checksum, 32 bytes

    head checksum    = H32(esper/segment/head/v1, file as u32 || offset as u64 || length), cut
    payload checksum = H32(esper/segment/payload/v1, head checksum || payload)

The checksums cover the record's place, so records cannot change places unnoticed. A file that ends
within a record was cut short by a crash before ``append`` returned; ``open_for_append`` removes
such an end from the last file, readers refuse it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from esper.primitives.hashing import make_tag, tagged_hash32, u32, u64

TAG_HEAD: Final = make_tag("esper/segment/head/v1")
TAG_PAYLOAD: Final = make_tag("esper/segment/payload/v1")

MAGIC: Final = b"ESPRSEG1"
LENGTH_BYTES: Final = 4
HEAD_CHECKSUM_BYTES: Final = 8
HEAD_BYTES: Final = LENGTH_BYTES + HEAD_CHECKSUM_BYTES
PAYLOAD_CHECKSUM_BYTES: Final = 32

SEGMENT_BYTES: Final = 64 << 20
"""A file is closed once it exceeds this: small enough to copy and to delete when pruning."""

MAX_RECORD_BYTES: Final = 16 << 20
"""Above any block or proof; a longer length is damage and must not be allocated."""


class SegmentError(Exception):
    """Damage in a segment file, or a record that it cannot take: file, offset and reason."""

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(f"{path} at byte {offset}: {reason}")
        self.path = path
        """The damaged file."""
        self.offset = offset
        """Where the damaged record begins."""
        self.reason = reason
        """What is wrong with it, and what helps."""


class SegmentCutError(SegmentError):
    """A file that ends within a record."""


@dataclass(frozen=True, slots=True)
class Locator:
    """Where a record stands."""

    file: int
    """Number of the file."""
    offset: int
    """First byte of the record."""


def _head_checksum(place: Locator, length: bytes) -> bytes:
    digest = tagged_hash32(TAG_HEAD, u32(place.file), u64(place.offset), length)
    return digest[:HEAD_CHECKSUM_BYTES]


def _record(place: Locator, payload: bytes) -> bytes:
    length = u32(len(payload))
    head = _head_checksum(place, length)
    return length + head + payload + tagged_hash32(TAG_PAYLOAD, head, payload)


class SegmentReader:
    """Reads the records of a folder; every read checks the checksums."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, file: int) -> Path:
        """The path of a file by number."""
        return self.folder / f"{file:06d}.seg"

    def files(self) -> int:
        """Number of files; they count up from 0 without gaps."""
        count = 0
        while self.path(count).exists():
            count += 1
        return count

    def __iter__(self) -> Iterator[tuple[Locator, bytes]]:
        """Every record in order. Raises SegmentError at the first damage."""
        for file in range(self.files()):
            yield from self._records(file)

    def read(self, place: Locator) -> bytes:
        """The payload at a place. Raises SegmentError if no sound record stands there."""
        path = self.path(place.file)
        with path.open("rb") as stream:
            return self._read_record(stream, path, place)

    def _records(self, file: int) -> Iterator[tuple[Locator, bytes]]:
        path = self.path(file)
        size = path.stat().st_size
        with path.open("rb") as stream:
            magic = stream.read(len(MAGIC))
            if len(magic) < len(MAGIC):
                raise SegmentCutError(path, 0, f"ends within its first {len(MAGIC)} bytes")
            if magic != MAGIC:
                raise SegmentError(path, 0, f"does not begin with {MAGIC!r}; not a segment file")
            while (offset := stream.tell()) < size:
                place = Locator(file, offset)
                yield place, self._read_record(stream, path, place)

    def _read_record(self, stream: BinaryIO, path: Path, place: Locator) -> bytes:
        def take(size: int) -> bytes:
            data = stream.read(size)
            if len(data) < size:
                raise SegmentCutError(
                    path, place.offset, "the file ends within this record; it was not kept"
                )
            return data

        stream.seek(place.offset)
        head = take(HEAD_BYTES)
        length, checksum = head[:LENGTH_BYTES], head[LENGTH_BYTES:]
        if checksum != _head_checksum(place, length):
            raise SegmentError(
                path, place.offset, "the record's head is damaged; restore the file from a copy"
            )
        size = int.from_bytes(length, "big")
        if size > MAX_RECORD_BYTES:
            raise SegmentError(path, place.offset, f"a record of {size} bytes cannot be")
        payload = take(size)
        if take(PAYLOAD_CHECKSUM_BYTES) != tagged_hash32(TAG_PAYLOAD, checksum, payload):
            raise SegmentError(
                path, place.offset, "the record's bytes are damaged; restore the file from a copy"
            )
        return payload


class SegmentWriter:
    """Appends records to a folder. One process at a time; the caller sees to that."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open a folder for appending, making it if need be.

        A cut record at the end of the last file is removed. Other damage there raises SegmentError.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._reader = SegmentReader(folder)
        self._segment_bytes = segment_bytes
        files = self._reader.files()
        self._file = max(files - 1, 0)
        self._end = self._repair(self._file) if files else 0

    def append(self, payload: bytes) -> Locator:
        """Append a record; it is on disk when this returns. Raises SegmentError if too long."""
        if len(payload) > MAX_RECORD_BYTES:
            path = self._reader.path(self._file)
            raise SegmentError(
                path, self._end, f"{len(payload)} bytes, a record has at most {MAX_RECORD_BYTES}"
            )
        if self._end > self._segment_bytes:
            self._file, self._end = self._file + 1, 0
        path = self._reader.path(self._file)
        created = self._end == 0
        with path.open("ab") as stream:
            if created:
                self._end = stream.write(MAGIC)
            place = Locator(self._file, self._end)
            self._end += stream.write(_record(place, payload))
            stream.flush()
            os.fsync(stream.fileno())
        if created:
            _sync_folder(path.parent)
        return place

    def _repair(self, file: int) -> int:
        """The end of the last sound record, everything behind it cut off."""
        path = self._reader.path(file)
        end = 0
        try:
            for place, payload in self._reader._records(file):
                end = place.offset + HEAD_BYTES + len(payload) + PAYLOAD_CHECKSUM_BYTES
        except SegmentCutError as cut:
            end = cut.offset
            os.truncate(path, end)
        return max(end, min(path.stat().st_size, len(MAGIC)))


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
