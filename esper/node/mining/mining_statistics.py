"""How mining goes, in numbers for people."""

from dataclasses import dataclass

from esper.node.entries.speed import SpeedMeter


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
        self._found = self._stale = self._calls = 0
        self._attempts_ever = 0

    def searched(self, attempts: int) -> None:
        """So many batches were answered."""
        self._attempts_ever += attempts

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

    def rates(self, speed: SpeedMeter | None = None) -> MiningRates:
        """The numbers now; ``speed`` is of the entry that is mined, None if nothing is."""
        speed = speed or SpeedMeter()
        return MiningRates(
            attempts_per_second=speed.attempts_per_second,
            tokens_per_second=speed.tokens_per_second,
            proof_ms=speed.proof_ms,
            found=self._found,
            stale=self._stale,
            calls_answered=self._calls,
            attempts_ever=self._attempts_ever,
        )


def expected_block_ms(attempts_per_second: float, chance: float) -> int:
    """Mean time to a ticket of this miner alone, 0 if it does not search.

    ``chance`` is that of an attempt to win, 0 to 1.
    """
    if attempts_per_second <= 0:
        return 0
    return int(1000 / (attempts_per_second * chance)) if chance > 0 else 0
