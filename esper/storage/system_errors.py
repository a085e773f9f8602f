"""What the system refuses, told apart from damage: nothing is wrong with the files.

Too few descriptors, too little memory or space, no permission, a disk that does not answer: all of
these pass, or are mended outside of the data directory. Whoever took them for damage would throw
away what is sound.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from esper.storage.errors import StorageError

_OTHER: Final = "name another directory with --datadir"
_WRITABLE: Final = f"let this user read and write there, or {_OTHER}"
_SPACE: Final = "free some space"
_REMEDIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.EACCES: _WRITABLE,
        errno.EPERM: _WRITABLE,
        errno.EROFS: _WRITABLE,
        errno.ENOSPC: _SPACE,
        errno.EDQUOT: _SPACE,
        errno.EMFILE: "raise the limit of open files (ulimit -n)",
        errno.ENFILE: "close other programs, or raise the system's limit of open files",
        errno.ENOMEM: "free some memory, or raise its limit (ulimit -v)",
        errno.ENOLCK: f"its file system has no locks: {_OTHER}",
        errno.EOPNOTSUPP: f"its file system has no locks: {_OTHER}",
        errno.ENOTDIR: _OTHER,
        errno.EEXIST: _OTHER,
        errno.ENOENT: _OTHER,
        errno.ELOOP: _OTHER,
        errno.ENAMETOOLONG: _OTHER,
        errno.EIO: "the disk does not answer: see the system's log",
    }
)
_OF_DAMAGE: Final = frozenset({errno.ENOENT, errno.EINVAL, errno.EISDIR, errno.ENOTDIR})
"""What the system says of files that are missing, too short, or no files."""


class SystemRefusedError(StorageError):
    """The system refused to open, read or write; what is kept is as it was."""

    def __init__(self, path: Path, number: int, reason: str) -> None:
        remedy = _REMEDIES.get(number, "mend that")
        super().__init__(f"{path}: {reason}; {remedy}, then start again (nothing is lost)")
        self.path = path
        """The file or folder."""
        self.number = number
        """The system's error number, 0 where it is not known."""


@contextmanager
def system_told(folder: Path) -> Iterator[None]:
    """Turn what the system refuses within into SystemRefusedError, with its file or ``folder``."""
    try:
        yield
    except OSError as error:
        named = error.filename
        path = Path(os.fsdecode(named)) if isinstance(named, str | bytes | os.PathLike) else folder
        raise SystemRefusedError(path, error.errno or 0, error.strerror or str(error)) from error
    except MemoryError as error:
        number = errno.ENOMEM
        raise SystemRefusedError(folder, number, os.strerror(number)) from error


def refused_number(words: str) -> int | None:
    """The error number that a sentence of LevelDB's ends with, None if it is a word of damage.

    LevelDB hands on the system's words behind the last colon, and keeps the number to itself.
    """
    reason = words.rpartition(": ")[2]
    for number in errno.errorcode:
        if os.strerror(number) == reason:
            return None if number in _OF_DAMAGE else number
    return None
