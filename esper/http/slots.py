"""How many are answered at once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """So many places, which routes may share."""

    def __init__(self, limit: int, per_client: int | None = None) -> None:
        self.limit = limit
        """How many there are."""
        self.per_client = limit if per_client is None else per_client
        """How many of them one client may have; one without a name may have all."""
        self._free = limit
        self._of: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self._free

    def has_room(self, client: str = "") -> bool:
        """Whether there is one for this client."""
        return self._free > 0 and (not client or self._of.get(client, 0) < self.per_client)

    @contextmanager
    def taken(self, client: str = "") -> Iterator[bool]:
        """Whether there was one for this client; it is given back at the end."""
        if not self.has_room(client):
            yield False
            return
        self._free -= 1
        self._of[client] += 1
        try:
            yield True
        finally:
            self._free += 1
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]
