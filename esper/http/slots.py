"""How many are answered at once."""

from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """So many places, which routes may share."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """How many there are."""
        self._free = limit

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self._free

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Whether there was one; it is given back at the end."""
        if self._free == 0:
            yield False
            return
        self._free -= 1
        try:
            yield True
        finally:
            self._free += 1
