"""Which receipts are to be made, made again or taken away: decisions alone."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from esper.gateway.proving_rows import Row, Status, Step
from esper.receipts.parts import BURIED

ANCHORED_ABOVE: Final = 2 * BURIED
"""Blocks above an answer's own at which its receipt gets an anchor that nobody takes back."""
FIRST_REST_S: Final = 5.0
"""Of a row that failed; twice as long after each further time."""
LONGEST_REST_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Made:
    """What a kept receipt is of."""

    block_id: bytes = b""
    """64 bytes: the block that holds the answer; empty: only the promise is kept."""
    anchor: tuple[int, bytes] | None = None
    """Height and id of its anchor, while that is in the chain."""


class ReceiptPlan:
    """Rows whose receipts are to be looked at, and what is known of them."""

    def __init__(self, forget: int) -> None:
        """``forget``: depth from which on no block is undone."""
        self._forget = forget
        self._tip = 0
        self._rows: dict[str, Row] = {}
        self._waiting: dict[str, Row] = {}
        self._told: dict[str, Status] = {}
        self._tried: set[str] = set()
        self._resting: dict[str, tuple[Row, float]] = {}
        self._failures: dict[str, int] = {}
        self._given_up: dict[str, bytes] = {}
        self.lacking: dict[str, str] = {}
        """Why calls that are proven have no receipt and get none, a word for each."""
        self.made: dict[str, Made] = {}
        """What is kept, by call, as far as it was read."""

    def start(self, rows: Iterable[Row], lacking: Mapping[str, str]) -> None:
        """All rows of the line, as they were kept, and by call what was said to be lacking.

        Whether it still is shows once each is tried again: a word does not say of which block it
        was, and another may hold the answer by now. It stands until then.
        """
        for row in rows:
            # Of one that nobody can read nothing is known, so its receipt stays as it is.
            if row.model_id and row.status is not Status.QUEUED:
                self._rows[row.call] = self._waiting[row.call] = row
                self._told[row.call] = row.status
        self.lacking = {call: why for call, why in lacking.items() if call in self._rows}

    def take(self, step: Step) -> bool:
        """A step was kept; whether there is something to do."""
        for row in step.keep.values():
            if not row.cancel:
                self._rows[row.call] = row
                # At the end, where a newer row of a call belongs.
                self._waiting.pop(row.call, None)
                self._waiting[row.call] = row
                self._rested(row.call)
        if step.followed is not None:
            height, block_id = step.followed
            if block_id is None:
                self._undone(height)
            else:
                self._added(height)
        return bool(self._waiting)

    def next(self) -> Row | None:
        """The row to be looked at next."""
        return next(iter(self._waiting.values()), None)

    def seen_to(self, row: Row) -> None:
        """It was looked at. A newer row that came meanwhile still waits."""
        self._failures.pop(row.call, None)
        if self._waiting.get(row.call) is row:
            del self._waiting[row.call]

    def failed(self, row: Row, now_s: float) -> None:
        """Looking at it failed: it rests, and others go on."""
        if self._waiting.get(row.call) is row:
            del self._waiting[row.call]
            failures = self._failures.get(row.call, 0)
            # Beyond the longest rest the power does not matter, and it would grow for ever.
            rest_s = min(FIRST_REST_S * (1 << min(failures, 16)), LONGEST_REST_S)
            self._failures[row.call] = failures + 1
            self._resting[row.call] = row, now_s + rest_s

    @property
    def has_failed(self) -> bool:
        """Whether any row rests."""
        return bool(self._failures)

    def wake(self, now_s: float) -> float:
        """Rows that have rested wait again; when the next has, infinity if none rests."""
        for call, (row, until_s) in list(self._resting.items()):
            if until_s <= now_s:
                del self._resting[call]
                self._waiting[call] = row
        return min((until_s for _, until_s in self._resting.values()), default=math.inf)

    def lacks(self, row: Row, why: str) -> None:
        """No receipt of it will ever be made, as long as it is the same block that holds it."""
        self.lacking[row.call] = why
        if row.result is not None:
            self._given_up[row.call] = row.result.block_id

    def wants(self, row: Row, made: Made) -> bool:
        """Whether the receipt of a proven row is to be made."""
        if row.result is None:
            return True
        if self._given_up.get(row.call) == row.result.block_id:
            return False
        if made.block_id != row.result.block_id:
            return True
        return self._wants_anchor(row, made)

    def stored(self, row: Row, made: Made) -> None:
        """Its receipt was made and kept."""
        self.made[row.call] = made
        self._lacks_nothing(row.call)
        if self._wants_anchor(row, made):
            # The chain had what it takes and could not: asking again at each block is of no use.
            self._tried.add(row.call)

    def unmade(self, row: Row) -> None:
        """Its receipt was taken away."""
        self.made[row.call] = Made()
        self._lacks_nothing(row.call)

    def is_news(self, row: Row) -> bool:
        """Whether a row's status was not told before."""
        return self._told.get(row.call) is not row.status

    def told(self, row: Row) -> None:
        """It was told."""
        self._told[row.call] = row.status

    def _wants_anchor(self, row: Row, made: Made) -> bool:
        deep = row.result is not None and self._tip >= row.result.height + ANCHORED_ABOVE
        return deep and made.anchor is None and row.call not in self._tried

    def _added(self, height: int) -> None:
        self._tip = height
        for call, row in list(self._rows.items()):
            if row.settled_at is not None and row.settled_at < height - self._forget:
                for known in (self._rows, self.made, self._told):
                    known.pop(call, None)
                self._lacks_nothing(call)
                self._tried.discard(call)
                self._rested(call)
            elif call in self._resting:
                continue
            elif row.status in (Status.PROVEN, Status.FINAL):
                made = self.made.get(call)
                if made is not None and row.disagreed is None and self.wants(row, made):
                    self._waiting[call] = row

    def _lacks_nothing(self, call: str) -> None:
        self.lacking.pop(call, None)
        self._given_up.pop(call, None)

    def _rested(self, call: str) -> None:
        self._resting.pop(call, None)
        self._failures.pop(call, None)

    def _undone(self, height: int) -> None:
        self._tip = height - 1
        for call, made in self.made.items():
            if made.anchor is not None and made.anchor[0] >= height:
                self.made[call] = replace(made, anchor=None)
                self._tried.discard(call)
