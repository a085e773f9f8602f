"""A disk that has room for so many bytes."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from esper.storage.segments.segment_writer import open_for_append


class FullDisk:
    """Opens files that take only so many bytes more, and a few at a time."""

    def __init__(self, room: int, *, at_once: int = 1 << 30) -> None:
        self.room = room
        self._at_once = at_once

    def __call__(self, path: Path) -> Any:
        self._stream = open_for_append(path)
        return self

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._stream.write(data[: min(self.room, self._at_once)])
        self.room -= written
        return written
