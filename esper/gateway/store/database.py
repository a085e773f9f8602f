"""One connection to the gateway's database, used by the thread that opened it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from esper.gateway.store.errors import told
from esper.gateway.store.schema import connect


class Database:
    """Commits as blocks: what happens within is kept whole or not at all.

    sqlite3 refuses every other thread. All methods of the tables raise StoreError.
    """

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises StoreError."""
        self.path = path
        self._connection = connect(path)

    @contextmanager
    def commit(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk when the block ends; undone if it raises."""
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
