"""Keys in words and as JSON. The secret stands in neither."""

from __future__ import annotations

from typing import Any, Final

from esper.gateway.keys import LOCAL_ID, Account
from esper.gateway.store.budget import PeriodState
from esper.node.clock import utc_text
from esper.primitives.units import format_credits

DAY_MS: Final = 24 * 3600 * 1000
PERIODS: Final = {
    "hour": 3600 * 1000,
    "day": DAY_MS,
    "week": 7 * DAY_MS,
    "month": 30 * DAY_MS,
}
"""Milliseconds; a month has thirty days."""


def period_name(period_ms: int) -> str:
    """``day``, or so many seconds."""
    names = {length: name for name, length in PERIODS.items()}
    return names.get(period_ms, f"{period_ms // 1000} s")


def standing(account: Account, now_ms: int) -> str:
    """Whether a key is taken."""
    if account.revoked_ms is not None:
        return f"revoked {utc_text(account.revoked_ms)}"
    if account.expires_ms is not None and now_ms >= account.expires_ms:
        return f"expired {utc_text(account.expires_ms)}"
    if account.id == LOCAL_ID:
        return "programs of this machine without a key"
    if account.expires_ms is not None:
        return f"until {utc_text(account.expires_ms)}"
    return "in use"


def key_document(account: Account, state: PeriodState, now_ms: int) -> dict[str, Any]:
    """A key for programs. Amounts are micro-credits, times milliseconds since 1970."""
    return {
        "id": account.id,
        "name": account.name,
        "scopes": sorted(account.scopes),
        "usable": account.usable(now_ms),
        "budget": account.budget,
        "spent": state.spent,
        "reserved": state.reserved,
        "period_s": account.period_ms // 1000,
        "requests_per_minute": account.requests_per_minute,
        "tokens_per_minute": account.tokens_per_minute,
        "streams": account.streams,
        "max_price": account.max_price,
        "greedy_anyway": account.greedy_anyway,
        "created_ms": account.created_ms,
        "expires_ms": account.expires_ms,
        "revoked_ms": account.revoked_ms,
    }


def key_lines(account: Account, state: PeriodState, now_ms: int) -> list[str]:
    """A key for people."""
    spent = format_credits(state.spent + state.reserved)
    budget = format_credits(account.budget)
    return [
        f"{account.id:8}  {account.name or '-'}: {standing(account, now_ms)}",
        f"          {', '.join(sorted(account.scopes))}; {spent} of {budget} this "
        f"{period_name(account.period_ms)}",
    ]
