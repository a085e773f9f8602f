"""Files that are slow, die in the middle of a write or of a sync, or meet a full disk.

Everything is harmless until it is armed.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from esper.storage.segments.segment_writer import open_for_append

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

SLOW_PARTS = 8
SLOW_PART_S = 0.001


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("outlived its own end")


def disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Fault:
    """Strikes at the Nth event after it was armed."""

    def __init__(self, mode: str, number: int) -> None:
        """``mode``: torn, full (writes to segments), sync, nospace (every sync), or nothing."""
        self.mode = mode
        self._left = number
        self._armed = False
        self._strike = die if mode in ("torn", "sync") else disk_full
        if mode in ("sync", "nospace"):
            sync = os.fsync

            def counted(fd: FileDescriptorLike) -> None:
                if self.due():
                    self.strike()
                sync(fd)

            os.fsync = counted

    def arm(self) -> None:
        self._armed = True

    def due(self) -> bool:
        """Count an event."""
        self._left -= int(self._armed)
        return self._armed and self._left == 0

    def strike(self) -> None:
        self._strike()

    def opener(self, path: Path) -> Any:
        """Opens segment files: slow ones, or one that fails in the middle."""
        stream = open_for_append(path)
        hit = self.mode in ("torn", "full") and self.due()
        return HalfWritten(stream, self) if hit else SlowFile(stream)


class SlowFile:
    """Takes a write in parts with pauses, so that a kill may fall between them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __enter__(self) -> SlowFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, data: memoryview) -> int:
        time.sleep(SLOW_PART_S)
        return self._stream.write(data[: max(2048, len(data) // SLOW_PARTS)])


class HalfWritten(SlowFile):
    """Writes half of what it is given, then the fault strikes."""

    def __init__(self, stream: BinaryIO, fault: Fault) -> None:
        super().__init__(stream)
        self._fault = fault

    def write(self, data: memoryview) -> int:
        self._stream.write(data[: len(data) // 2])
        self._fault.strike()
        raise AssertionError("a fault that does nothing")
