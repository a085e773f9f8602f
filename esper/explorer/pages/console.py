"""Talks to a model and watches its answer being proven."""

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m


async def console(reader: ChainReader, asking: Asking) -> Page:
    """Asks through the gateway, which signs people in. Raises RpcError."""
    return Page("console.html", "Console", {"models": await reader.ask(m.LIST_MODELS)})
