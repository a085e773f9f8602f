"""Whether a chain is ahead of this machine's clock, so that its own rules make it wait.

The rules bound a block's time from both sides: after the median of the last ones, and not far
behind the clock of whoever judges it. Where the median is further ahead than that, no block can
come before the clock has moved on, whatever it holds.
"""

from esper.consensus.context import ChainContext
from esper.node.clock import duration_text, utc_text


def tip_ahead(chain: ChainContext, now_ms: int) -> str:
    """A sentence if this clock would refuse the tip, or the next block; empty otherwise."""
    return _sentence(chain, max(chain.times_ms[-1], chain.median_time_ms + 1), now_ms)


def next_block_ahead(chain: ChainContext, now_ms: int) -> str:
    """A sentence if this clock would refuse any next block; empty otherwise."""
    return _sentence(chain, chain.median_time_ms + 1, now_ms)


def is_too_early(time_ms: int, chain: ChainContext, now_ms: int) -> bool:
    """Whether this clock would refuse a block of this time."""
    return time_ms > now_ms + chain.params.difficulty.future_limit_ms


def _sentence(chain: ChainContext, time_ms: int, now_ms: int) -> str:
    if not is_too_early(time_ms, chain, now_ms):
        return ""
    # To the second, and not before it holds.
    until = -(-(time_ms - chain.params.difficulty.future_limit_ms) // 1000) * 1000
    return (
        f"the chain is ahead of this machine's clock by {duration_text(time_ms - now_ms)}: "
        f"set the clock (NTP), or wait until {utc_text(until)}"
    )
