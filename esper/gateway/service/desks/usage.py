"""What a key used, day by day, and what is left of its budget."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from esper.gateway.keys import Account
from esper.gateway.one_line import one_line
from esper.gateway.ports import StorePort
from esper.gateway.refusals import Refused
from esper.gateway.service.clock import Clock
from esper.gateway.store.budget import DAY_MS, DayUsage
from esper.http.routes import JSON

MOST_DAYS = 366
DAYS = 30
"""That are told where nothing is asked for."""


@dataclass(frozen=True, slots=True)
class UsageDesk:
    """Tells usage. Raises Refused."""

    store: StorePort
    clock: Clock

    async def get(self, http: HttpRequest, account: Account) -> Response:
        """The last days, ``days`` of them, today included."""
        asked = http.query_params.get("days", str(DAYS))
        days = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= 3 else 0
        if not 1 <= days <= MOST_DAYS:
            raise Refused("invalid_value", f"days must be a number of 1 to {MOST_DAYS}", "days")
        now = self.clock.now_ms()
        today, period = now // DAY_MS, account.period(now)
        found, state = await self.store.ask(
            lambda store: (
                store.budget.usage(account.id, today - days + 1, today),
                store.budget.state(account.id, period),
            )
        )
        told = {
            "object": "list",
            "data": [_day(one) for one in found],
            "budget": {
                "limit": account.budget,
                "spent": state.spent,
                "reserved": state.reserved,
                "ends": (period + 1) * account.period_ms // 1000,
            },
        }
        return Response(one_line(told), media_type=JSON)


def _day(usage: DayUsage) -> dict[str, Any]:
    date = datetime.fromtimestamp(usage.day * DAY_MS / 1000, UTC).date().isoformat()
    return {**asdict(usage), "day": date}
