"""One process at a time in a data directory.

The file holds the number of the process that has the lock, for whoever finds it locked.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from esper.storage.errors import DirectoryLockedError
from esper.storage.own_file import open_own

LOCK_FILE: Final = "lock"
PID_BYTES: Final = 20
"""More than any number of a process has digits."""


class DirectoryLock:
    """Held from construction to ``release``; the system releases it when the process dies."""

    def __init__(self, datadir: Path) -> None:
        """Raises DirectoryLockedError if another process, or another lock here, has it, OSError."""
        # Not emptied before it is ours: what stands there is the holder's.
        self._stream = open_own(datadir / LOCK_FILE, "a+b")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._stream.truncate(0)
            self._stream.write(b"%d\n" % os.getpid())
        except BlockingIOError:
            holder = _holder(self._stream)
            self._stream.close()
            raise DirectoryLockedError(datadir, holder) from None
        except BaseException:
            self._stream.close()
            raise

    def release(self) -> None:
        """Let others in. A second call does nothing."""
        self._stream.close()

    def __enter__(self) -> "DirectoryLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _holder(stream: BinaryIO) -> int | None:
    """The process that has the lock, None if the file names none that is seen from here."""
    stream.seek(0)
    text = stream.read(PID_BYTES).strip()
    if not text.isdigit() or not Path(f"/proc/{int(text)}").exists():
        # Of an older program, or of a machine or container that has other numbers.
        return None
    return int(text)
