"""Checks a receipt in the browser; nothing of it leaves the machine."""

import re
from typing import Any, Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m

_HEIGHT: Final = re.compile("[0-9]{1,9}", re.ASCII)


async def receipt(reader: ChainReader, asking: Asking) -> Page:
    """The page alone: its script does the rest."""
    return Page("receipt.html", "Check a receipt")


async def block_id(reader: ChainReader, height: str) -> dict[str, Any] | None:
    """Which block is at a height: the node's word for an anchor, where somebody takes it.

    ``hash`` is None above the tip; None in all for what is no height. Raises RpcError.
    """
    if not _HEIGHT.fullmatch(height):
        return None
    wanted = int(height)
    tip = (await reader.ask(m.GET_STATUS)).height
    rows = (await reader.ask(m.GET_BLOCKS, **{"from": wanted, "n": 1})).blocks
    found = next((row.hash for row in rows if row.height == wanted), None)
    return {"height": wanted, "hash": found, "tip": tip}
