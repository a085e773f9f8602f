"""A file that keeps waiting transactions over the end of the process, however it ends.

    file   = magic, then records
    record = length of the transaction as u32, arrival height as u32, arrival time in ms as u64,
             CRC-32 of those three and the transaction as u32, the transaction

Each record is handed to the system before ``append`` returns, so a killed process loses nothing; a
power cut may lose the last seconds, which the network still has. What is cut or damaged ends the
file: everything before it is kept.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

MAGIC: Final = b"esper mempool 1\n"
_HEAD: Final = struct.Struct(">IIQ")
_CHECK: Final = struct.Struct(">I")
HEAD_BYTES: Final = _HEAD.size + _CHECK.size
"""What a record takes beside its transaction."""
_ROOM_TO_GROW: Final = 1 << 20
"""A file below this is never worth rewriting."""

Opener = Callable[[Path, str], BinaryIO]
"""Opens a file unbuffered; tests put failing disks here."""


def open_unbuffered(path: Path, mode: str) -> BinaryIO:
    """The file itself; a symbolic link in its place would lead anywhere, and is refused."""
    return cast(BinaryIO, open(path, mode, buffering=0, opener=_in_place))


def _in_place(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


class JournalError(OSError):
    """The system refuses to write; the transactions wait in memory all the same."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written: {reason}; waiting transactions would be lost at a restart, "
            f"make room and restart the node"
        )


class Kept(NamedTuple):
    """One record."""

    data: bytes
    """Wire bytes of a transaction, not judged yet."""
    arrival_height: int
    """Height of the tip when it came."""
    arrived_ms: int
    """When it came."""


class MempoolJournal:
    """The file. One process at a time; the caller sees to that."""

    def __init__(self, path: Path, limit: int, opener: Opener = open_unbuffered) -> None:
        """``limit`` is the network's for the bytes of a transaction."""
        self._path = path
        self._limit = limit
        self._open = opener
        self._stream: BinaryIO | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of the file, as far as it is sound."""
        return self._size

    def load(self) -> Iterator[Kept]:
        """Every sound record in the order of writing, up to the first that is not.

        A file of another kind counts as empty. Memory is taken for one record at a time.
        """
        try:
            stream = self._open(self._path, "rb")
        except FileNotFoundError:
            return
        with stream:
            if _read_all(stream, len(MAGIC)) != MAGIC:
                return
            while (found := self._record(stream)) is not None:
                yield found

    def append(self, data: bytes, arrival_height: int, arrived_ms: int) -> None:
        """Keep a transaction; it is with the system when this returns.

        Raises JournalError if it refuses, and the file then ends where it did before; ValueError
        for a transaction above the limit.
        """
        record = self._encoded(Kept(data, arrival_height, arrived_ms))
        try:
            if self._stream is None:
                self._begin_appending()
            _write_all(self._stream, record)
        except OSError as error:
            self._take_back()
            raise JournalError(self._path, error.strerror or str(error)) from error
        self._size += len(record)

    def rewrite(self, kept: Iterable[Kept]) -> None:
        """Let the file hold these alone. At every moment it is either the old or the new one.

        Raises JournalError if the system refuses; the old one stays then.
        """
        temporary = self._path.with_suffix(".new")
        size = len(MAGIC)
        try:
            with self._open(temporary, "wb") as stream:
                _write_all(stream, MAGIC)
                for one in kept:
                    record = self._encoded(one)
                    _write_all(stream, record)
                    size += len(record)
                os.fsync(stream.fileno())
            self.close()
            temporary.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise JournalError(self._path, error.strerror or str(error)) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        self._size = size

    def is_worth_rewriting(self, waiting_bytes: int) -> bool:
        """Whether more than half of the file is about what waits no longer."""
        return self._size > 2 * waiting_bytes + _ROOM_TO_GROW

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _begin_appending(self) -> None:
        """Cut off what is not sound, and open the file at its end."""
        sound = len(MAGIC)
        for one in self.load():
            sound += HEAD_BYTES + len(one.data)
        stream = self._open(self._path, "ab")
        self._stream = stream
        is_ours = self._begins_with_magic()
        stream.truncate(sound if is_ours else 0)
        if not is_ours:
            _write_all(stream, MAGIC)
        self._size = sound

    def _begins_with_magic(self) -> bool:
        with self._open(self._path, "rb") as stream:
            return _read_all(stream, len(MAGIC)) == MAGIC

    def _take_back(self) -> None:
        """Remove a record that was written in part, and start over at the next one."""
        if self._stream is None:
            return
        # If even that fails, the next append reads the file again and cuts what is not sound.
        with suppress(OSError):
            self._stream.truncate(self._size)
        self.close()

    def _record(self, stream: BinaryIO) -> Kept | None:
        head = _read_all(stream, HEAD_BYTES)
        if len(head) < HEAD_BYTES:
            return None
        length, height, arrived_ms = _HEAD.unpack_from(head)
        if length > self._limit:
            return None
        data = _read_all(stream, length)
        [checksum] = _CHECK.unpack_from(head, _HEAD.size)
        if len(data) < length or zlib.crc32(data, zlib.crc32(head[: _HEAD.size])) != checksum:
            return None
        return Kept(data, height, arrived_ms)

    def _encoded(self, kept: Kept) -> bytes:
        if len(kept.data) > self._limit:
            raise ValueError(f"transaction of {len(kept.data)} bytes, at most {self._limit}")
        head = _HEAD.pack(len(kept.data), kept.arrival_height, kept.arrived_ms)
        return head + _CHECK.pack(zlib.crc32(kept.data, zlib.crc32(head))) + kept.data


def _read_all(stream: BinaryIO, size: int) -> bytes:
    """Up to ``size`` bytes; unbuffered files may give a part at a time."""
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write_all(stream: BinaryIO | None, data: bytes) -> None:
    """Unbuffered files may take a part at a time."""
    if stream is None:
        raise OSError("the file is closed")
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
