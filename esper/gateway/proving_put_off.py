"""Rows that could not be signed: each is asked for again later, and later the more often."""

from typing import Final

FIRST_MS: Final = 10_000
LONGEST_MS: Final = 600_000
"""Between two tries at most."""


class PutOff:
    """Kept in memory alone: after a start all are tried at once."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._until)

    def tries(self, call: str) -> int:
        """How often it could not be signed, one time after the other."""
        return self._until.get(call, (0, 0))[1]

    def add(self, call: str, now_ms: int) -> None:
        """It could not be signed now."""
        tries = self.tries(call)
        # Beyond the longest wait the power does not matter, and it would grow for ever.
        wait_ms = min(FIRST_MS << min(tries, 16), LONGEST_MS)
        self._until[call] = (now_ms + wait_ms, tries + 1)

    def waits(self, call: str, now_ms: int) -> bool:
        """Whether it is not its time yet. A clock that was set back makes nobody wait longer."""
        until_ms, _ = self._until.get(call, (0, 0))
        return 0 < until_ms - now_ms <= LONGEST_MS

    def forget(self, call: str) -> None:
        """It was signed, or is not to be any more."""
        self._until.pop(call, None)
