"""All of the gateway's database."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Self

from esper.gateway.store.accounts import Accounts
from esper.gateway.store.budget import Budget
from esper.gateway.store.database import Database
from esper.gateway.store.line import LineStore
from esper.gateway.store.old_books import OldBooks
from esper.gateway.store.receipts import Receipts
from esper.gateway.store.repeats import Repeats
from esper.gateway.store.sign_ins import SignIns

DATABASE_FILE: Final = "gateway.db"
"""In a data directory."""


class GatewayStore:
    """Opened by the one thread that uses it. The node opens it with ``recover``.

    `esper key` opens another beside it: SQLite lets one write at a time.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises StoreError."""
        self._database = Database(path)
        self.accounts = Accounts(self._database)
        """Keys."""
        self.budget = Budget(self._database)
        """Reservations and charges."""
        self.old_books = OldBooks(self._database)
        """Charges and usage of long ago."""
        self.repeats = Repeats(self._database)
        """Requests seen before."""
        self.receipts = Receipts(self._database)
        """Promises and proofs."""
        self.line = LineStore(self._database)
        """Calls on their way."""
        self.sign_ins = SignIns(self._database)
        """Codes and sessions of the console."""

    def recover(self) -> int:
        """At a start of the node: what was at work has ended without a promise. How many.

        Their reservations fall away, and their repeats begin anew.
        """
        with self._database.commit() as connection:
            unanswered = "NOT IN (SELECT call FROM receipts)"
            gone = connection.execute(f"DELETE FROM reservations WHERE call {unanswered}")
            connection.execute(f"DELETE FROM repeats WHERE call {unanswered}")
            return gone.rowcount

    def give_back(self, call: str) -> None:
        """A request was refused or failed: its reservation falls away, a repeat begins anew.

        Not where it has a promise after all: what a proof may cost stays reserved.
        """
        with self._database.commit() as connection:
            signed = "SELECT call FROM receipts"
            for table in ("reservations", "repeats"):
                connection.execute(
                    f"DELETE FROM {table} WHERE call = ? AND call NOT IN ({signed})", (call,)
                )

    def group(self) -> AbstractContextManager[None]:
        """See ``Database.group``."""
        return self._database.group()

    def close(self) -> None:
        """Raises StoreError."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
