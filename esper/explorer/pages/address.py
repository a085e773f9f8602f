"""What an address holds, and what happened to it."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m

ROWS: Final = 50
IN_CREDITS: Final = frozenset({"credits-sent", "credits-received", "called", "answered"})
"""Events whose amounts are micro-credits."""


async def address(reader: ChainReader, asking: Asking) -> Page:
    """By its text; ``?before=`` goes back in its history. Raises RpcError."""
    name = asking.params["address"]
    account = await reader.ask(m.GET_ACCOUNT, address=name)
    before = asking.query.get("before")
    more = {} if before is None else {"before": before}
    history = await reader.ask(m.GET_HISTORY, address=name, limit=ROWS, **more)
    pending = await reader.ask(m.GET_PENDING, address=name)
    values = {
        "account": account,
        "history": history,
        "pending": pending.events,
        "in_credits": IN_CREDITS,
        "is_first": before is None,
    }
    return Page("address.html", f"Address {account.address[:14]}…", values)
