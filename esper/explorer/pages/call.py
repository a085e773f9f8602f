"""A call and what the model answered."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.explorer.writing import standing
from esper.rpc import methods as m

WORDS: Final = {
    "queued": "waiting",
    "answering": "being answered",
    "proving": "being proven",
    "proven": "proof made, not in a block",
    "open": "in a block, its answer not yet",
    "lapsed": "lapsed",
    "dropped": "dropped",
}
"""For what the node says of a call that is not answered in the chain."""


async def call(reader: ChainReader, asking: Asking) -> Page:
    """By the id of its transaction. Raises RpcError."""
    found = await reader.ask(m.GET_CALL, txid=asking.params["txid"])
    above = 0
    if found.status == "answered" and found.height is not None:
        above = max(0, found.as_of.height - found.height + 1)
    words = standing(above) if above else WORDS.get(found.status, found.status)
    values = {"call": found, "words": words, "confirmations": above}
    return Page("call.html", f"Call {found.txid[:12]}…", values)
