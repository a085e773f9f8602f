"""Log lines: one for people, one JSON object for machines. Secrets are never handed to a logger."""

import json
import logging
import sys
import time
from typing import Any, Final, TextIO

from esper.node.log_file import LogFile
from esper.saying import EVENT, FIELDS

NOISY: Final = ("httpx", "httpcore", "asyncio")
"""Libraries that are heard from warnings on alone."""


class HumanFormatter(logging.Formatter):
    """``2026-11-30T12:34:56Z mining   block 7 ...``; severity is named from warnings on."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback where there is one."""
        severity = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        line = f"{_utc(record)}Z {_subject(record):8} {severity}{record.getMessage()}"
        return (
            line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"
        )


class JsonFormatter(logging.Formatter):
    """An object with time (RFC 3339, UTC), level, subject, event, message, and the line's values.

    ``event`` names the kind of line; it and the values are missing where a line was made of a
    sentence alone.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, Any] = {
            "time": f"{_utc(record)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "subject": _subject(record),
        }
        event = getattr(record, EVENT, None)
        if event is not None:
            entry["event"] = event
        entry["message"] = record.getMessage()
        entry.update(getattr(record, FIELDS, {}))
        if record.exc_info is not None:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class StandardError(logging.StreamHandler[TextIO]):
    """Lines on standard error; that nobody reads them any more is no reason to stop."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A full disk or a closed pipe loses the line; a mistake of ours is told."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)


def set_up(
    level: str, *, as_json: bool, stream: TextIO | None = None, file: LogFile | None = None
) -> None:
    """Send everything from ``level`` on to standard error, or to ``stream``, and to ``file``."""
    handlers: list[logging.Handler] = [] if file is None else [file]
    shown = stream or sys.stderr
    if shown is not None:
        handlers.append(StandardError(shown))
    for handler in handlers:
        handler.setFormatter(JsonFormatter() if as_json else HumanFormatter())
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old, LogFile):
            old.close()
    root.handlers[:] = handlers
    root.setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def reopen_files() -> int:
    """Open the log files anew, as after a rotation by somebody else; how many there are."""
    files = [one for one in logging.getLogger().handlers if isinstance(one, LogFile)]
    for file in files:
        file.reopen()
    return len(files)


def _subject(record: logging.LogRecord) -> str:
    return record.name.removeprefix("esper.")


def _utc(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
