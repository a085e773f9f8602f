"""The log of what happened: the last events, each with its number.

    boot   which run of the node: numbers of another one mean nothing
    seq    1, 2, 3, ... within a boot; what was lost has numbers too, so that it is missed

Bounded in events and in bytes, whoever reads. Belongs to the event loop's thread.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from esper.events.subscription import Entry, Subscription

TOPICS: Final = MappingProxyType(
    {
        "block": "a block joined the chain",
        "undone": "a block left it",
        "tx_in": "a transaction waits",
        "tx_out": "one waits no more",
        "call": "a call came nearer to its answer",
        "result": "a block has a call's answer",
    }
)
"""Of events, and what each tells."""
RING: Final = 16_384
"""Events that are kept."""
RING_BYTES: Final = 16 << 20
"""Of their texts. What Python makes of them takes a few times as much."""


@dataclass(frozen=True, slots=True)
class EventCounts:
    """The log at one moment."""

    appended: Mapping[str, int]
    """Events since the start, by topic."""
    subscribers: int
    """Who listens now."""
    dropped: int
    """Events that were lost on the way here, and subscribers that were too slow."""


class EventLog:
    """The log of one node."""

    def __init__(self, boot: str, *, entries: int = RING, most_bytes: int = RING_BYTES) -> None:
        """``boot``: some hex digits that no other run has."""
        self.boot = boot
        """Which run of the node this is."""
        self._limit = entries
        self._most_bytes = most_bytes
        self._kept: dict[int, Entry] = {}
        self._bytes = 0
        self._oldest = self._next = 1
        self._counts: Counter[str] = Counter()
        self._dropped = 0
        self._subscriptions: list[Subscription] = []
        self._closed = False

    @property
    def oldest(self) -> int:
        """Number of the oldest event that is kept; ``next`` if none is."""
        return self._oldest

    @property
    def next(self) -> int:
        """Number that the next event gets."""
        return self._next

    def append(self, topic: str, data: Mapping[str, Any]) -> None:
        """Something happened. ``data`` has JSON values alone, and is not changed afterwards."""
        seq = self._next
        # One line of ASCII: no text inside it can begin an event of a stream.
        text = json.dumps(
            {"seq": seq, "topic": topic, "data": data}, separators=(",", ":"), allow_nan=False
        )
        entry = Entry(seq, topic, data, text)
        self._next += 1
        self._kept[seq] = entry
        self._bytes += len(text)
        while len(self._kept) > self._limit or self._bytes > self._most_bytes:
            self._forget_oldest()
        self._counts[topic] += 1
        for subscription in self._subscriptions:
            subscription.offer(entry)

    def skip(self, count: int) -> None:
        """So many events were lost, and nobody knows what they were: subscribers are told a gap."""
        self._next += max(1, count)
        self._kept.clear()
        self._bytes = 0
        self._oldest = self._next
        self._dropped += max(1, count)
        for subscription in self._subscriptions:
            subscription.wake()

    def get(self, seq: int) -> Entry | None:
        """The event of a number, None if it is not kept."""
        return self._kept.get(seq)

    def after(self, seq: int, most: int, topics: Collection[str] | None = None) -> list[Entry]:
        """At most so many events behind a number, of these topics or all, the oldest first."""
        found: list[Entry] = []
        for number in range(max(seq + 1, self._oldest), self._next):
            entry = self._kept[number]
            if topics is None or entry.topic in topics:
                found.append(entry)
                if len(found) == most:
                    break
        return found

    @contextmanager
    def subscribe(
        self, topics: Collection[str], start: int | None = None, boot: str | None = None
    ) -> Iterator[Subscription]:
        """Take events of some topics within a ``with`` block, from number ``start`` on.

        ``start`` is of that ``boot``; None: from the next one on.
        """
        subscription = Subscription(self, topics, self.position(start, boot))
        if self._closed:
            subscription.end()
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            if subscription.is_slow:
                self._dropped += 1

    def position(self, start: int | None, boot: str | None) -> int | None:
        """The number to begin with, None if events from ``start`` on are not all here."""
        if start is None:
            return self._next
        start = max(1, start)
        is_here = boot == self.boot and self._oldest <= start <= self._next
        return start if is_here else None

    def close(self) -> None:
        """No more will come: whoever listens gets what is left, and then the end."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()

    def counts(self) -> EventCounts:
        """How it goes."""
        appended = {topic: self._counts[topic] for topic in TOPICS}
        return EventCounts(appended, len(self._subscriptions), self._dropped)

    def _forget_oldest(self) -> None:
        self._bytes -= len(self._kept.pop(self._oldest).text)
        self._oldest += 1
