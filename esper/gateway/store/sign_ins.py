"""Codes and sessions of the console in the database, as hashes."""

from esper.gateway.store.database import Database


class SignIns:
    """Codes are taken once; sessions end by themselves, or all at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_code(self, digest: bytes, now_ms: int, until_ms: int) -> None:
        """Keep a code, and forget what is over."""
        with self._database.commit() as connection:
            for table in ("console_codes", "console_sessions"):
                connection.execute(f"DELETE FROM {table} WHERE until_ms <= ?", (now_ms,))
            connection.execute("INSERT INTO console_codes VALUES (?, ?)", (digest, until_ms))

    def take_code(self, code: bytes, session: bytes, now_ms: int, until_ms: int) -> bool:
        """Whether the code was good. One statement takes it; its session begins in the commit."""
        with self._database.commit() as connection:
            question = "DELETE FROM console_codes WHERE hash = ? AND until_ms > ?"
            if connection.execute(question, (code, now_ms)).rowcount != 1:
                return False
            connection.execute("INSERT INTO console_sessions VALUES (?, ?)", (session, until_ms))
            return True

    def is_open(self, session: bytes, now_ms: int) -> bool:
        """Whether there is such a session, not over."""
        with self._database.reading() as connection:
            question = "SELECT 1 FROM console_sessions WHERE hash = ? AND until_ms > ?"
            return connection.execute(question, (session, now_ms)).fetchone() is not None

    def end_all(self) -> int:
        """Forget all codes and sessions; how many sessions there were."""
        with self._database.commit() as connection:
            connection.execute("DELETE FROM console_codes")
            return connection.execute("DELETE FROM console_sessions").rowcount
