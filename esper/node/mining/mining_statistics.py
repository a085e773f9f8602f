"""How mining goes, in numbers for people."""

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Final

WINDOW_MS: Final = 30_000
"""Rates are of the last so many milliseconds of searching."""
KEPT_PROOFS: Final = 32


@dataclass(frozen=True, slots=True)
class MiningRates:
    """What ``MiningStatistics`` knows at one moment."""

    attempts_per_second: float
    """Batches answered and compared with the target."""
    tokens_per_second: float
    """Rows of the model computed."""
    proof_ms: int
    """Median of the last proofs of tickets, 0 before the first."""
    found: int
    """Blocks that joined the chain."""
    stale: int
    """Tickets and blocks of ours that another block overtook."""
    calls_answered: int
    """Calls whose answers are in blocks that were found."""
    attempts_ever: int
    """Batches that were answered since the start."""

    @property
    def stale_per_mille(self) -> int:
        """Stale ones among all that were found."""
        total = self.found + self.stale
        return 1000 * self.stale // total if total else 0


class MiningStatistics:
    """Counts what happens."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int, int]] = deque()
        self._sums = [0, 0, 0]
        self._proofs: deque[int] = deque(maxlen=KEPT_PROOFS)
        self._found = self._stale = self._calls = 0
        self._attempts_ever = 0

    def searched(self, attempts: int, tokens: int, ms: int) -> None:
        """So many batches were answered in so much time."""
        self._attempts_ever += attempts
        self._steps.append((attempts, tokens, ms))
        self._sums = [a + b for a, b in zip(self._sums, (attempts, tokens, ms), strict=True)]
        while len(self._steps) > 1 and self._sums[2] - self._steps[0][2] >= WINDOW_MS:
            oldest = self._steps.popleft()
            self._sums = [a - b for a, b in zip(self._sums, oldest, strict=True)]

    def proved(self, ms: int) -> None:
        """A ticket's proof took so long."""
        self._proofs.append(ms)

    def joined(self, calls: int) -> None:
        """A block of ours with the answers of so many calls joined the chain."""
        self._found += 1
        self._calls += calls

    def overtaken(self) -> None:
        """A ticket or block of ours came too late."""
        self._stale += 1

    def left(self) -> None:
        """A block of ours left the chain again."""
        self._found -= 1
        self._stale += 1

    def rates(self) -> MiningRates:
        """The numbers now."""
        attempts, tokens, ms = self._sums
        return MiningRates(
            attempts_per_second=1000 * attempts / ms if ms else 0.0,
            tokens_per_second=1000 * tokens / ms if ms else 0.0,
            proof_ms=int(median(self._proofs)) if self._proofs else 0,
            found=self._found,
            stale=self._stale,
            calls_answered=self._calls,
            attempts_ever=self._attempts_ever,
        )


def expected_block_ms(attempts_per_second: float, target: int, work: int, reference: int) -> int:
    """Mean time to a ticket of this miner alone, 0 if it does not search.

    ``work`` over ``reference`` is the mean weight of an attempt, at most 1.
    """
    if attempts_per_second <= 0:
        return 0
    chance = target * work / reference / float(1 << 512)
    return int(1000 / (attempts_per_second * chance)) if chance > 0 else 0
