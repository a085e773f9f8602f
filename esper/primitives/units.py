"""Units. All amounts, times and costs are integers in the smallest unit; nothing else is stored."""

from typing import Final

UNITS_PER_ESP: Final = 10**8
"""Smallest units of the coin in one ESP."""

MICRO: Final = 10**6
"""Smallest units (micro-credits) in one credit."""

MAX_AMOUNT: Final = (1 << 63) - 1
"""No amount or sum of amounts exceeds this, so that signed 64-bit stores hold it."""

MS_PER_SECOND: Final = 1000
"""Times are milliseconds since 1970-01-01 UTC, without leap seconds."""

FIXED_POINT_ONE: Final = 1 << 16
"""1.0 as a 16.16 fixed-point number: tier weights and multipliers."""

RANGE_512: Final = 1 << 512
"""Work results r are integers in [0, 2^512)."""


def format_esp(units: int) -> str:
    """An amount for people: ``4500000000`` is ``45 ESP``, trailing zeros left out."""
    return _decimal(units, UNITS_PER_ESP, 8) + " ESP"


def format_credits(micro: int) -> str:
    """Credits for people: ``1500000`` is ``1.5 credits``, trailing zeros left out."""
    return _decimal(micro, MICRO, 6) + (" credit" if micro == MICRO else " credits")


def _decimal(amount: int, one: int, places: int) -> str:
    whole, part = divmod(abs(amount), one)
    sign = "-" if amount < 0 else ""
    return sign + f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")
