"""Who waits for a slot: every key in its turn, however many requests it has. Decisions alone."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueFullError(Exception):
    """There is no place."""

    def __init__(self, waiting: int, *, of_key: bool) -> None:
        super().__init__(waiting)
        self.waiting = waiting
        """How many wait: of the key, or of all."""
        self.of_key = of_key
        """Whether the key has too many, rather than all together."""


class FairQueue(Generic[T]):
    """Tickets of keys. The keys come in turn, the tickets of one in their order."""

    def __init__(self, most: int, most_of_key: int) -> None:
        self._most = most
        self._most_of_key = most_of_key
        self._keys: OrderedDict[str, deque[T]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def join(self, key: str, ticket: T) -> None:
        """Wait behind the key's other tickets. Raises QueueFullError."""
        own = len(self._keys.get(key, ()))
        if own >= self._most_of_key:
            raise QueueFullError(own, of_key=True)
        if self._waiting >= self._most:
            raise QueueFullError(self._waiting, of_key=False)
        self._keys.setdefault(key, deque()).append(ticket)
        self._waiting += 1

    def leave(self, key: str, ticket: T) -> bool:
        """Whether it waited; it does no longer."""
        own = self._keys.get(key)
        if own is None or ticket not in own:
            return False
        own.remove(ticket)
        self._waiting -= 1
        if not own:
            del self._keys[key]
        return True

    def next(self, may: Callable[[str, T], bool]) -> T | None:
        """The next ticket, taken out; keys whose first one may not go are passed over."""
        for key, own in self._keys.items():
            if may(key, own[0]):
                ticket = own.popleft()
                self._waiting -= 1
                self._keys.move_to_end(key)
                if not own:
                    del self._keys[key]
                return ticket
        return None

    def before(self, key: str, ticket: T) -> int:
        """How many go first if nobody else comes and all take their turns."""
        own = self._keys.get(key, ())
        place = next((at for at, one in enumerate(own) if one == ticket), 0)
        found, seen = place, False
        for other, tickets in self._keys.items():
            if other == key:
                seen = True
            else:
                found += min(len(tickets), place if seen else place + 1)
        return found
