"""Log lines: one for people, one JSON object for machines. Secrets are never handed to a logger."""

import json
import logging
import sys
import time
from typing import Final, TextIO

NOISY: Final = ("httpx", "httpcore", "asyncio")
"""Libraries that are heard from warnings on alone."""


class HumanFormatter(logging.Formatter):
    """``12:34:56 mining   block 7 ...``; severity is named from warnings on."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback where there is one."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        subject = record.name.removeprefix("esper.")
        severity = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        line = f"{clock} {subject:8} {severity}{record.getMessage()}"
        return (
            line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"
        )


class JsonFormatter(logging.Formatter):
    """An object with time (RFC 3339, UTC), level, subject and message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "subject": record.name.removeprefix("esper."),
            "message": record.getMessage(),
        }
        if record.exc_info is not None:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up(level: str, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Send everything from ``level`` on to standard error, or to ``stream``."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else HumanFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
