"""Files of the store on disk: written where they lie, at a place, and made to last.

A data directory may come from somebody else. A symbolic link in the place of one of its files would
have another file of the user's written over, so none is followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def part_of(path: Path, offset: int, length: int) -> bytes | None:
    """So many bytes from ``offset`` on; None if the file has fewer, or is none. Raises OSError."""
    try:
        with _open(path, os.O_RDONLY) as descriptor:
            data = os.pread(descriptor, length, offset)
            while 0 < len(data) < length:
                more = os.pread(descriptor, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
    except FileNotFoundError:
        return None
    return data if len(data) == length else None


def write_at(path: Path, offset: int, data: bytes) -> None:
    """Write into a file, which is made if there is none. Raises OSError."""
    with _open(path, os.O_WRONLY | os.O_CREAT) as descriptor:
        view = memoryview(data)
        while view:
            done = os.pwrite(descriptor, view, offset)
            view, offset = view[done:], offset + done


def write_whole(path: Path, data: bytes) -> None:
    """A small file, whole or as it was before, on disk when this returns. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    try:
        with _open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync(path.parent)


def small_file(path: Path, most: int) -> bytes | None:
    """A file of ``most`` bytes at most; None if it is none, or longer. Raises OSError."""
    try:
        with _open(path, os.O_RDONLY) as descriptor:
            size = os.fstat(descriptor).st_size
            if size > most:
                return None
        return part_of(path, 0, size)
    except FileNotFoundError:
        return None


def sync(path: Path) -> None:
    """Have a file or folder on disk. Raises OSError."""
    with _open(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def cut_to(path: Path, size: int) -> None:
    """Take away what stands behind the first ``size`` bytes. Raises OSError."""
    with _open(path, os.O_WRONLY) as descriptor:
        if os.fstat(descriptor).st_size > size:
            os.ftruncate(descriptor, size)


@contextmanager
def _open(path: Path, flags: int) -> Iterator[int]:
    # A folder may be a link: people put models on another disk.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
