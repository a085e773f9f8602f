"""When an address is dialled again: 10 s x 2^n, at most 1 h, give or take half at random.

Static peers rest half a minute at most.

At random, so that nodes which were stopped together do not return together.
"""

from typing import Final

from esper.p2p.ports import Random

FIRST_MS: Final = 10_000
LONGEST_MS: Final = 3_600_000
LONGEST_STATIC_MS: Final = 30_000
"""Of a peer that the operator named: it may be the only one, and its operator waits for it."""
MOST_FAILURES: Final = 255
"""Counted; more make no difference."""


def backoff_ms(failures: int, random: Random, longest_ms: int = LONGEST_MS) -> int:
    """How long an address rests after so many dials in a row that failed, at least 1."""
    # 9 doublings exceed an hour: larger shifts are never made.
    delay = min(FIRST_MS << min(max(failures - 1, 0), 9), longest_ms)
    return delay // 2 + random.randrange(delay + 1)
