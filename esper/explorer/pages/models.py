"""Models that answer and are mined with."""

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m


async def models(reader: ChainReader, asking: Asking) -> Page:
    """All active ones by tier. Raises RpcError."""
    found = await reader.ask(m.LIST_MODELS)
    tiers = await reader.ask(m.DAO_SETTINGS)
    by_tier = {one.tier: one for one in tiers.tiers}
    rows = [(one, by_tier.get(one.tier)) for one in found]
    return Page("models.html", "Models", {"models": rows})
