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

from collections.abc import Iterable, Mapping
from dataclasses import replace

from esper.gateway import proving_blocks as blocks
from esper.gateway.proving_choice import next_sign, not_signed, pass_time
from esper.gateway.proving_rows import (
    PENDING_LIMIT,
    UNSENT,
    Block,
    Conditions,
    Row,
    Sign,
    Status,
    Step,
    Version,
)
from esper.gateway.proving_table import LineTable


class ProvingLine:
    """All rows that may still change, in the order in which they came."""

    def __init__(
        self, rows: Iterable[Row], next_nonce: int, tip: int, stopped: str = "", forget: int = 1_024
    ) -> None:
        """``forget``: depth from which on no block is undone; settled rows are dropped there."""
        self._table = LineTable(rows, next_nonce, tip, stopped, forget)
        self._signing: Sign | None = None

    @property
    def rows(self) -> Mapping[str, Row]:
        """What may still change by itself, by call, oldest first."""
        return self._table.rows

    @property
    def settled(self) -> Mapping[str, Row]:
        """What only an undone block changes, by call."""
        return self._table.settled

    @property
    def next_nonce(self) -> int:
        """The first nonce never given to a row."""
        return self._table.next_nonce

    @property
    def tip(self) -> int:
        """Height of the last block followed."""
        return self._table.tip

    @property
    def stopped(self) -> str:
        """A code, or nothing: see Step."""
        return self._table.stopped

    def row_of(self, txid: bytes) -> Row | None:
        """The row that a transaction is a version of."""
        return self._table.row(txid)

    def enqueue(self, row: Row) -> None:
        """A call whose promise and row were committed, as ``queued``."""
        self._table.rows[row.call] = row

    def added(self, block: Block) -> Step:
        """The chain has a further block."""
        table = self._table
        table.tip = block.height
        for spent in block.spent:
            blocks.spend(table, spent, block)
            if self._signing is not None and self._signing.nonce == spent.nonce:
                self._signing = None
        for answered in block.answered:
            blocks.answer(table, answered.txid, answered.answer, block)
        for txid in block.lapsed:
            blocks.lapse(table, txid, block)
        blocks.ripen(table)
        return table.done(followed=(block.height, block.block_id))

    def undone(self, height: int, block_id: bytes) -> Step:
        """The chain's last block was taken off."""
        self._table.tip = height - 1
        blocks.undo(self._table, block_id)
        return self._table.done(followed=(height, None))

    def signed(self, sign: Sign, txid: bytes, data: bytes) -> Step:
        """The answer to ``Step.sign``: commit, then send. Too late, it is forgotten unsent."""
        row = self.rows.get(sign.call)
        if self._signing == sign and not self.stopped:
            if sign.cancel:
                row = Row(sign.call, b"", 0, (), 0, 0, cancel=True)
            if row is not None and row.status in UNSENT and row.place is None:
                made = Version(txid, data, sign.nonce, sign.bid, sign.expiry)
                self._table.take(row, sign, made)
        self._signing = None
        return self._table.done()

    def not_signed(self, sign: Sign, now_ms: int, *, is_lost: bool = False) -> Step:
        """``Step.sign`` was not answered: it is asked for again later, and others go first.

        ``is_lost``: it never can be, so its row is given up.
        """
        row = self.rows.get(sign.call)
        if self._signing == sign and row is not None and row.status in UNSENT:
            not_signed(self._table, row, now_ms, is_lost=is_lost)
        self._signing = None
        return self._table.done()

    @property
    def has_put_off(self) -> bool:
        """Whether rows wait because they could not be signed."""
        return bool(self._table.put_off)

    def submitted(self, txid: bytes) -> Step:
        """A mempool has taken what was sent."""
        self._waits(txid)
        return self._table.done()

    def look(self, now: Conditions) -> Step:
        """What is to be done at this tip: give up, sign one, send what no mempool holds."""
        table = self._table
        if now.account_nonce > table.next_nonce:
            table.stop("foreign_nonce")
        if not table.stopped:
            for row in list(table.rows.values()):
                pass_time(table, row, now)
            for txid in now.waiting:
                # It kept what was sent before, or took back what an undone block held.
                self._waits(txid)
            if self._signing is None:
                self._signing = table.step.sign = next_sign(table, now)
            table.step.sends = [
                version
                for row in table.holding(now.account_nonce)[:PENDING_LIMIT]
                if (version := row.versions[-1]).expiry > table.tip
                and version.txid not in now.waiting
            ]
        return table.done()

    def _waits(self, txid: bytes) -> None:
        row = self._table.row(txid)
        if row is not None and row.status in {Status.SIGNED, Status.REORGANISED}:
            self._table.keep(replace(row, status=Status.SUBMITTED))
