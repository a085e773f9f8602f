"""One connection to the gateway's database, used by the thread that opened it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from esper.gateway.store.errors import StoreError, StoreRefusedError, told
from esper.gateway.store.schema import connect


class Database:
    """Commits as blocks: what happens within is kept whole or not at all.

    sqlite3 refuses every other thread. All methods of the tables raise StoreError.
    """

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises StoreError."""
        self.path = path
        self._connection = connect(path)
        self._grouped = False
        self._begun = False
        self._lost: StoreError | None = None

    @contextmanager
    def group(self) -> Iterator[None]:
        """Commits within reach the disk together, as one, when the block ends.

        Each is still whole or not at all, but none counts before the end: a disk's wait is shared
        by all who ask at the same time. If the block raises, none happened. A full or broken disk
        fails all of them.
        """
        self._grouped, self._begun, self._lost = True, False, None
        try:
            yield
            if self._lost is not None:
                raise self._lost
            with told(self.path):
                if self._begun:
                    self._connection.execute("COMMIT")
        finally:
            self._grouped = False
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def commit(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk when the block ends; undone if it raises.

        Within ``group`` it is on the disk when that ends.
        """
        if self._grouped:
            with self._part() as connection:
                yield connection
            return
        with told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _part(self) -> Iterator[sqlite3.Connection]:
        if self._lost is None and self._begun and not self._connection.in_transaction:
            why = "a full or broken disk has undone what was asked together"
            self._lost = StoreRefusedError(self.path, why, "free some space, then start again")
        if self._lost is not None:
            # A savepoint without its transaction would be on the disk at once, and by itself.
            raise self._lost
        try:
            with told(self.path), self._savepoint() as connection:
                yield connection
        except StoreError as error:
            if self._begun and not self._connection.in_transaction:
                # SQLite has undone all of the group, parts that were whole included.
                self._lost = error
            raise

    @contextmanager
    def _savepoint(self) -> Iterator[sqlite3.Connection]:
        if not self._begun:
            self._connection.execute("BEGIN IMMEDIATE")
            self._begun = True
        self._connection.execute("SAVEPOINT part")
        try:
            yield self._connection
            self._connection.execute("RELEASE part")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO part")
                self._connection.execute("RELEASE part")
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For single questions."""
        with told(self.path):
            yield self._connection

    def close(self) -> None:
        """Everything is on the disk already; the log is folded in."""
        with told(self.path):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
