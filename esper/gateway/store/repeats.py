"""The same request again: it joins the first or gets its answer, and is charged once."""

from dataclasses import dataclass
from typing import Final

from esper.gateway.store.database import Database

REPEAT_MS: Final = 24 * 3600 * 1000
"""How long a request with an ``Idempotency-Key`` is remembered."""
RETRY_MS: Final = 60_000
"""How long one without is, for SDKs that count their tries (``x-stainless-retry-count``)."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Seen for the first time: noted, before any work."""


@dataclass(frozen=True, slots=True)
class Joins:
    """The first one is at work."""

    call: str
    """Its id."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The first one was answered."""

    call: str
    body: bytes
    """What was stored as its answer."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The name was used for another body."""


Seen = Fresh | Joins | Answer | Mismatch


class Repeats:
    """Requests, by key and name, or by key and body."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, call: str, key: str, name: str | None, body: bytes, retry: int, now_ms: int
    ) -> Seen:
        """Look a request up and note it if it is new, in one commit.

        ``name`` is its Idempotency-Key, ``body`` a hash of its body, ``retry`` what
        ``x-stainless-retry-count`` says, 0 without. Without name and retry it is always fresh.
        """
        with self._database.commit() as connection:
            connection.execute(
                "DELETE FROM repeats WHERE at_ms <= ? OR (name IS NULL AND at_ms <= ?)",
                (now_ms - REPEAT_MS, now_ms - RETRY_MS),
            )
            found = None
            if name is not None:
                found = connection.execute(
                    "SELECT call, answer, body FROM repeats WHERE key = ? AND name = ?",
                    (key, name),
                ).fetchone()
            elif retry > 0:
                found = connection.execute(
                    "SELECT call, answer, body FROM repeats "
                    "WHERE key = ? AND body = ? AND at_ms > ? ORDER BY at_ms DESC, id DESC LIMIT 1",
                    (key, body, now_ms - RETRY_MS),
                ).fetchone()
            if found is None:
                connection.execute(
                    "INSERT INTO repeats (key, name, body, at_ms, call) VALUES (?, ?, ?, ?, ?)",
                    (key, name, body, now_ms, call),
                )
                return Fresh()
        first, answer, hashed = found
        if hashed != body:
            return Mismatch()
        return Joins(first) if answer is None else Answer(first, answer)

    def answer(self, call: str) -> bytes | None:
        """What is stored as a request's answer, None while there is none."""
        with self._database.reading() as connection:
            question = "SELECT answer FROM repeats WHERE call = ?"
            found = connection.execute(question, (call,)).fetchone()
        return None if found is None else found[0]

    def finish(self, call: str, answer: bytes) -> None:
        """Store a later answer, such as the one with its proof; the first came with the promise."""
        with self._database.commit() as connection:
            connection.execute("UPDATE repeats SET answer = ? WHERE call = ?", (answer, call))

    def forget(self, call: str) -> None:
        """It was refused or failed: a repeat begins anew."""
        with self._database.commit() as connection:
            connection.execute("DELETE FROM repeats WHERE call = ?", (call,))
