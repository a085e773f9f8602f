"""Following a call until it is answered."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from esper.rpc.methods import GET_CALL
from esper.rpc.schema import AsOf, CallReply, TransactionParams
from esper.wallet.node_port import Node

FINAL: Final = frozenset({"answered", "lapsed", "dropped"})
"""After these nothing more happens, but for a reorganisation."""

INTERVAL_S: Final = 0.5
"""Between two questions: well below a block's time, and nothing to a node."""


def call_progress(
    node: Node, txid: str, sleep: Callable[[float], None], *, interval_s: float = INTERVAL_S
) -> Iterator[CallReply]:
    """What the node says of a call, whenever it says something else, up to the last.

    Raises the node's errors; the call goes on without whoever asks.
    """
    last: CallReply | None = None
    while True:
        reply = node.call(GET_CALL, TransactionParams(txid))
        # A new block alone is no news.
        news = replace(reply, as_of=AsOf(0, True))
        if news != last:
            yield reply
        last = news
        if reply.status in FINAL:
            return
        sleep(interval_s)


def phrase(reply: CallReply) -> str:
    """Where a call stands, in a few words."""
    match reply.status:
        case "queued":
            return f"queued, {reply.position} before it" if reply.position else "queued, it is next"
        case "proven":
            return "proven, waits for its block"
        case "answered":
            return f"in block {reply.height}"
        case "open":
            return "its answer comes in a later block"
        case "lapsed":
            return "lapsed unanswered, its credits are back"
        case "dropped":
            return f"dropped: {reply.reason}"
        case _:
            return reply.status
