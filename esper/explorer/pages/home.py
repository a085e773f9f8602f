"""The first page: how the chain stands, and its latest blocks."""

from typing import Any, Final

from esper.explorer import visible as v
from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m
from esper.rpc import schema as s

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


async def live_values(reader: ChainReader, now_ms: int) -> dict[str, Any]:
    """What the page's script puts into it: texts by name, and rows. Raises RpcError."""
    status = await reader.ask(m.GET_STATUS)
    rows = await reader.ask(m.GET_BLOCKS, n=ROWS)
    return {
        "height": status.height,
        "texts": {
            "height": v.count(status.height),
            "tip-age": v.duration(now_ms - status.tip_time_ms),
            "usefulness": v.per_mille(status.usefulness_per_mille),
            "issued": v.coarse(status.issued),
            "mempool-transactions": v.count(status.mempool_transactions),
            "mempool-calls": v.count(status.mempool_calls),
            "mempool-bytes": v.size(status.mempool_bytes),
            "synced": "synced" if status.synced else "not synced",
        },
        "blocks": [_live_row(row) for row in rows.blocks],
    }


def _live_row(row: s.BlockRow) -> dict[str, Any]:
    return {
        "height": row.height,
        "hash": row.hash,
        "time_ms": row.time_ms,
        "moment": v.moment(row.time_ms),
        "payee": row.payee,
        "tier": row.tier,
        "transactions": row.transactions,
        "call_groups": row.call_groups,
        "size": v.size(row.size),
    }
