"""Files that their owner alone may read, whole or not there, whatever happens."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
LOCK_FILE: Final = ".lock"


def private_folder(folder: Path) -> None:
    """Make a folder, or take others' rights from one that is there."""
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    folder.chmod(FOLDER_MODE)


def create_private(file: Path, data: bytes) -> None:
    """Make a file. Raises FileExistsError, leaving what is there, if the name is taken."""
    fresh = _written(file, data)
    try:
        os.link(fresh, file)
    finally:
        fresh.unlink()
    _sync_folder(file.parent)


def replace_private(file: Path, data: bytes) -> None:
    """Put ``data`` in the place of a file: readers see the old one or the new one, never a part."""
    _written(file, data).replace(file)
    _sync_folder(file.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from changing files of a folder; waits for one that does."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _written(file: Path, data: bytes) -> Path:
    """A synced file beside ``file``, of a name that no other process uses."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return fresh


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
