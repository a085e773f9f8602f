"""Who is kept away, and until when: at most 4,096 ids and addresses.

Times are of a steady clock while the node runs, so that a clock that is set neither frees nor bars
anybody; on disk they are times of day.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from heapq import nsmallest
from typing import Final

from esper.p2p.peers.netgroup import ban_key
from esper.p2p.wire.fields import PEER_ID_BYTES

MOST_BARS: Final = 4_096
MADE_ROOM: Final = 64
"""So many are forgotten at least when there are too many."""
REMEMBERED_MS: Final = 7 * 24 * 3_600_000
"""A ban is remembered for so long after it began, to double the next."""
LONGEST_MS: Final = 24 * 3_600_000
"""Of a bar that no person made."""
MOST_REPEATS: Final = 255
FOR_GOOD_MS: Final = 100 * 365 * LONGEST_MS
"""What a ban by hand without an end lasts."""
SUBJECT_BYTES: Final = 1 + PEER_ID_BYTES
_ID: Final = b"i"
_IP: Final = b"a"


class Bar(IntEnum):
    """Why somebody is kept away; a stronger reason is the greater one."""

    DROP = 1
    """Minutes: it may be a mistake."""
    BAN = 2
    """An offence that does not happen to honest nodes."""
    BY_HAND = 3
    """The operator wants it so."""


@dataclass(frozen=True, slots=True)
class Barred:
    """One that is kept away."""

    subject: bytes
    """"i" and an id, or "a" and the key of an address: at most 39 bytes."""
    bar: Bar
    """Why."""
    began_ms: int
    """When."""
    until_ms: int
    """Until when."""
    repeats: int = 0
    """Bans of the same address in the week before."""


@dataclass(frozen=True, slots=True)
class BarStatistics:
    """Bars in numbers."""

    dropped: int
    """For minutes, over ones included until they are forgotten."""
    banned: int
    """Likewise, remembered ones included."""
    by_hand: int
    """By the operator."""


def of_id(peer_id: bytes) -> bytes:
    """The subject that an id is."""
    return _ID + peer_id


def of_ip(ip: bytes) -> bytes:
    """The subject that an address is a part of."""
    return _IP + ban_key(ip)


class Bars:
    """Subjects that are kept away."""

    def __init__(self) -> None:
        self._bars: dict[bytes, Barred] = {}

    def until(self, subject: bytes, now_ms: int) -> int | None:
        """Until when a subject is kept away, None if it is not."""
        found = self._bars.get(subject)
        return None if found is None or found.until_ms <= now_ms else found.until_ms

    def found(self, subject: bytes) -> Barred | None:
        """What is remembered of a subject, over or not."""
        return self._bars.get(subject)

    def put(self, barred: Barred, now_ms: int) -> None:
        """Keep a subject away; a bar that is stronger and longer stays."""
        found = self._bars.get(barred.subject)
        if found is not None and found.until_ms > now_ms:
            if found.bar is Bar.BY_HAND and barred.bar is not Bar.BY_HAND:
                return
            if barred.bar is not Bar.BY_HAND:
                barred = replace(
                    barred,
                    bar=max(found.bar, barred.bar),
                    until_ms=max(found.until_ms, barred.until_ms),
                    repeats=max(found.repeats, barred.repeats),
                )
        if found is None and len(self._bars) >= MOST_BARS:
            self._make_room(now_ms)
        self._bars[barred.subject] = barred

    def lift(self, subject: bytes) -> bool:
        """Let a subject in again; whether it was known."""
        return self._bars.pop(subject, None) is not None

    def lift_drop(self, subject: bytes) -> None:
        """Take a DROP back; a ban stays."""
        found = self._bars.get(subject)
        if found is not None and found.bar is Bar.DROP:
            del self._bars[subject]

    def current(self, now_ms: int) -> list[Barred]:
        """All that are kept away now, the longest first."""
        kept = [one for one in self._bars.values() if one.until_ms > now_ms]
        return sorted(kept, key=lambda one: (-one.until_ms, one.subject))

    def remembered(self, now_ms: int) -> list[Barred]:
        """Bans that still matter: in force, or so fresh that they double the next."""
        return [
            one
            for one in self._bars.values()
            if one.bar is not Bar.DROP and not _is_forgotten(one, now_ms)
        ]

    def statistics(self) -> BarStatistics:
        """Counts."""
        bars = [one.bar for one in self._bars.values()]
        return BarStatistics(bars.count(Bar.DROP), bars.count(Bar.BAN), bars.count(Bar.BY_HAND))

    def _make_room(self, now_ms: int) -> None:
        """Forget what is over; if that is little, the weakest too, of those what ends first.

        Several at once: a stranger with any number of ids must not have all looked at each time.
        """
        weakest = nsmallest(
            MADE_ROOM,
            self._bars.values(),
            key=lambda one: (one.until_ms > now_ms, one.bar, one.until_ms, one.subject),
        )
        over = [one for one in self._bars.values() if _is_forgotten(one, now_ms)]
        for one in max(weakest, over, key=len):
            del self._bars[one.subject]


def _is_forgotten(one: Barred, now_ms: int) -> bool:
    doubles = one.bar is Bar.BAN and one.began_ms + REMEMBERED_MS > now_ms
    return one.until_ms <= now_ms and not doubles


def as_times_of_day(bars: Iterable[Barred], now_ms: int, wall_ms: int) -> tuple[Barred, ...]:
    """Bars for the disk. A time before 1970 cannot be written and is 0."""
    shift = wall_ms - now_ms
    return tuple(
        replace(one, began_ms=max(0, one.began_ms + shift), until_ms=max(0, one.until_ms + shift))
        for one in bars
    )


def from_times_of_day(bars: Iterable[Barred], now_ms: int, wall_ms: int) -> list[Barred]:
    """Bars from the disk. None lasts longer from now than it was made for.

    So a clock that was wrong when they were written, or is wrong now, bars nobody for years.
    """
    shift = now_ms - wall_ms
    read = []
    for one in bars:
        lasts = one.until_ms - one.began_ms
        until_ms = min(one.until_ms + shift, now_ms + lasts)
        read.append(replace(one, began_ms=min(one.began_ms + shift, now_ms), until_ms=until_ms))
    return read
