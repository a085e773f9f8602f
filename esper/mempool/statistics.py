"""The mempool in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """What waits at a moment."""

    transactions: int
    """All of them, calls included."""
    calls: int
    """Calls."""
    aside: int
    """Beyond a gap."""
    senders: int
    """Different senders."""
    fee_bytes: int
    """Bytes taken by what pays a fee, the share of the indexes included."""
    fee_limit: int
    """Most of those."""
    call_bytes: int
    """Bytes taken by calls, the share of the indexes included."""
    call_limit: int
    """Most of those."""
