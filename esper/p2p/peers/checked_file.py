"""A file with one record: canonical bytes | 16 bytes of checksum.

It is the old one or the new one at every moment. One that cannot be read is set aside as
``NAME.damaged``, in place of the one before; the caller goes on without, and says so.
"""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Generic, TypeVar

from esper.primitives.codec import Codec, CodecError, decode, encode
from esper.primitives.hashing import Tag, tagged_hash32
from esper.storage.own_file import open_own, write_whole
from esper.storage.system_errors import system_told

T = TypeVar("T")

CHECKSUM_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class FileKind(Generic[T]):
    """What a file holds."""

    codec: Codec[T]
    """Of its record."""
    limit: int
    """Most bytes of the record."""
    tag: Tag
    """Of its checksum."""


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What became of a file."""

    value: T | None
    """Its record, None if there is none."""
    told: str | None = None
    """A sentence for the log if something was lost."""


def write_file(path: Path, kind: FileKind[T], value: T) -> None:
    """Put a record in the place of a file: readers find the old one or the new one, whole.

    A symbolic link in its place is replaced, not followed. Raises SystemRefusedError, and the old
    one stays; ValueError for a value outside the schema.
    """
    record = encode(kind.codec, value)
    with system_told(path):
        write_whole(path, record + _checksum(kind, record))


def read_file(path: Path, kind: FileKind[T]) -> Read[T]:
    """Read a file; a missing one holds nothing, a damaged one is set aside and said.

    Reads no byte beyond the limit of its kind. Raises SystemRefusedError if the system refuses,
    for then nothing is known to be damaged.
    """
    with system_told(path):
        try:
            found = path.lstat()
        except FileNotFoundError:
            return Read(None)
        if not stat.S_ISREG(found.st_mode):
            return _set_aside(path, "it is no plain file")
        with open_own(path, "rb") as stream:
            data = _read_up_to(stream, kind.limit + CHECKSUM_BYTES + 1)
    if len(data) > kind.limit + CHECKSUM_BYTES:
        return _set_aside(path, f"it has more than {kind.limit + CHECKSUM_BYTES} bytes")
    record, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if checksum != _checksum(kind, record):
        return _set_aside(path, "its checksum is wrong")
    try:
        return Read(decode(kind.codec, record, limit=kind.limit, what=path.name))
    except CodecError as error:
        return _set_aside(path, str(error))


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """Unbuffered files may give a part at a time."""
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _checksum(kind: FileKind[T], record: bytes) -> bytes:
    return tagged_hash32(kind.tag, record)[:CHECKSUM_BYTES]


def _set_aside(path: Path, reason: str) -> Read[T]:
    aside = path.with_name(path.name + ".damaged")
    with system_told(path):
        path.replace(aside)
    return Read(None, f"{path} cannot be used: {reason}; it is now {aside.name}, and forgotten")
