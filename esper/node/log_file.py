"""A log file that is rotated by size, and that never gets in the way of the node.

    esper.log      is written
    esper.log.1    was written before, esper.log.2 before that, as many as are kept

What cannot be written is told to standard error once and counted until writing works again: a full
disk or a folder that went away costs lines, and nothing else.
"""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from esper.saying import EVENT, FIELDS

MODE: Final = 0o640


class LogFileError(Exception):
    """A log file that cannot be opened; the message names it and says what to do."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"log_file = {str(path)!r}: cannot be opened: {reason}; name a file in a folder that "
            "is there and that you may write to"
        )


def check_log_file(path: Path) -> None:
    """Whether a log file could be opened, without making it. Raises LogFileError."""
    folder = path.parent
    if path.is_dir():
        raise LogFileError(path, "it is a folder")
    if not folder.is_dir():
        raise LogFileError(path, f"there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise LogFileError(path, "Permission denied")


class LogFile(logging.Handler):
    """Appends each line with one write."""

    def __init__(self, path: Path, *, limit_bytes: int, kept: int) -> None:
        """``limit_bytes`` is the size that a file does not exceed, unless one line does.

        ``kept`` older files stay beside it. Raises LogFileError.
        """
        super().__init__()
        check_log_file(path)
        # Whoever changes the folder of the process changes not where it logs.
        self.path = path.absolute()
        self._limit = limit_bytes
        self._kept = kept
        self._lost = 0
        self._torn = False
        self._descriptor: int | None = None
        try:
            self._open()
        except OSError as error:
            raise LogFileError(path, error.strerror or str(error)) from error

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, in a fresh file where the old one is full."""
        line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        try:
            self._write(line)
        except OSError as error:
            self._lost += 1
            if self._lost == 1:
                reason = error.strerror or str(error)
                _tell(f"{self.path} cannot be written: {reason}; log lines are lost until it can")

    def reopen(self) -> None:
        """Go on in the file that has the name now: whoever rotates by himself has renamed it."""
        self.acquire()
        try:
            self._close()
            self._open()
        except OSError as error:
            _tell(f"{self.path} cannot be opened again: {error.strerror or error}")
        finally:
            self.release()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._close()
        super().close()

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            self._open()
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        if size and size + len(line) > self._limit:
            self._rotate()
            assert self._descriptor is not None
        if self._lost:
            line = (self.format(_lost_lines(self._lost)) + "\n").encode() + line
        if self._torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        self._torn = written < len(line)
        if self._torn:
            # The next write says why, if it still holds.
            os.write(self._descriptor, line[written:])
            self._torn = False
        self._lost = 0

    def _rotate(self) -> None:
        self._close()
        try:
            if self._kept == 0:
                self.path.unlink(missing_ok=True)
            for number in range(self._kept, 0, -1):
                older = self._numbered(number)
                newer = self.path if number == 1 else self._numbered(number - 1)
                with suppress(FileNotFoundError):
                    newer.replace(older)
        finally:
            # Where nothing can be renamed, the old file grows on: better than no line.
            self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, MODE)

    def _close(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def _lost_lines(count: int) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": "esper.node",
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "msg": f"{count} log lines before this one were lost",
            EVENT: "log_lines_lost",
            FIELDS: {"lines": count},
        }
    )


def _tell(sentence: str) -> None:
    """To standard error, if there is one."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(f"WARNING: {sentence}", file=sys.stderr, flush=True)
