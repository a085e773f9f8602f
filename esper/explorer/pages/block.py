"""A block."""

import re
from typing import Any, Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m

_HEIGHT: Final = re.compile("[0-9]{1,7}", re.ASCII)
"""Eight digits and more are the beginning of an id."""


def which(name: str) -> dict[str, Any]:
    """The parameters of ``get_block`` for a height, or an id or the beginning of one."""
    return {"height": int(name)} if _HEIGHT.fullmatch(name) else {"hash": name}


async def block(reader: ChainReader, asking: Asking) -> Page:
    """By height or id. Raises RpcError."""
    found = await reader.ask(m.GET_BLOCK, **which(asking.params["name"]))
    status = await reader.ask(m.GET_STATUS)
    return Page("block.html", f"Block {found.height:,}", {"block": found, "tip": status.height})
