"""What is voted on, and what votes may move."""

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m


async def dao(reader: ChainReader, asking: Asking) -> Page:
    """Proposals, readiness, parameters. Raises RpcError."""
    values = {
        "list": await reader.ask(m.DAO_LIST),
        "readiness": (await reader.ask(m.DAO_READINESS)).proposals,
        "settings": (await reader.ask(m.DAO_SETTINGS)).settings,
    }
    return Page("dao.html", "DAO", values)
