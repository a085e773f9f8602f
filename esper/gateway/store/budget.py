"""Reservations, charges and usage.

Before the queue a request reserves the most that it may cost. With the promise the answer is
charged; what a proof may cost stays reserved until the proof is final or given up.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from esper.gateway.store.database import Database

DAY_MS: Final = 24 * 3600 * 1000

_RESERVE: Final = """
INSERT INTO reservations (call, key, period, amount)
SELECT :call, keys.id, :now / keys.period_ms, :amount FROM keys
LEFT JOIN periods ON periods.key = keys.id AND periods.period = :now / keys.period_ms
WHERE keys.id = :key AND keys.revoked_ms IS NULL
  AND (keys.expires_ms IS NULL OR keys.expires_ms > :now)
  AND coalesce(periods.spent, 0) + coalesce(periods.reserved, 0) + :amount <= keys.budget
"""


@dataclass(frozen=True, slots=True)
class PeriodState:
    """A key's budget in one period, micro-credits."""

    spent: int
    reserved: int


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What a key used on a day (UTC)."""

    day: int
    """Days since 1970."""
    requests: int
    prompt_tokens: int
    answer_tokens: int
    serve: int
    """Micro-credits for answers."""
    proof: int
    """Micro-credits for proofs, on the day on which they were final."""


class Budget:
    """A key's micro-credits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, call: str, key: str, amount: int, now_ms: int) -> bool:
        """Whether the budget of the current period holds it; judged and taken in one statement.

        Also False for a key that is unknown, revoked or expired. Raises sqlite3.IntegrityError
        for a call that has a reservation.
        """
        with self._database.commit() as connection:
            return reserve(connection, call, key, amount, now_ms)

    def release(self, call: str) -> None:
        """Give back what is reserved for a call, if anything is."""
        with self._database.commit() as connection:
            release(connection, call)

    def state(self, key: str, period: int) -> PeriodState:
        """What a key spent and holds in a period: see ``Account.period``."""
        with self._database.reading() as connection:
            question = "SELECT spent, reserved FROM periods WHERE key = ? AND period = ?"
            return PeriodState(*connection.execute(question, (key, period)).fetchone() or (0, 0))

    def usage(self, key: str, first_day: int, last_day: int) -> list[DayUsage]:
        """Days on which a key was used, both ends counted."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT day, requests, prompt_tokens, answer_tokens, serve, proof FROM usage "
                "WHERE key = ? AND day BETWEEN ? AND ? ORDER BY day",
                (key, first_day, last_day),
            ).fetchall()
        return [DayUsage(*row) for row in rows]

    def charges(self, call: str) -> dict[str, int]:
        """What was charged for a call, by kind (serve, proof)."""
        with self._database.reading() as connection:
            question = "SELECT kind, amount FROM ledger WHERE call = ?"
            return dict(connection.execute(question, (call,)).fetchall())


def reserve(connection: sqlite3.Connection, call: str, key: str, amount: int, now_ms: int) -> bool:
    """Within a commit: as Budget.reserve."""
    values = {"call": call, "key": key, "amount": amount, "now": now_ms}
    return connection.execute(_RESERVE, values).rowcount == 1


def release(connection: sqlite3.Connection, call: str) -> None:
    """Within a commit: as Budget.release."""
    connection.execute("DELETE FROM reservations WHERE call = ?", (call,))


def charge(
    connection: sqlite3.Connection,
    call: str,
    kind: str,
    key: str,
    period: int,
    amount: int,
    now_ms: int,
) -> None:
    """Within a commit: write into the ledger and the day's usage.

    Raises sqlite3.IntegrityError for what was charged before.
    """
    connection.execute(
        "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", (call, kind, key, period, amount, now_ms)
    )
    column = {"serve": "serve", "proof": "proof"}[kind]
    connection.execute(
        f"INSERT INTO usage (key, day, {column}) VALUES (?, ?, ?) "
        f"ON CONFLICT DO UPDATE SET {column} = {column} + excluded.{column}",
        (key, now_ms // DAY_MS, amount),
    )


def count_request(
    connection: sqlite3.Connection, key: str, prompt: int, answer: int, now_ms: int
) -> None:
    """Within a commit, after ``charge``: a request that was answered, with its tokens."""
    connection.execute(
        "UPDATE usage SET requests = requests + 1, prompt_tokens = prompt_tokens + ?, "
        "answer_tokens = answer_tokens + ? WHERE key = ? AND day = ?",
        (prompt, answer, key, now_ms // DAY_MS),
    )
