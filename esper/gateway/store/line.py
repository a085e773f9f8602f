"""Calls on their way into the chain, as the database holds them."""

from collections.abc import Sequence
from dataclasses import dataclass

from esper.gateway.proving_rows import Row, Step, encode_row, row_of
from esper.gateway.store.budget import charge, release
from esper.gateway.store.database import Database
from esper.gateway.store.errors import damaged

FOLLOWED_BLOCKS = 2_048
"""How many blocks' ids are kept, to find where a chain that moved on left them."""


@dataclass(frozen=True, slots=True)
class KeptLine:
    """What ``ProvingLine`` is made of after a start."""

    rows: list[Row]
    """Oldest first."""
    next_nonce: int
    stopped: str
    followed: list[tuple[int, bytes]]
    """Heights and ids of the last blocks followed, upwards."""


class LineStore:
    """Rows and what belongs to them, changed a step at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, settled_since: int) -> KeptLine:
        """All rows but those settled before a height: below it no block is undone."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT data FROM rows WHERE settled_at IS NULL OR settled_at >= ? ORDER BY rowid",
                (settled_since,),
            ).fetchall()
            line = connection.execute("SELECT next_nonce, stopped FROM line").fetchone()
            followed = connection.execute(
                "SELECT height, block_id FROM followed ORDER BY height"
            ).fetchall()
        if line is None:
            raise damaged(self._database.path, "the table line is empty")
        try:
            return KeptLine([row_of(data) for (data,) in rows], line[0], line[1], followed)
        except ValueError as error:
            raise damaged(self._database.path, f"rows: {error}") from error

    def find(self, call: str) -> Row | None:
        """The row of a call, settled or not; None if it never was to be proven."""
        with self._database.reading() as connection:
            question = "SELECT data FROM rows WHERE call = ?"
            found = connection.execute(question, (call,)).fetchone()
        try:
            return None if found is None else row_of(found[0])
        except ValueError as error:
            raise damaged(self._database.path, f"rows: {error}") from error

    def commit(self, step: Step, now_ms: int) -> None:
        """All of a step that is to be kept, in one commit. Only then is the rest of it done.

        Raises sqlite3.IntegrityError if a proof was charged before.
        """
        with self._database.commit() as connection:
            connection.executemany(
                "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (call) DO UPDATE SET "
                "settled_at = excluded.settled_at, data = excluded.data",
                [(row.call, row.settled_at, encode_row(row)) for row in step.keep.values()],
            )
            for charged in step.charges:
                found = connection.execute(
                    "SELECT key, period FROM receipts WHERE call = ?", (charged.call,)
                ).fetchone()
                if found is None:
                    raise damaged(self._database.path, f"call {charged.call} has no promise")
                key, period = found
                release(connection, charged.call)
                charge(connection, charged.call, "proof", key, period, charged.amount, now_ms)
            for call in step.releases:
                release(connection, call)
            if step.followed is not None:
                height, block_id = step.followed
                connection.execute("DELETE FROM followed WHERE height >= ?", (height,))
                if block_id is not None:
                    connection.execute("INSERT INTO followed VALUES (?, ?)", (height, block_id))
                connection.execute(
                    "DELETE FROM followed WHERE height <= ?", (height - FOLLOWED_BLOCKS,)
                )
            connection.execute(
                "UPDATE line SET next_nonce = ?, stopped = ?", (step.next_nonce, step.stopped)
            )

    def follow_from(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """The chain at the first start of all, by height: they hold nothing of the account."""
        with self._database.commit() as connection:
            connection.execute("DELETE FROM followed")
            connection.executemany("INSERT INTO followed VALUES (?, ?)", blocks)

    def why_stopped(self) -> str:
        """Why nothing is signed or served any more, or nothing."""
        with self._database.reading() as connection:
            found: str = connection.execute("SELECT stopped FROM line").fetchone()[0]
        return found

    def resume(self, next_nonce: int | None = None) -> None:
        """The operator's word that what stopped the gateway is mended."""
        with self._database.commit() as connection:
            connection.execute(
                "UPDATE line SET stopped = '', next_nonce = coalesce(?, next_nonce)", (next_nonce,)
            )

    def forget_settled(self, below: int) -> int:
        """Delete rows settled below a height whose receipt was dropped; how many."""
        with self._database.commit() as connection:
            return connection.execute(
                "DELETE FROM rows WHERE settled_at < ? AND call NOT IN "
                "(SELECT call FROM receipts WHERE promise IS NOT NULL)",
                (below,),
            ).rowcount
