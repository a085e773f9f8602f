"""How fast this machine searches and proves with one entry, in numbers that were measured."""

from collections import deque
from statistics import median
from typing import Final

WINDOW_MS: Final = 30_000
"""Rates are of the last so many milliseconds of searching."""
KEPT_PROOFS: Final = 32


class SpeedMeter:
    """Measures one entry."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int, int]] = deque()
        self._sums = [0, 0, 0]
        self._proofs: deque[int] = deque(maxlen=KEPT_PROOFS)

    def searched(self, attempts: int, tokens: int, ms: int) -> None:
        """So many batches were answered in so much time."""
        self._steps.append((attempts, tokens, ms))
        self._sums = [a + b for a, b in zip(self._sums, (attempts, tokens, ms), strict=True)]
        while len(self._steps) > 1 and self._sums[2] - self._steps[0][2] >= WINDOW_MS:
            oldest = self._steps.popleft()
            self._sums = [a - b for a, b in zip(self._sums, oldest, strict=True)]

    def proved(self, ms: int) -> None:
        """A ticket's proof took so long."""
        self._proofs.append(ms)

    def forget(self) -> None:
        """What was measured holds no more: it is done with other threads."""
        self._steps.clear()
        self._sums = [0, 0, 0]
        self._proofs.clear()

    @property
    def attempts_per_second(self) -> float:
        """Batches answered and compared with the target; 0 before the first."""
        attempts, _, ms = self._sums
        return 1000 * attempts / ms if ms else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Rows of the model computed; 0 before the first."""
        _, tokens, ms = self._sums
        return 1000 * tokens / ms if ms else 0.0

    @property
    def proof_ms(self) -> int:
        """Median of the last proofs of tickets, 0 before the first."""
        return int(median(self._proofs)) if self._proofs else 0
