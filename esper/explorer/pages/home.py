"""The first page: how the chain stands, and its latest blocks."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m

ROWS: Final = 15
"""Blocks that are shown."""
MOST_ROWS: Final = 50
"""Blocks of a page of older ones."""


async def home(reader: ChainReader, asking: Asking) -> Page:
    """Status, mempool, latest blocks; ``?from=`` shows older ones. Raises RpcError."""
    status = await reader.ask(m.GET_STATUS)
    given = asking.query.get("from", "")
    older = {"from": int(given)} if given.isascii() and given.isdigit() and len(given) < 10 else {}
    n = MOST_ROWS if older else ROWS
    rows = await reader.ask(m.GET_BLOCKS, n=n, **older)
    pool = await reader.ask(m.GET_MEMPOOL)
    last = rows.blocks[-1].height if rows.blocks else 0
    values = {
        "status": status,
        "blocks": rows.blocks,
        "pool": pool,
        "is_live": not older,
        "next_from": last - 1 if last > 0 else None,
    }
    return Page("home.html", "Blocks" if older else "Overview", values)
