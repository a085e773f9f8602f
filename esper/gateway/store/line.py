"""Calls on their way into the chain, as the database holds them."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from esper.gateway.proving_rows import Charge, Row, Step, encode_row
from esper.gateway.store.budget import charge, release
from esper.gateway.store.database import Database
from esper.gateway.store.errors import damaged
from esper.gateway.store.kept_rows import put_aside, sound_row

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
    damaged: list[str] = field(default_factory=list)
    """Calls whose rows nobody can read: among ``rows`` others stand for them, given up."""


@dataclass(frozen=True, slots=True)
class NotBooked:
    """What of a step contradicts the books: the rest of it was kept all the same."""

    call: str
    reason: str
    """A sentence."""


class LineStore:
    """Rows and what belongs to them, changed a step at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, settled_since: int) -> KeptLine:
        """All rows but those settled before a height: below it no block is undone.

        A row that cannot be read does not keep the others from their way; see ``put_aside``.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT call, data FROM rows WHERE settled_at IS NULL OR settled_at >= ? "
                "ORDER BY rowid",
                (settled_since,),
            ).fetchall()
            line = connection.execute("SELECT next_nonce, stopped FROM line").fetchone()
            followed = connection.execute(
                "SELECT height, block_id FROM followed ORDER BY height"
            ).fetchall()
        if line is None:
            raise damaged(self._database.path, "the table line is empty")
        tip = followed[-1][0] if followed else settled_since
        lost: list[str] = []
        kept = [_row(call, data, tip, lost) for call, data in rows]
        return KeptLine(kept, line[0], line[1], followed, lost)

    def put_aside(self, calls: Sequence[str], height: int) -> None:
        """Rows that cannot be read are over at a tip's height; what they reserved falls back.

        Their bytes stay as they are.
        """
        with self._database.commit() as connection:
            for call in calls:
                connection.execute(
                    "UPDATE rows SET settled_at = ? WHERE call = ? AND settled_at IS NULL",
                    (height, call),
                )
                release(connection, call)

    def find(self, call: str) -> Row | None:
        """The row of a call, settled or not; None if it never was to be proven."""
        with self._database.reading() as connection:
            question = "SELECT data, coalesce(settled_at, 0) FROM rows WHERE call = ?"
            found = connection.execute(question, (call,)).fetchone()
        if found is None:
            return None
        data, settled_at = found
        return _row(call, data, settled_at, [])

    def commit(self, step: Step, now_ms: int) -> list[NotBooked]:
        """All of a step that is to be kept, in one commit. Only then is the rest of it done.

        What the books refuse is left out and told, such as a proof that was charged before: the
        chain goes on whatever they say, and others wait behind a call.
        """
        refused: list[NotBooked] = []

        def book(call: str, work: Callable[[], None]) -> None:
            connection.execute("SAVEPOINT booked")
            try:
                work()
            except (sqlite3.IntegrityError, LookupError) as error:
                connection.execute("ROLLBACK TO booked")
                refused.append(NotBooked(call, str(error)))
            connection.execute("RELEASE booked")

        with self._database.commit() as connection:
            connection.executemany(
                "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (call) DO UPDATE SET "
                "settled_at = excluded.settled_at, data = excluded.data",
                [(row.call, row.settled_at, encode_row(row)) for row in step.keep.values()],
            )
            for charged in step.charges:
                book(charged.call, partial(release, connection, charged.call))
                book(charged.call, partial(_charge, connection, charged, now_ms))
            for call in step.releases:
                book(call, partial(release, connection, call))
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
        return refused

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


def _row(call: str, data: bytes, tip: int, lost: list[str]) -> Row:
    """A kept row, or what stands for one that cannot be read; that is noted in ``lost``."""
    try:
        return sound_row(call, data)
    except ValueError:
        lost.append(call)
        return put_aside(call, tip)


def _charge(connection: sqlite3.Connection, charged: Charge, now_ms: int) -> None:
    """Raises LookupError for a call without a promise, sqlite3.IntegrityError for a second time."""
    found = connection.execute(
        "SELECT key, period FROM receipts WHERE call = ?", (charged.call,)
    ).fetchone()
    if found is None:
        raise LookupError("it has no promise")
    key, period = found
    charge(connection, charged.call, "proof", key, period, charged.amount, now_ms)
