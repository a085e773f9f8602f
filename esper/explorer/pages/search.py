"""Finds a block, a transaction or an address by its name."""

import re
from typing import Any, Final

from esper.explorer.page import Asking, Elsewhere, Page
from esper.explorer.pages.block import which
from esper.explorer.port import ChainReader
from esper.rpc import methods as m
from esper.rpc.errors import INVALID_PARAMS, NOT_FOUND, RpcError
from esper.rpc.method import Method

LONGEST: Final = 200
_BLOCK: Final = re.compile("[0-9]{1,7}|[0-9a-f]{8,128}", re.ASCII)
_ID: Final = re.compile("[0-9a-f]{8,128}", re.ASCII)
_ADDRESS: Final = re.compile(r"[a-z]{1,8}1[a-z0-9]{6,110}", re.ASCII)


async def search(reader: ChainReader, asking: Asking) -> Page | Elsewhere:
    """``?q=``: a height, an id or its beginning, an address. Raises RpcError."""
    wanted = asking.query.get("q", "").strip()[:LONGEST]
    name = wanted.lower().replace(",", "")
    found = await _found(reader, name) if name else []
    if len(found) == 1:
        return Elsewhere(found[0][1])
    values = {"wanted": wanted, "found": found}
    return Page("search.html", "Search", values)


async def _found(reader: ChainReader, name: str) -> list[tuple[str, str]]:
    """Kinds and paths of what is called so."""
    found = []
    if _BLOCK.fullmatch(name) and await _is_there(reader, m.GET_BLOCK, **which(name)):
        found.append(("Block", f"/block/{name}"))
    if _ID.fullmatch(name) and await _is_there(reader, m.GET_TRANSACTION, txid=name):
        found.append(("Transaction", f"/tx/{name}"))
    if _ADDRESS.fullmatch(name) and await _is_there(reader, m.GET_ACCOUNT, address=name):
        found.append(("Address", f"/address/{name}"))
    return found


async def _is_there(reader: ChainReader, method: Method[Any, Any], **params: Any) -> bool:
    """Whether the node has it. Raises RpcError for troubles of the node's own."""
    try:
        await reader.ask(method, **params)
    except RpcError as error:
        if error.code not in (NOT_FOUND, INVALID_PARAMS):
            raise
        return False
    return True
