"""Promises and proofs, and how long they are kept."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from esper.gateway.proving_rows import Row, encode_row
from esper.gateway.store.budget import charge, count_request, release, reserve
from esper.gateway.store.database import Database

PROMISE_MS: Final = 24 * 3600 * 1000
PROVEN_MS: Final = 7 * 24 * 3600 * 1000
KEPT_BYTES: Final = 1 << 30
DROPPED_MS: Final = 30 * 24 * 3600 * 1000
"""How long a dropped one is told from one that never was."""


@dataclass(frozen=True, slots=True)
class Instant:
    """An answer at the moment at which it is signed."""

    call: str
    """The receipt's id: 32 hex digits."""
    key: str
    """Whose request it was."""
    promise: bytes
    """The signed receipt."""
    serve: int
    """Micro-credits for the answer."""
    proof: int
    """Micro-credits that stay reserved for a proof: max_price (p + 4a). 0 without ``row``."""
    prompt_tokens: int
    answer_tokens: int
    answer: bytes
    """What a repeat of the request gets, from this commit on."""
    row: Row | None = None
    """If it is to be proven."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt. Neither part is there once it was dropped."""

    key: str
    """Whose it is: to all others it does not exist."""
    at_ms: int
    promise: bytes | None
    proof: bytes | None
    lacking: str = ""
    """Why a call that the chain has proven has no receipt of it: too_large, damaged; or nothing."""


class Late(Enum):
    """What became of the wish to have a promise proven."""

    QUEUED = "queued"
    KNOWN = "known"
    """It has a row: on its way, proven, or given up for good."""
    OVER_BUDGET = "over budget"
    DROPPED = "dropped"
    """Its promise was kept for its time: a row without one could never be signed."""


class NoReservationError(Exception):
    """An answer whose request reserved nothing, or less than it costs: nothing was charged."""


class Receipts:
    """Promises and proofs by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def promise(self, instant: Instant, now_ms: int) -> None:
        """Promise, row, charge and the repeats' answer, in one commit. Then the last chunk goes.

        The charge belongs to the period of the reservation. Raises NoReservationError, and
        sqlite3.IntegrityError for a second time.
        """
        with self._database.commit() as connection:
            held = connection.execute(
                "SELECT period, amount FROM reservations WHERE call = ? AND key = ?",
                (instant.call, instant.key),
            ).fetchone()
            left = instant.proof if instant.row is not None else 0
            if held is None or instant.serve + left > held[1]:
                raise NoReservationError(f"call {instant.call} reserved less than it costs")
            connection.execute(
                "INSERT INTO receipts (call, key, period, at_ms, promise) VALUES (?, ?, ?, ?, ?)",
                (instant.call, instant.key, held[0], now_ms, instant.promise),
            )
            charge(connection, instant.call, "serve", instant.key, held[0], instant.serve, now_ms)
            count_request(
                connection, instant.key, instant.prompt_tokens, instant.answer_tokens, now_ms
            )
            if instant.row is None:
                release(connection, instant.call)
            else:
                connection.execute(
                    "UPDATE reservations SET amount = ? WHERE call = ?", (left, instant.call)
                )
                connection.execute(
                    "INSERT INTO rows VALUES (?, NULL, ?)", (instant.call, encode_row(instant.row))
                )
            connection.execute(
                "UPDATE repeats SET answer = ? WHERE call = ?", (instant.answer, instant.call)
            )

    def prove_later(self, row: Row, key: str, amount: int, now_ms: int) -> Late:
        """Have a promise proven that was not to be: row and reservation, in one commit.

        The charge then belongs to the period of this reservation.
        """
        with self._database.commit() as connection:
            known = connection.execute("SELECT 1 FROM rows WHERE call = ?", (row.call,)).fetchone()
            if known is not None:
                return Late.KNOWN
            kept = connection.execute(
                "SELECT 1 FROM receipts WHERE call = ? AND promise IS NOT NULL", (row.call,)
            ).fetchone()
            if kept is None:
                return Late.DROPPED
            if not reserve(connection, row.call, key, amount, now_ms):
                return Late.OVER_BUDGET
            connection.execute(
                "UPDATE receipts SET period = "
                "(SELECT period FROM reservations WHERE reservations.call = receipts.call) "
                "WHERE call = ?",
                (row.call,),
            )
            connection.execute("INSERT INTO rows VALUES (?, NULL, ?)", (row.call, encode_row(row)))
        return Late.QUEUED

    def store_proof(self, call: str, proof: bytes | None, now_ms: int) -> bool:
        """Put a proof to its promise, or take one away that a reorganisation made worthless.

        A proof that takes the place of another, such as one with its anchor, is not kept the
        longer for it. False if there is no such promise any more.
        """
        with self._database.commit() as connection:
            changed = connection.execute(
                "UPDATE receipts SET proof = :proof, lacking = NULL, "
                "proven_ms = iif(:proof IS NULL, NULL, coalesce(proven_ms, :now)) "
                "WHERE call = :call AND promise IS NOT NULL",
                {"proof": proof, "now": now_ms, "call": call},
            )
            return changed.rowcount == 1

    def note_lacking(self, call: str, why: str) -> None:
        """The chain has proven it, and no receipt of that can be made: the promise stays."""
        with self._database.commit() as connection:
            connection.execute("UPDATE receipts SET lacking = ? WHERE call = ?", (why, call))

    def lacking(self) -> dict[str, str]:
        """What was noted so and stands, by call."""
        with self._database.reading() as connection:
            question = "SELECT call, lacking FROM receipts WHERE lacking IS NOT NULL"
            return dict(connection.execute(question).fetchall())

    def find(self, call: str) -> Kept | None:
        """A receipt; None if there never was one, or it was dropped long ago."""
        with self._database.reading() as connection:
            question = (
                "SELECT key, at_ms, promise, proof, coalesce(lacking, '') FROM receipts "
                "WHERE call = ?"
            )
            found = connection.execute(question, (call,)).fetchone()
        return None if found is None else Kept(*found)

    def bytes_kept(self) -> int:
        """Bytes of all promises and proofs."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT sum(length(promise) + coalesce(length(proof), 0)) FROM receipts"
            )
            return found.fetchone()[0] or 0

    def drop_old(self, now_ms: int, limit: int = KEPT_BYTES) -> int:
        """Drop what is too old, then the oldest above ``limit`` bytes; how many.

        What is still on its way into the chain stays, however old: nothing else holds its text.
        """
        with self._database.commit() as connection:
            rows = connection.execute(
                "SELECT call, coalesce(proven_ms, at_ms), proof IS NOT NULL, "
                "length(promise) + coalesce(length(proof), 0) FROM receipts "
                "WHERE promise IS NOT NULL AND call NOT IN "
                "(SELECT call FROM rows WHERE settled_at IS NULL) "
                "ORDER BY coalesce(proven_ms, at_ms)"
            ).fetchall()
            total = self.bytes_kept()
            gone = []
            for call, since, proven, size in rows:
                if since <= now_ms - (PROVEN_MS if proven else PROMISE_MS) or total > limit:
                    gone.append((call,))
                    total -= size
            connection.executemany(
                "UPDATE receipts SET promise = NULL, proof = NULL WHERE call = ?", gone
            )
            connection.execute(
                "DELETE FROM receipts WHERE promise IS NULL AND at_ms <= ?", (now_ms - DROPPED_MS,)
            )
        return len(gone)
