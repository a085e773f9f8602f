"""Time and chance, as the service asks for them; tests give their own."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The machine's; its time of day is read by the node."""

    now_ms: Callable[[], int]
    """Milliseconds since 1970; may step."""
    now_ns: Callable[[], int] = time.monotonic_ns
    """Nanoseconds since whenever; never backwards."""
    chance: Callable[[], float] = random.random
    """From 0 to 1, for waits that come apart. No secret hangs on it."""

    def steady_ms(self) -> int:
        """Milliseconds since whenever; never backwards."""
        return self.now_ns() // 1_000_000
