"""What is typed for a key's settings: scopes, a period, an end."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from esper.gateway.keys import Scope
from esper.wallet.errors import MisuseError

HOUR_MS: Final = 3600 * 1000
DAY_MS: Final = 24 * HOUR_MS


class Period(StrEnum):
    """How long a budget lasts."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


PERIODS_MS: Final = {
    Period.HOUR: HOUR_MS,
    Period.DAY: DAY_MS,
    Period.WEEK: 7 * DAY_MS,
    Period.MONTH: 30 * DAY_MS,
}
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_SPANS_MS: Final = {"h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}


def scopes_of(text: str) -> frozenset[Scope]:
    """Scopes with commas between them. Raises MisuseError."""
    found = set()
    for word in text.split(","):
        try:
            found.add(Scope(word.strip()))
        except ValueError:
            raise MisuseError(
                f"--scope: {word.strip()!r} is none: name {', '.join(Scope)}, with commas between"
            ) from None
    return frozenset(found)


def end_of(text: str, now_ms: int) -> int:
    """``30d``, ``12h``, ``2w`` from now, or a date (its first moment in UTC), in milliseconds.

    Raises MisuseError, for what is over as well.
    """
    span = _SPAN.fullmatch(text)
    if span is not None:
        return now_ms + int(span[1]) * _SPANS_MS[span[2]]
    try:
        end = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise MisuseError(
            f"--expires: {text!r} is no end: write 12h, 30d, 2w or a date such as 2030-01-31"
        ) from None
    found = int(end.timestamp()) * 1000
    if found <= now_ms:
        raise MisuseError(f"--expires: {text} is over")
    return found


def moment_text(time_ms: int) -> str:
    """A moment in UTC, to the minute."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def period_text(period_ms: int) -> str:
    """The word for a period, its milliseconds where there is none."""
    words = {length: period.value for period, length in PERIODS_MS.items()}
    return words.get(period_ms, f"{period_ms} ms")
