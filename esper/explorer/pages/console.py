"""Talks to a model and watches its answer being proven."""

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m


async def console(reader: ChainReader, asking: Asking) -> Page:
    """For somebody who is signed in, which whoever serves it has made sure of. Raises RpcError."""
    return Page("console.html", "Console", {"models": await reader.ask(m.LIST_MODELS)})
