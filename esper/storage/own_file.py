"""Files of a data directory that are written where they lie, and nowhere else.

A data directory may come from somebody else, such as an archive to begin with. A symbolic link in
the place of one of its files would have any file of the user's emptied or written over. Folders may
be links: people put them on another disk.
"""

import os
from pathlib import Path
from typing import BinaryIO, cast


def open_own(path: Path, mode: str) -> BinaryIO:
    """As ``path.open(mode, buffering=0)``, in binary; a symbolic link is refused.

    A file to be changed ("r+b") is made if there is none. Raises OSError.
    """
    made = os.O_CREAT if mode == "r+b" else 0

    def in_place(name: str, flags: int) -> int:
        return os.open(name, flags | made | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)

    return cast(BinaryIO, open(path, mode, buffering=0, opener=in_place))


def write_all(stream: BinaryIO, data: bytes) -> None:
    """Unbuffered files may take a part at a time."""
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file in the place of another: it is whole or as before, whatever happens.

    A symbolic link there is replaced, not followed. On disk when this returns. What was begun
    beside it goes when this is interrupted or refused; of a process that was killed, next time.
    Raises OSError.
    """

    def private(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)

    fresh = unfinished(path)
    fresh.unlink(missing_ok=True)
    try:
        with open(fresh, "xb", buffering=0, opener=private) as stream:
            write_all(cast(BinaryIO, stream), data)
            os.fsync(stream.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """What `write_whole` begins beside a file."""
    return path.with_name(path.name + ".new")


def sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
