"""How the node stands to its network."""

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m


async def peers(reader: ChainReader, asking: Asking) -> Page:
    """Who is connected; where from is for the node's own machine alone. Raises RpcError."""
    network = await reader.ask(m.GET_NETWORK)
    found = await reader.ask(m.GET_PEERS)
    values = {"network": network, "peers": found.peers, "is_local": asking.is_local}
    return Page("peers.html", "Peers", values)
