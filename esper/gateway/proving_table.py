"""All rows that may still change, and the step that an event makes of them."""

from collections.abc import Iterable
from dataclasses import replace

from esper.gateway.proving_put_off import PutOff
from esper.gateway.proving_rows import (
    DEEP_BLOCKS,
    UNSENT,
    Alarm,
    Place,
    Row,
    Sign,
    Status,
    Step,
    Version,
)


class LineTable:
    """Rows in the order in which they came. ``done`` ends an event and gives its step."""

    def __init__(
        self, rows: Iterable[Row], next_nonce: int, tip: int, stopped: str, forget: int
    ) -> None:
        kept = list(rows)
        self.rows = {row.call: row for row in kept if row.settled_at is None}
        """What may still change by itself, oldest first."""
        self.settled = {row.call: row for row in kept if row.settled_at is not None}
        """What only an undone block changes."""
        self.next_nonce = next_nonce
        self.tip = tip
        """Height of the last block followed."""
        self.stopped = stopped
        """A code, or nothing: see Step."""
        self.step = Step()
        """What the event at hand has led to so far."""
        self.put_off = PutOff()
        """Rows that could not be signed: others go first meanwhile."""
        self._forget = forget
        self._of_txid = {v.txid: row.call for row in kept for v in row.versions}

    def row(self, txid: bytes) -> Row | None:
        """The row that a transaction is a version of."""
        call = self._of_txid.get(txid, "")
        return self.rows.get(call) or self.settled.get(call)

    def holding(self, account_nonce: int) -> list[Row]:
        """Rows that wait for a block with a nonce not used up, in order of nonces."""
        found = [row for row in self.rows.values() if row.holds_nonce]
        found = [row for row in found if row.nonce is not None and row.nonce >= account_nonce]
        return sorted(found, key=lambda row: row.nonce or 0)

    def deep(self, place: Place | None) -> bool:
        """Whether a place is so deep that it stays."""
        return place is not None and self.tip - place.height + 1 >= DEEP_BLOCKS

    def dead(self, row: Row) -> bool:
        """Whether no branch that may come can hold any of its versions."""
        newest = max((version.expiry for version in row.versions), default=0)
        return row.place is None and newest <= self.tip - DEEP_BLOCKS

    def take(self, row: Row, sign: Sign, version: Version) -> None:
        """A row has a further version, to be sent."""
        raised = row.raised + 1 if row.status is Status.LAPSED else 0
        self.keep(
            replace(
                row,
                status=Status.SIGNED,
                nonce=sign.nonce,
                versions=(*row.versions, version),
                raised=raised,
            )
        )
        self._of_txid[version.txid] = row.call
        self.next_nonce = max(self.next_nonce, sign.nonce + 1)
        self.step.sends.append(version)

    def requeue(self, row: Row) -> None:
        """It waits to be signed, with a nonce yet to be given."""
        self.keep(replace(row, status=Status.QUEUED, raised=0))

    def give_up(self, row: Row, reason: str) -> None:
        """The reservation stays while a version may still be taken: it would have to be paid."""
        free = row.nonce is None or not row.versions
        if free and not row.released and not row.cancel:
            self.step.releases.append(row.call)
        self.keep(
            replace(
                row,
                status=Status.UNPROVEN,
                reason=reason,
                released=row.released or free,
                settled_at=self.tip if free else None,
            )
        )

    def keep(self, row: Row) -> Row:
        """A row as it is now."""
        old = self.rows.get(row.call) or self.settled.get(row.call)
        if row.status not in UNSENT:
            # Signed, given up, or an older version of it is in a block.
            self.put_off.forget(row.call)
        if old != row:
            self.step.keep[row.call] = row
            here, there = self.rows, self.settled
            if row.settled_at is not None:
                here, there = there, here
            there.pop(row.call, None)
            here[row.call] = row
        return row

    def forget_deep(self) -> None:
        """Drop what was settled so deep that no block of that time is undone."""
        for row in list(self.settled.values()):
            if row.settled_at is None or row.settled_at > self.tip - self._forget:
                break
            del self.settled[row.call]
            for version in row.versions:
                self._of_txid.pop(version.txid, None)

    def stop(self, code: str, call: str = "") -> None:
        """Nothing is signed any more; the operator is told once."""
        if self.stopped != code:
            self.step.alarms.append(Alarm(code, call))
        self.stopped = code

    def done(self, followed: tuple[int, bytes | None] | None = None) -> Step:
        """The step of the event that ends."""
        step, self.step = self.step, Step()
        step.followed, step.next_nonce, step.stopped = followed, self.next_nonce, self.stopped
        return step
