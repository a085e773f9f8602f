"""Files that are whole or not there, whatever happens, on whatever file system.

Sticks and network folders (FAT, exFAT, NFS, FUSE) may know no hard links, no rights, no locks and
no syncing of folders. What only protects further is done without there; nothing is overwritten
without being asked for anywhere. Errors name the file that was asked for, never one on the way.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
SHARED_MODE: Final = 0o666
"""For a file without secrets, less what the process's mask takes away."""
LOCK_FILE: Final = ".lock"

_NOT_OFFERED: Final = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
)
"""How file systems say that they lack something."""
_NO_LINKS: Final = _NOT_OFFERED | {errno.EPERM, errno.EMLINK}


def private_folder(folder: Path) -> None:
    """Make a folder, or take others' rights from one that is there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    found = folder.stat()
    if stat.S_IMODE(found.st_mode) == FOLDER_MODE:
        return
    try:
        folder.chmod(FOLDER_MODE)
    except PermissionError:
        # A file system without rights refuses its own user; somebody else's folder is none of ours.
        if found.st_uid != os.geteuid():
            raise


def create_private(file: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Make a file. Raises FileExistsError, leaving what is there, if the name is taken.

    Raises OSError with the name of ``file``; nothing is left of it then.
    """
    with _named(file):
        if os.path.lexists(file):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        with _written(file, data, mode) as fresh:
            try:
                os.link(fresh, file)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                _claim(file, mode)
                try:
                    fresh.replace(file)
                except BaseException:
                    file.unlink()
                    raise
        _sync_folder(file.parent)


def replace_private(file: Path, data: bytes) -> None:
    """Put ``data`` in the place of a file: readers see the old one or the new one, never a part.

    A symbolic link stays one: the file that it points to is replaced, where that is. Raises OSError
    with the name of ``file``, which then is as it was.
    """
    with _named(file):
        target = Path(os.path.realpath(file, strict=True))
        with _written(target, data, FILE_MODE) as fresh:
            fresh.replace(target)
        _sync_folder(target.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from changing files of a folder; waits for one that does.

    Where the file system has no locks there is none. Raises OSError with the folder's name.
    """
    with _named(folder):
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        with _named(folder), offered():
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _written(file: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A synced file beside ``file``, of a name that no other process uses; gone afterwards."""
    # Short, whatever the file is called: names end at 255 bytes.
    fresh = file.with_name(f".esper.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        # Within: ctrl-C may come as soon as the file is there.
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            with offered():
                os.fsync(stream.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _claim(file: Path, mode: int) -> None:
    """Make an empty file. Raises FileExistsError, as a link would, if the name is taken."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))


def _sync_folder(folder: Path) -> None:
    """Make a new name last, where that can be asked for."""
    # A folder that may be written and not read can only be left to the system.
    with offered(), suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def offered() -> Iterator[None]:
    """Go on without what the file system lacks."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors of what is within, by the name that was asked for."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOENT and not file.parent.is_dir():
            reason = "there is no such folder to put it in"
        raise OSError(error.errno, reason, str(file)) from error
