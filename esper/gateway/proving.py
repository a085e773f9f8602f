"""Calls on their way into the chain, as decisions alone.

```
queued -- signed - submitted -- lapsed: same nonce, bid x 2 -- signed | unproven
   |                  | inline       +- lane: open - lapsed six deep: queued once, with a new nonce
unproven          proven (1) -- block undone: reorganised, sent again
                      | 5 blocks more
                  final (6)
```
Nothing is paid twice because a call has one nonce at a time, and the chain takes a nonce once: a
call is given another only when the old one was used up six deep, by another row or by a lane that
lapsed. Events go in, a ``Step`` comes out, which is committed before anything of it is done. After
a failed commit the line is thrown away and made again from what is kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from esper.gateway.proving_rows import (
    DEEP_BLOCKS,
    EXPIRY_BLOCKS,
    PENDING_LIMIT,
    QUEUE_MS,
    RAISES,
    Alarm,
    Block,
    Charge,
    Conditions,
    Place,
    Row,
    Sign,
    Status,
    Step,
    Version,
)

UNSENT = frozenset({Status.QUEUED, Status.LAPSED})


class ProvingLine:
    """All rows that may still change, in the order in which they came."""

    def __init__(
        self, rows: Iterable[Row], next_nonce: int, tip: int, stopped: str = "", forget: int = 1_024
    ) -> None:
        """``forget``: depth from which on no block is undone; settled rows are dropped there."""
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
        self._forget = forget
        self._signing: Sign | None = None
        self._of_txid = {v.txid: row.call for row in kept for v in row.versions}
        self._step = Step()

    # Events

    def enqueue(self, row: Row) -> None:
        """A call whose promise and row were committed, as ``queued``."""
        self.rows[row.call] = row

    def added(self, block: Block) -> Step:
        """The chain has a further block."""
        self.tip = block.height
        for spent in block.spent:
            self._spend(spent.txid, spent.nonce, block)
        for answered in block.answered:
            self._answer(answered.txid, answered.answer, block)
        for txid in block.lapsed:
            self._at(
                txid, lambda row, place: replace(row, status=Status.LAPSED, lapse=place), block
            )
        self._ripen()
        return self._done(followed=(block.height, block.block_id))

    def undone(self, height: int, block_id: bytes) -> Step:
        """The chain's last block was taken off."""
        self.tip = height - 1
        for row in (*self.rows.values(), *self.settled.values()):
            if row.lapse is not None and row.lapse.block_id == block_id:
                row = replace(row, lapse=None, status=Status.OPEN)
            if row.result is not None and row.result.block_id == block_id:
                if row.status is Status.FINAL:
                    self._step.alarms.append(Alarm("final_undone", row.call))
                row = replace(row, result=None, status=Status.OPEN, settled_at=None)
            if row.place is not None and row.place.block_id == block_id:
                # Given up before: its nonce may be another's by now.
                back = Status.UNPROVEN if row.reason else Status.REORGANISED
                row = replace(row, place=None, status=back, settled_at=None)
            self._keep(row)
        return self._done(followed=(height, None))

    def signed(self, sign: Sign, txid: bytes, data: bytes) -> Step:
        """The answer to ``Step.sign``: commit, then send. Too late, it is forgotten unsent."""
        row = self.rows.get(sign.call)
        if self._signing == sign and not self.stopped:
            if sign.cancel:
                row = Row(sign.call, b"", 0, (), 0, 0, cancel=True)
            if row is not None and row.status in UNSENT and row.place is None:
                self._take(row, sign, Version(txid, data, sign.nonce, sign.bid, sign.expiry))
        self._signing = None
        return self._done()

    def not_signed(self, sign: Sign) -> Step:
        """``Step.sign`` was not answered; it is asked for again at the next look."""
        if self._signing == sign:
            self._signing = None
        return self._done()

    def submitted(self, txid: bytes) -> Step:
        """A mempool has taken what was sent."""
        row = self._row(txid)
        if row is not None and row.status in {Status.SIGNED, Status.REORGANISED}:
            self._keep(replace(row, status=Status.SUBMITTED))
        return self._done()

    def look(self, now: Conditions) -> Step:
        """What is to be done at this tip: give up, sign one, send what no mempool holds."""
        if now.account_nonce > self.next_nonce:
            self._stop("foreign_nonce")
        if not self.stopped:
            for row in list(self.rows.values()):
                self._pass_time(row, now)
            if self._signing is None:
                self._signing = self._step.sign = self._next_sign(now)
            self._step.sends = [
                version
                for row in self._holding(now.account_nonce)[:PENDING_LIMIT]
                if (version := row.versions[-1]).expiry > self.tip
                and version.txid not in now.waiting
            ]
        return self._done()

    # What a block brings

    def _spend(self, txid: bytes, nonce: int, block: Block) -> None:
        row = self._row(txid)
        if self._signing is not None and self._signing.nonce == nonce:
            self._signing = None
        if row is None:
            self._stop("foreign_nonce")
        elif row.place is not None:
            self._step.alarms.append(Alarm("spent_twice", row.call))
        else:
            status = Status.PROVEN if row.cancel else Status.OPEN
            place = Place(block.height, block.block_id, txid)
            result = place if row.cancel else None
            self._keep(replace(row, status=status, place=place, result=result, settled_at=None))

    def _answer(self, txid: bytes, answer: tuple[int, ...], block: Block) -> None:
        def proven(row: Row, place: Place) -> Row:
            row = replace(row, status=Status.PROVEN, result=place)
            if answer == row.answer:
                return row
            self._stop("engine_disagrees", row.call)
            return replace(row, disagreed=answer)

        self._at(txid, proven, block)

    def _at(self, txid: bytes, change: Callable[[Row, Place], Row], block: Block) -> None:
        row = self._row(txid)
        if row is not None and row.place is not None and row.place.txid == txid:
            self._keep(change(row, Place(block.height, block.block_id, txid)))

    def _ripen(self) -> None:
        spent = {
            version.nonce: row
            for row in self.rows.values()
            if row.place is not None and self._deep(row.place)
            for version in row.versions
            if version.txid == row.place.txid
        }
        for row in list(self.rows.values()):
            if row.status is Status.PROVEN and self._deep(row.result):
                self._finish(row)
            elif row.lapse is not None and self._deep(row.lapse):
                row = replace(row, lapse=None, place=None, nonce=None, lanes=row.lanes + 1)
                # A second lapse would not be the last, and each holds credits for a long time.
                if row.lanes == 1 and not row.reason:
                    self._requeue(row)
                else:
                    self._give_up(row, "lane_lapsed")
            elif row.place is None and row.nonce in spent:
                # Another has used its nonce up for good: all its versions are dead.
                row = replace(row, nonce=None)
                if row.reason or row.cancel:
                    self._give_up(row, row.reason or "lapsed")
                else:
                    self._requeue(row)
            elif row.status is Status.UNPROVEN and self._dead(row):
                self._give_up(replace(row, nonce=None), row.reason)
        for row in list(self.settled.values()):
            if row.settled_at is None or row.settled_at > self.tip - self._forget:
                break
            del self.settled[row.call]
            for version in row.versions:
                self._of_txid.pop(version.txid, None)

    def _finish(self, row: Row) -> None:
        assert row.place is not None
        bids = {version.txid: version.bid for version in row.versions}
        charge = not row.cancel and not row.charged and row.disagreed is None
        if charge:
            # The commit that charges takes the reservation away with it.
            self._step.charges.append(Charge(row.call, row.cost(bids[row.place.txid])))
        elif not row.cancel and not row.released:
            self._step.releases.append(row.call)
        self._keep(
            replace(
                row,
                status=Status.FINAL,
                charged=row.charged or charge,
                released=True,
                reason="",
                settled_at=self.tip,
            )
        )

    # What time brings

    def _pass_time(self, row: Row, now: Conditions) -> None:
        if row.status is Status.QUEUED:
            if row.model_id not in now.models:
                self._give_up(row, "model_changed")
            elif now.now_ms - row.queued_at_ms >= QUEUE_MS:
                self._give_up(row, self._hindrance(row, now) or "expired")
        elif row.holds_nonce and row.nonce is not None and row.nonce >= now.account_nonce:
            newest = row.versions[-1]
            if newest.expiry > self.tip:
                if row.status is Status.LAPSED:
                    # Blocks were undone: it may be taken again.
                    self._keep(replace(row, status=Status.REORGANISED))
                return
            bid = 2 * newest.bid
            row = self._keep(replace(row, status=Status.LAPSED))
            if row.cancel or row.raised >= RAISES:
                self._give_up(row, "lapsed")
            elif row.model_id not in now.models:
                self._give_up(row, "model_changed")
            elif bid > row.max_price:
                self._give_up(row, "price")
            elif not self._affords(row, bid, now):
                self._give_up(row, "credits")

    def _next_sign(self, now: Conditions) -> Sign | None:
        ends = [self.tip + EXPIRY_BLOCKS]
        if now.rotation_at is not None and now.rotation_at > self.tip:
            ends.append(now.rotation_at - 1)
        expiry = min(ends)
        if expiry <= self.tip:
            return None
        holding = self._holding(now.account_nonce)
        lapsed = [row for row in holding if row.status is Status.LAPSED]
        if lapsed:
            row = lapsed[0]
            assert row.nonce is not None
            return Sign(row.call, False, row.nonce, 2 * row.versions[-1].bid, expiry)
        if len(holding) >= PENDING_LIMIT:
            return None
        taken = {row.nonce for row in holding}
        nonce = next(n for n in range(now.account_nonce, self.next_nonce + 1) if n not in taken)
        for row in self.rows.values():
            if row.status is Status.QUEUED and not self._hindrance(row, now):
                return Sign(row.call, False, nonce, now.suggested_bid, expiry)
        if any(row.nonce is not None and row.nonce > nonce for row in holding):
            # A gap that no call fills: what lies behind it would never be taken.
            tries = sum(row.cancel for row in (*self.rows.values(), *self.settled.values()))
            return Sign(f"cancel-{nonce}-{self.tip}-{tries}", True, nonce, 0, expiry)
        return None

    def _hindrance(self, row: Row, now: Conditions) -> str:
        if now.suggested_bid > row.max_price:
            return "price"
        return "" if self._affords(row, now.suggested_bid, now) else "credits"

    def _affords(self, row: Row, bid: int, now: Conditions) -> bool:
        waiting = sum(
            other.cost(other.versions[-1].bid)
            for other in self._holding(now.account_nonce)
            if other.call != row.call
        )
        return waiting + row.cost(bid) <= min(now.credits, now.rate_left)

    # Rows

    def _row(self, txid: bytes) -> Row | None:
        call = self._of_txid.get(txid, "")
        return self.rows.get(call) or self.settled.get(call)

    def _holding(self, account_nonce: int) -> list[Row]:
        """Rows that wait for a block with a nonce not used up, in order of nonces."""
        found = [row for row in self.rows.values() if row.holds_nonce]
        found = [row for row in found if row.nonce is not None and row.nonce >= account_nonce]
        return sorted(found, key=lambda row: row.nonce or 0)

    def _deep(self, place: Place | None) -> bool:
        return place is not None and self.tip - place.height + 1 >= DEEP_BLOCKS

    def _dead(self, row: Row) -> bool:
        """Whether no branch that may come can hold any of its versions."""
        newest = max((version.expiry for version in row.versions), default=0)
        return row.place is None and newest <= self.tip - DEEP_BLOCKS

    def _take(self, row: Row, sign: Sign, version: Version) -> None:
        raised = row.raised + 1 if row.status is Status.LAPSED else 0
        self._keep(
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
        self._step.sends.append(version)

    def _requeue(self, row: Row) -> None:
        self._keep(replace(row, status=Status.QUEUED, raised=0))

    def _give_up(self, row: Row, reason: str) -> None:
        """The reservation stays while a version may still be taken: it would have to be paid."""
        free = row.nonce is None or not row.versions
        if free and not row.released and not row.cancel:
            self._step.releases.append(row.call)
        self._keep(
            replace(
                row,
                status=Status.UNPROVEN,
                reason=reason,
                released=row.released or free,
                settled_at=self.tip if free else None,
            )
        )

    def _keep(self, row: Row) -> Row:
        old = self.rows.get(row.call) or self.settled.get(row.call)
        if old != row:
            self._step.keep[row.call] = row
            here, there = self.rows, self.settled
            if row.settled_at is not None:
                here, there = there, here
            there.pop(row.call, None)
            here[row.call] = row
        return row

    def _stop(self, code: str, call: str = "") -> None:
        if self.stopped != code:
            self._step.alarms.append(Alarm(code, call))
        self.stopped = code

    def _done(self, followed: tuple[int, bytes | None] | None = None) -> Step:
        step, self._step = self._step, Step()
        step.followed, step.next_nonce, step.stopped = followed, self.next_nonce, self.stopped
        return step
