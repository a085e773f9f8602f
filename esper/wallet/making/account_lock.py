"""One transaction of an account at a time: from the look at its nonce until the node has it."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from esper.wallet.files.private_file import FILE_MODE, offered

_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def account_lock(folder: Path, address: str, waits: Callable[[], None]) -> Iterator[None]:
    """Keep other processes from taking the next nonce of an address; waits for one that does.

    ``folder`` is the one of the wallets, ``waits`` is called before waiting. The system releases
    the lock with the process, however that ends. A folder that cannot be written to is locked as a
    whole; where the file system has no locks there is none, and the node alone sees to it that
    nothing is replaced. Raises OSError.
    """
    descriptor = _opened(folder, address)
    try:
        with offered():
            _lock(descriptor, waits)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, waits: Callable[[], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waits()
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _opened(folder: Path, address: str) -> int:
    try:
        return os.open(
            folder / f".{address}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE
        )
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
