"""A transaction."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m

CALL: Final = "llm-call"
CREDITS: Final = frozenset({"credit-transfer"})
"""Kinds whose amounts are micro-credits."""


async def transaction(reader: ChainReader, asking: Asking) -> Page:
    """By id. Raises RpcError."""
    found = await reader.ask(m.GET_TRANSACTION, txid=asking.params["txid"])
    values = {
        "tx": found,
        "is_call": found.kind == CALL,
        "is_credits": found.kind in CREDITS,
        "is_sender_known": bool(found.sender),
    }
    return Page("transaction.html", f"Transaction {found.txid[:12]}…", values)
