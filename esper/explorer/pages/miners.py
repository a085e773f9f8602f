"""Who was paid for the last blocks."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m

WINDOWS: Final = ("144", "500", "1000")
SHOWN: Final = 100


async def miners(reader: ChainReader, asking: Asking) -> Page:
    """``?window=`` of the last blocks. Raises RpcError."""
    given = asking.query.get("window", WINDOWS[0])
    chosen = given if given in WINDOWS else WINDOWS[0]
    found = await reader.ask(m.GET_MINERS, window=int(chosen))
    values = {
        "found": found,
        "rows": found.miners[:SHOWN],
        "windows": WINDOWS,
        "chosen": chosen,
    }
    return Page("miners.html", "Miners", values)
