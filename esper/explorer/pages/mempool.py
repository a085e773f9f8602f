"""What waits."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m

SHOWN: Final = 200


async def mempool(reader: ChainReader, asking: Asking) -> Page:
    """Sizes, and the ids that go first. Raises RpcError."""
    pool = await reader.ask(m.GET_MEMPOOL)
    return Page("mempool.html", "Mempool", {"pool": pool, "txids": pool.txids[:SHOWN]})
