"""Amounts as people type and read them, exact: no float ever holds one."""

import re
from typing import Final

from esper.primitives.units import MAX_AMOUNT, MICRO, UNITS_PER_ESP, format_esp
from esper.wallet.errors import AmountError

_NUMBER: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,20}))?", re.ASCII)


def parse_esp(text: str) -> int:
    """Units of an amount like ``1.5``. Raises AmountError."""
    return _parsed(text, UNITS_PER_ESP, 8, "ESP")


def parse_credits(text: str) -> int:
    """Micro-credits of an amount like ``0.25``. Raises AmountError."""
    return _parsed(text, MICRO, 6, "credits")


def esp_text(units: str | int) -> str:
    """Units, also as the node's decimal text, for people: ``1.5 ESP``."""
    return format_esp(int(units))


def credits_text(micro: str | int) -> str:
    """Micro-credits, also as the node's decimal text, for people: ``1.5 credits``."""
    whole, part = divmod(int(micro), MICRO)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".") + " credits"


def counted(count: int, thing: str) -> str:
    """So many of a thing, whose name takes an s: ``1 block``, ``2 blocks``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _parsed(text: str, unit: int, places: int, name: str) -> int:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise AmountError(
            f"amount {text[:40]!r} is no number of {name}: write digits, and a point like 1.5"
        )
    whole, part = found[1], found[2] or ""
    if len(part.rstrip("0")) > places:
        raise AmountError(f"amount {text} has {len(part)} decimals, {name} have at most {places}")
    amount = int(whole) * unit + int(part[:places].ljust(places, "0"))
    if amount == 0:
        raise AmountError(f"amount is {text}: nothing would move, name more than 0 {name}")
    if amount > MAX_AMOUNT:
        raise AmountError(f"amount {text} is more than there can ever be")
    return amount
