"""The least rate that a pool takes after it had to evict."""


class RateFloor:
    """Rises above what was evicted, and halves again and again as time passes."""

    __slots__ = ("_half_life_ms", "_rate", "_since_ms")

    def __init__(self, half_life_ms: int) -> None:
        self._half_life_ms = half_life_ms
        self._rate = 0
        self._since_ms = 0

    def copy(self) -> "RateFloor":
        """Another of the same height, which rises by itself."""
        copied = RateFloor(self._half_life_ms)
        copied._rate, copied._since_ms = self._rate, self._since_ms
        return copied

    def at(self, now_ms: int) -> int:
        """The least rate now. A clock that goes back leaves it as it is."""
        elapsed = max(now_ms - self._since_ms, 0)
        # Whole halvings first: no elapsed time, however long, makes a large number.
        halvings, rest = divmod(elapsed, self._half_life_ms)
        halved = self._rate >> min(halvings, 64)
        return halved - halved * rest // (2 * self._half_life_ms)

    def rise_above(self, evicted: int, now_ms: int) -> None:
        """From now on more than ``evicted`` is needed."""
        if evicted >= self.at(now_ms):
            self._rate, self._since_ms = evicted + 1, now_ms
