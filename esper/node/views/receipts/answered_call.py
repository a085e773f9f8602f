"""Where a call was answered, or why it was not: for proofs and receipts."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from esper.node.calls.call_book import CallBook
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import HistoryView
from esper.node.chain.stored_blocks import stored_block
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.call_replies import call_of, no_such_call
from esper.primitives.ids import Txid
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.storage.history.history_records import CallPlace, Place
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay

TRIES: Final = 3
"""How often what is read of two tips is read at all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A call of the chain that has its answer."""

    txid: Txid
    """64 bytes."""
    place: CallPlace
    """Where it stands."""
    answered: Place
    """The transaction that holds, or came with, the answer."""


class ChainMovedError(RpcError):
    """The index of calls and the blocks that were read are of two tips; a later try may do."""

    def __init__(self, indexed: int, tip: int, what: str) -> None:
        super().__init__(
            NOT_FOUND,
            f"no {what} can be read now (moved): calls are indexed up to block {indexed}, of "
            f"another chain or behind block {tip}, the tip: ask again",
            {"status": "moved", "retry": True},
        )


async def of_one_tip(read: Callable[[], Awaitable[T]]) -> T:
    """What is read, again while the chain moves on below it, but not for ever.

    ``read`` takes both of its views anew. Raises ChainMovedError, and what ``read`` raises.
    """
    for _ in range(TRIES - 1):
        with suppress(ChainMovedError):
            return await read()
    return await read()


def check_not_waiting(txid: Txid, mempool: MempoolService, desk: CallBook, what: str) -> None:
    """Raises RpcError for a call that waits for its block, and for what waits and is none.

    ``what`` it has not yet: a proof, a receipt.
    """
    waiting = mempool.pool.get(txid)
    if waiting is None:
        return
    call_of(waiting)
    state = desk.state(txid)
    where = "queued" if state is None or state.status == "declined" else state.status
    raise none_yet(txid, what, where, "it waits for its block")


def answered_call(
    txid: Txid, history: HistoryView, dropped: str | None, view: ChainView, what: str
) -> AnsweredCall:
    """A call that does not wait. Raises RpcError with ``data.status`` if it has no answer.

    ``dropped`` is why the mempool let go of it, if it did. Raises ChainMovedError if ``history``
    and ``view`` are not of one tip: over a reorganisation a place of the one would be another
    block of the other.
    """
    indexed = history.tip
    if indexed.block_id != view.context.tip_id:
        raise ChainMovedError(indexed.height, view.context.height, what)
    place = history.call(txid)
    if place is None:
        stands = history.transaction(txid)
        if stands is not None:
            call_of(stored_block(view, stands.height).transaction(stands.index))
        if dropped is not None:
            raise none_yet(txid, what, "dropped", f"it never will be: {dropped}")
        raise no_such_call(txid)
    if place.answered is not None:
        return AnsweredCall(txid, place, place.answered)
    lane = Ledger(Overlay(view.state)).lane(txid)
    if lane is None:
        why = "nobody answered in time, and its credits came back"
        raise none_yet(txid, what, "lapsed", why)
    why = f"its answer comes in a later block, before {lane.lapse_height}"
    raise none_yet(txid, what, "open", why)


def none_yet(txid: Txid, what: str, status: str, why: str) -> RpcError:
    """The error for a call without proof, or receipt."""
    return RpcError(
        NOT_FOUND,
        f"call {txid.hex()[:16]}… has no {what} ({status}): {why}",
        {"status": status},
    )
