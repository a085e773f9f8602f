"""Append-only files of records, each with a checksum: a changed byte is found and named.

    folder/000000.seg, 000001.seg, ...       a new file once the last one exceeds its size
    file    = magic "ESPRSEG1" || record ...
    record  = length as u32 || head checksum, 8 bytes || payload || payload checksum, 32 bytes

    head checksum    = H32(esper/segment/head/v1, file as u32 || offset as u64 || length), cut
    payload checksum = H32(esper/segment/payload/v1, head checksum || payload)

The checksums cover the record's place, so records cannot change places unnoticed. A file that ends
within a record was cut short by a crash before ``append`` returned; ``SegmentWriter`` removes such
an end, readers refuse it. Old files may be deleted from the front; a gap further on is damage.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from esper.primitives.hashing import make_tag, tagged_hash32, u32, u64
from esper.storage.errors import StorageError

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


class SegmentError(StorageError):
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


class PayloadDamagedError(SegmentError):
    """A record whose head is sound, so that the next one can be found."""

    def __init__(self, path: Path, offset: int, end: int) -> None:
        super().__init__(
            path, offset, "the record's bytes are damaged; restore the file from a copy"
        )
        self.end = end
        """Offset of the next record."""


@dataclass(frozen=True, slots=True, order=True)
class Locator:
    """Where a record stands."""

    file: int
    """Number of the file."""
    offset: int
    """First byte of the record."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What stands at a place: a sound record, or damage."""

    place: Locator
    """Where."""
    payload: bytes | None
    """The record's bytes, None if they are damaged."""
    error: SegmentError | None
    """The damage."""

    @property
    def end(self) -> "Locator":
        """Where the next record may begin; of damage, its own place."""
        return self.place if self.payload is None else record_end(self.place, self.payload)


def _head_checksum(place: Locator, length: bytes) -> bytes:
    digest = tagged_hash32(TAG_HEAD, u32(place.file), u64(place.offset), length)
    return digest[:HEAD_CHECKSUM_BYTES]


def record_end(place: Locator, payload: bytes) -> Locator:
    """Where the next record may begin."""
    return Locator(place.file, place.offset + HEAD_BYTES + len(payload) + PAYLOAD_CHECKSUM_BYTES)


def record_bytes(place: Locator, payload: bytes) -> bytes:
    """A record as it stands at ``place``."""
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

    def files(self) -> range:
        """The numbers of the files. They count up by one; the first need not be 0."""
        try:
            # Not glob, which takes a folder that it may not read for an empty one.
            found = list(self.folder.iterdir())
        except FileNotFoundError:
            return range(0)
        names = (path.stem for path in found if path.suffix == ".seg")
        numbers = [int(name) for name in names if name.isascii() and name.isdecimal()]
        return range(min(numbers), max(numbers) + 1) if numbers else range(0)

    def __iter__(self) -> Iterator[tuple[Locator, bytes]]:
        """Every record in order. Raises SegmentError at the first damage."""
        for found in self.scan():
            if found.error is not None:
                raise found.error
            if found.payload is not None:
                yield found.place, found.payload

    def scan(self, start: Locator | None = None) -> Iterator[Scanned]:
        """Every record from ``start`` on, and all damage.

        After a damaged payload the next record of the file follows; after a damaged head or a cut
        record the next file does.
        """
        for file in self.files():
            if start is None or file >= start.file:
                first = start.offset if start is not None and file == start.file else 0
                yield from self._scanned_file(file, max(first, len(MAGIC)))

    def read(self, place: Locator) -> bytes:
        """The payload at a place. Raises SegmentError if no sound record stands there."""
        path = self.path(place.file)
        try:
            with path.open("rb") as stream:
                return self._read_record(stream, path, place)
        except FileNotFoundError:
            raise SegmentError(path, place.offset, "the file is missing") from None

    def read_beginning(self, place: Locator, size: int) -> bytes:
        """The first ``size`` bytes of the payload at a place, all of a shorter one.

        Their checksum covers the whole payload, so nobody has compared them: the caller must know
        otherwise what they should be. Raises SegmentError if no record stands there.
        """
        path = self.path(place.file)
        try:
            with path.open("rb") as stream:
                length = self._read_head(stream, path, place)
                return self._take(stream, path, place, min(size, length))
        except FileNotFoundError:
            raise SegmentError(path, place.offset, "the file is missing") from None

    def _scanned_file(self, file: int, offset: int) -> Iterator[Scanned]:
        path = self.path(file)
        if not path.exists():
            error = SegmentError(path, 0, "is missing; restore it from a copy")
            yield Scanned(Locator(file, 0), None, error)
            return
        size = path.stat().st_size
        with path.open("rb") as stream:
            if (damage := self._damaged_magic(stream, path)) is not None:
                yield Scanned(Locator(file, 0), None, damage)
                return
            while offset < size:
                place = Locator(file, offset)
                try:
                    payload = self._read_record(stream, path, place)
                except PayloadDamagedError as damaged:
                    yield Scanned(place, None, damaged)
                    offset = damaged.end
                except SegmentError as error:
                    yield Scanned(place, None, error)
                    return
                else:
                    yield Scanned(place, payload, None)
                    offset = record_end(place, payload).offset

    @staticmethod
    def _damaged_magic(stream: BinaryIO, path: Path) -> SegmentError | None:
        magic = stream.read(len(MAGIC))
        if len(magic) < len(MAGIC):
            return SegmentCutError(path, 0, f"ends within its first {len(MAGIC)} bytes")
        if magic != MAGIC:
            return SegmentError(path, 0, f"does not begin with {MAGIC!r}; not a segment file")
        return None

    @staticmethod
    def _take(stream: BinaryIO, path: Path, place: Locator, size: int) -> bytes:
        data = stream.read(size)
        if len(data) < size:
            raise SegmentCutError(
                path, place.offset, "the file ends within this record; it was not kept"
            )
        return data

    def _read_head(self, stream: BinaryIO, path: Path, place: Locator) -> int:
        """The length of the payload, behind which the stream stands then."""
        stream.seek(place.offset)
        head = self._take(stream, path, place, HEAD_BYTES)
        length, checksum = head[:LENGTH_BYTES], head[LENGTH_BYTES:]
        if checksum != _head_checksum(place, length):
            raise SegmentError(
                path, place.offset, "the record's head is damaged; restore the file from a copy"
            )
        size = int.from_bytes(length, "big")
        if size > MAX_RECORD_BYTES:
            raise SegmentError(path, place.offset, f"a record of {size} bytes cannot be")
        return size

    def _read_record(self, stream: BinaryIO, path: Path, place: Locator) -> bytes:
        size = self._read_head(stream, path, place)
        payload = self._take(stream, path, place, size)
        checksum = _head_checksum(place, u32(size))
        kept = self._take(stream, path, place, PAYLOAD_CHECKSUM_BYTES)
        if kept != tagged_hash32(TAG_PAYLOAD, checksum, payload):
            raise PayloadDamagedError(path, place.offset, record_end(place, payload).offset)
        return payload
