"""One who follows the log: first what it missed, out of the log, then what comes.

behind   read from the log, as fast as the subscriber takes it, while the log has it
beside   what comes counts; more than ROOM events that it has not taken yet, and it is slow
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import trio

ROOM: Final = 256
"""Events that may wait for a subscriber that keeps up."""
TAKEN: Final = 64
"""Events given at once."""
LOOKED_AT: Final = 1_024
"""Events of the log that are looked at between two turns of the event loop."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of the log."""

    seq: int
    """Its number, from 1."""
    topic: str
    """One of TOPICS."""
    data: Mapping[str, Any]
    """What happened, in JSON values."""
    text: str
    """All of it as one line of ASCII: ``{"seq": ..., "topic": ..., "data": ...}``."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing before what comes next."""

    oldest: int
    """Number of the oldest event that is there: those behind it follow."""


class SlowSubscriberError(Exception):
    """A subscriber took too little of what came, and is let go."""

    def __init__(self) -> None:
        super().__init__(f"{ROOM} events wait: take them faster, or ask for fewer topics")


class Events(Protocol):
    """The log, as a subscription reads it."""

    @property
    def oldest(self) -> int:
        """Number of the oldest event."""

    @property
    def next(self) -> int:
        """Number of the next one."""

    def get(self, seq: int) -> Entry | None:
        """An event by its number."""


class Subscription:
    """For one task. Made by ``EventLog.subscribe``."""

    def __init__(self, log: Events, topics: Collection[str], start: int | None) -> None:
        """``start``: number of the first event that is wanted; None tells a gap first."""
        self._log = log
        self.topics = frozenset(topics)
        """What it takes."""
        self._is_gap = start is None
        self._next = log.oldest if start is None else start
        self._is_beside = False
        self._waiting = 0
        self.is_slow = False
        """Whether it was let go."""
        self._ended = False
        self._news = trio.Event()

    @property
    def next(self) -> int:
        """Number from which on events have not been given."""
        return self._next

    async def take(self) -> list[Entry] | Gap:
        """The next events, at least one; or that some are missing.

        Raises SlowSubscriberError, and trio.EndOfChannel after the last one.
        """
        while True:
            await trio.lowlevel.checkpoint()
            if self.is_slow:
                raise SlowSubscriberError
            if self._is_gap or self._next < self._log.oldest:
                self._is_gap = False
                self._waiting = 0
                self._next = self._log.oldest
                return Gap(self._next)
            found = self._look()
            if found:
                return found
            if self._next < self._log.next:
                continue
            if self._ended:
                raise trio.EndOfChannel
            self._is_beside = True
            await self._news.wait()
            self._news = trio.Event()

    def _look(self) -> list[Entry]:
        found: list[Entry] = []
        last = min(self._log.next, self._next + LOOKED_AT)
        while self._next < last and len(found) < TAKEN:
            entry = self._log.get(self._next)
            self._next += 1
            if entry is not None and entry.topic in self.topics:
                found.append(entry)
        self._waiting = max(0, self._waiting - len(found))
        return found

    def offer(self, entry: Entry) -> None:
        """The log has one more; ``EventLog`` says so."""
        if entry.topic not in self.topics:
            return
        if self._is_beside:
            self._waiting += 1
            self.is_slow = self.is_slow or self._waiting > ROOM
        self.wake()

    def wake(self) -> None:
        """Look again."""
        self._news.set()

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self.wake()
