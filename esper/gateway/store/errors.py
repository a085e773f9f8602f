"""Why the gateway's database cannot be used: each names the file and what helps."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StoreError(Exception):
    """The database refused. What was committed before is safe."""

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path = path
        """The database's file."""


class StoreDamagedError(StoreError):
    """It is no database, or contradicts itself."""


class StoreLockedError(StoreError):
    """Another program holds it."""


class StoreFullError(StoreError):
    """The disk has no room."""


class StoreVersionError(StoreError):
    """A newer program made it."""


class StoreRefusedError(StoreError):
    """The system refused to open, read or write it."""


_KINDS = (
    (
        ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_SCHEMA"),
        StoreDamagedError,
        "put a backup in its place; or move it away and make new keys, with another gateway.key: "
        "an old account's calls may be on their way",
    ),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"),
        StoreLockedError,
        "stop the other program that uses it, then start again",
    ),
    (("SQLITE_FULL",), StoreFullError, "free some space, then start again"),
)
_DAMAGE = _KINDS[0]


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite or the system refuses within into a StoreError.

    A mistake of the caller's, such as a constraint, goes through as it is.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        for starts, kind, remedy in _KINDS:
            if name.startswith(starts):
                raise kind(path, str(error), remedy) from error
        if "no such table" in str(error) or "no such column" in str(error):
            raise damaged(path, str(error)) from error
        remedy = "let this user read and write there, or mend the disk, then start again"
        raise StoreRefusedError(path, str(error), remedy) from error
    except OSError as error:
        remedy = "let this user read and write there; it must be a file, no link"
        raise StoreRefusedError(path, error.strerror or str(error), remedy) from error


def damaged(path: Path, reason: str) -> StoreDamagedError:
    """The error for contents that no program of ours has written."""
    return StoreDamagedError(path, reason, _DAMAGE[2])
