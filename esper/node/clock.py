"""The node's clocks, as arguments of whatever needs the time.

The machine's clock may step forward and back at any moment: time servers, people and the end of a
suspension set it. So it says what time it is and nothing else; how long something took, when to
look again and who came first is asked of the steady one. No other module reads either clock of
the machine for a time of day (``tests/unit/repository/test_clocks.py``).
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

Clock = Callable[[], int]
"""Milliseconds since 1970."""


def wall_ms() -> int:
    """The machine's clock, which may step. One before 1970 counts as 1970: no header is older."""
    return max(time.time_ns() // 1_000_000, 0)


_START_MS: Final = wall_ms() - time.monotonic_ns() // 1_000_000


def steady_ms() -> int:
    """What the machine's clock was when the program began, counted on evenly since.

    For differences alone. It stands still while the machine is suspended.
    """
    return _START_MS + time.monotonic_ns() // 1_000_000


def utc_text(time_ms: int) -> str:
    """A moment in words, in UTC, to the second; the number itself for years above 9999."""
    try:
        return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OSError, OverflowError, ValueError):
        return f"{time_ms} ms after 1970"


def duration_text(ms: int) -> str:
    """A length of time in words, down to minutes."""
    minutes = ms // 60_000
    if minutes < 2:
        return "less than 2 minutes"
    if minutes < 120:
        return f"{minutes} minutes"
    hours = minutes // 60
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"


def duration_s(seconds: int) -> str:
    """A length of time in words, seconds below two minutes."""
    return f"{seconds} seconds" if seconds < 120 else duration_text(seconds * 1000)
