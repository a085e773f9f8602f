"""Amounts as people type and read them, exact: no float ever holds one."""

import re
from typing import Final

from esper.primitives.units import (
    MAX_AMOUNT,
    MICRO,
    UNITS_PER_ESP,
    format_credits,
    format_esp,
)
from esper.wallet.errors import AmountError

_NUMBER: Final = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,40}))?", re.ASCII)


def parse_esp(text: str, what: str = "amount", *, zero: bool = False) -> int:
    """Units of an amount like ``1.5``; ``what`` names it.

    Raises AmountError, for nothing at all as well unless ``zero``.
    """
    return _parsed(text, UNITS_PER_ESP, 8, "ESP", what, zero)


def parse_credits(text: str, what: str = "amount") -> int:
    """Micro-credits of an amount like ``0.25``; ``what`` names it. Raises AmountError."""
    return _parsed(text, MICRO, 6, "credits", what, False)


def bare_esp(units: int) -> str:
    """Units as they are typed: ``1.5``."""
    return format_esp(units).removesuffix(" ESP")


def bid_text(price: int) -> str:
    """A bid for people, in what ``--bid`` takes."""
    return f"{counted(price, 'micro-credit')} a token"


def esp_text(units: str | int) -> str:
    """Units, also as the node's decimal text, for people: ``1.5 ESP``."""
    return format_esp(int(units))


def credits_text(micro: str | int) -> str:
    """Micro-credits, also as the node's decimal text, for people: ``1.5 credits``."""
    return format_credits(int(micro))


def counted(count: int, thing: str) -> str:
    """So many of a thing, whose name takes an s: ``1 block``, ``2 blocks``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _parsed(text: str, unit: int, places: int, name: str, what: str, zero: bool) -> int:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise AmountError(
            f"{what} {text[:40]!r} is no number of {name}: write digits, and a point like 1.5"
        )
    whole, part = found[1], found[2] or ""
    if len(part.rstrip("0")) > places:
        raise AmountError(f"{what} {text} has {len(part)} decimals, {name} have at most {places}")
    amount = int(whole) * unit + int(part[:places].ljust(places, "0"))
    if amount == 0 and not zero:
        raise AmountError(f"{what} is {text}: nothing would move, name more than 0 {name}")
    if amount > MAX_AMOUNT:
        raise AmountError(f"{what} {text} is more than there can ever be")
    return amount
