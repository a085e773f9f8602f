"""Time and chance, as the service asks for them; tests give their own."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """The machine's."""

    now_ms: Callable[[], int] = _now_ms
    """Milliseconds since 1970."""
    now_ns: Callable[[], int] = time.monotonic_ns
    """Nanoseconds since whenever; never backwards."""
    chance: Callable[[], float] = random.random
    """From 0 to 1, for waits that come apart. No secret hangs on it."""
