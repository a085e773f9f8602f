"""Keys in the database."""

from dataclasses import replace
from typing import Any

from esper.gateway.keys import Account, Scope
from esper.gateway.store.database import Database
from esper.gateway.store.errors import damaged

_COLUMNS = (
    "id, hash, name, scopes, budget, period_ms, requests_per_minute, tokens_per_minute, streams, "
    "max_price, created_ms, expires_ms, revoked_ms, webhook, webhook_key, greedy_anyway"
)


class Accounts:
    """Made, found and revoked; never deleted, since the ledger names them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: Account) -> bool:
        """Whether it was added: False if the id is taken, then make another key.

        Raises KeyFieldError.
        """
        account.check()
        return self._put("INSERT OR IGNORE", account)

    def put_local(self, account: Account) -> None:
        """The key ``local`` as the settings say it now, in the place of an earlier one."""
        account.check()
        self._put("INSERT OR REPLACE", replace(account, hash=b""))

    def revoke(self, key: str, now_ms: int) -> bool:
        """Whether there was such a key, not revoked before."""
        with self._database.commit() as connection:
            question = "UPDATE keys SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL"
            return connection.execute(question, (now_ms, key)).rowcount == 1

    def find(self, key: str) -> Account | None:
        """The key of an id, revoked and expired ones too."""
        found = self._read("WHERE id = ?", key)
        return found[0] if found else None

    def all(self) -> list[Account]:
        """All keys, oldest first."""
        return self._read("ORDER BY created_ms, id")

    def _put(self, how: str, account: Account) -> bool:
        values = (
            account.id,
            account.hash,
            account.name,
            " ".join(sorted(account.scopes)),
            account.budget,
            account.period_ms,
            account.requests_per_minute,
            account.tokens_per_minute,
            account.streams,
            account.max_price,
            account.created_ms,
            account.expires_ms,
            account.revoked_ms,
            account.webhook,
            account.webhook_key,
            int(account.greedy_anyway),
        )
        marks = ", ".join("?" * len(values))
        with self._database.commit() as connection:
            question = f"{how} INTO keys ({_COLUMNS}) VALUES ({marks})"
            return connection.execute(question, values).rowcount == 1

    def _read(self, which: str, *values: str) -> list[Account]:
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM keys {which}", values).fetchall()
        try:
            return [_account(row) for row in rows]
        except ValueError as error:
            raise damaged(self._database.path, f"keys: {error}") from error


def _account(row: tuple[Any, ...]) -> Account:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["scopes"] = frozenset(map(Scope, values["scopes"].split()))
    values["greedy_anyway"] = bool(values["greedy_anyway"])
    return Account(**values)
