"""Taking damage out of a folder of segments: records of zeros that readers pass over.

Checksums cover the place of a record, so nothing can move up; what is damaged is written over in
place. Killed on the way, the damage is still there, and is written over the next time.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from esper.storage.own_file import open_own, write_all
from esper.storage.segments.segment_reader import (
    HEAD_BYTES,
    MAGIC,
    PAYLOAD_CHECKSUM_BYTES,
    Locator,
    PayloadDamagedError,
    Scanned,
    SegmentReader,
    record_bytes,
)

AROUND: Final = HEAD_BYTES + PAYLOAD_CHECKSUM_BYTES
"""Bytes of a record beside its payload."""
LONGEST: Final = 8 << 20
"""Payload of one record of zeros; two of them are below the longest record that is read."""


def is_void(payload: bytes) -> bool:
    """Whether a record says nothing. No record of ours begins with a zero byte."""
    return not payload.strip(b"\0")


def void_damage(reader: SegmentReader, known: Iterable[Locator], end: Locator) -> int:
    """Write over all damage before ``end``; how many places there were.

    ``known`` are places of sound records, behind which nothing is lost where the head of a record
    before them is damaged. Raises OSError.
    """
    places, done, start = sorted(known), 0, None
    while (found := _first_damage(reader, start)) is not None:
        # What is sound before it is not read again for each of the rest.
        start = place = found.place
        path = reader.path(place.file)
        if place.offset == 0:
            _write(path, 0, MAGIC)
        elif isinstance(found.error, PayloadDamagedError):
            _void(path, place, found.error.end)
        else:
            behind = [one.offset for one in places if one.file == place.file and one > place]
            last = end.offset if place.file == end.file else path.stat().st_size
            _void(path, place, min(behind, default=max(last, place.offset + AROUND)))
        done += 1
    return done


def _first_damage(reader: SegmentReader, start: Locator | None) -> Scanned | None:
    return next((one for one in reader.scan(start) if one.error is not None), None)


def _void(path: Path, place: Locator, end: int) -> None:
    """Records of zeros from ``place`` to the byte ``end``; the last may end behind it."""
    offset, data = place.offset, b""
    while offset < end:
        length = end - offset - AROUND
        if length > 2 * LONGEST:
            length = LONGEST
        payload = bytes(max(length, 0))
        data += record_bytes(Locator(place.file, offset), payload)
        offset += AROUND + len(payload)
    _write(path, place.offset, data)


def _write(path: Path, offset: int, data: bytes) -> None:
    with open_own(path, "r+b") as stream:
        stream.seek(offset)
        write_all(stream, data)
        os.fsync(stream.fileno())
