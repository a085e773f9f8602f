"""How long the books are kept: ledger and periods by the age of their rows, usage by days.

What a key spent in a period stands in the period's own sum, so no budget changes when the rows
behind it go. A row of the ledger stays as long as anything of its call does: it is what keeps a
proof from being charged a second time.
"""

from dataclasses import dataclass
from typing import Final

from esper.gateway.store.budget import DAY_MS
from esper.gateway.store.database import Database

AT_ONCE: Final = 5_000
"""Rows that one commit drops of a table."""


@dataclass(frozen=True, slots=True)
class BookAges:
    """How long the books are kept, days."""

    ledger_days: int = 40
    """A charge, and a period's sum once the period is over."""
    usage_days: int = 400
    """What a key used on a day: more than anybody can ask for, which is 366."""


_LEDGER: Final = """
DELETE FROM ledger WHERE rowid IN (
    SELECT rowid FROM ledger INDEXED BY ledger_by_time WHERE at_ms <= :before
    AND NOT EXISTS (SELECT 1 FROM receipts WHERE receipts.call = ledger.call)
    AND NOT EXISTS (SELECT 1 FROM rows WHERE rows.call = ledger.call)
    AND NOT EXISTS (SELECT 1 FROM reservations WHERE reservations.call = ledger.call)
    ORDER BY at_ms LIMIT :most)
"""
_PERIODS: Final = """
DELETE FROM periods WHERE (key, period) IN (
    SELECT periods.key, periods.period FROM periods JOIN keys ON keys.id = periods.key
    WHERE periods.period < :before / keys.period_ms
    AND NOT EXISTS (
        SELECT 1 FROM reservations
        WHERE reservations.key = periods.key AND reservations.period = periods.period)
    LIMIT :most)
"""
_USAGE: Final = """
DELETE FROM usage WHERE (key, day) IN (SELECT key, day FROM usage WHERE day <= :day LIMIT :most)
"""


class OldBooks:
    """Rows of the books that nobody asks for any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def drop(self, now_ms: int, ages: BookAges, most: int = AT_ONCE) -> int:
        """Drop what is old, at most so many rows of each table; how many. Call it again if many."""
        before = now_ms - ages.ledger_days * DAY_MS
        values = {"before": before, "day": now_ms // DAY_MS - ages.usage_days, "most": most}
        with self._database.commit() as connection:
            found = [connection.execute(one, values) for one in (_LEDGER, _PERIODS, _USAGE)]
            return sum(one.rowcount for one in found)
