"""One process at a time in a data directory."""

import fcntl
from pathlib import Path
from types import TracebackType
from typing import Final

from esper.storage.errors import DirectoryLockedError

LOCK_FILE: Final = "lock"


class DirectoryLock:
    """Held from construction to ``release``; the system releases it when the process dies."""

    def __init__(self, datadir: Path) -> None:
        """Raises DirectoryLockedError if another process, or another lock here, has it."""
        self._stream = (datadir / LOCK_FILE).open("w")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise DirectoryLockedError(datadir) from None

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
