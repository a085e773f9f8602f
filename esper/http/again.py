"""When to come back: not all at once."""

import random
from collections.abc import Callable
from typing import Final

Chance = Callable[[], float]
"""From 0 to 1, for waits that come apart. No secret hangs on it."""

LONGEST_S: Final = 3


def of_the_machine() -> float:
    """The machine's chance."""
    return random.random()


def again_s(chance: float) -> int:
    """Whole seconds after which a client that was turned away tries again, from 1 to 3."""
    return min(1 + int(LONGEST_S * chance), LONGEST_S)
