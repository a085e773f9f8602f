"""Receipts of calls that this node's chain holds: one at a time, from parts that stand in it.

    the call's block, h     the anchor, h + 6 or later     the tip, 6 above the anchor
    call, group, work   <-- kind 11, 14, 23 of its state <-- nobody takes that back any more

The state on disk is the tip's. That of the anchor is the tip's with the last blocks taken back, by
their undo records and in memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from esper.consensus.ports import WorkVerifier
from esper.node.calls.call_book import CallBook
from esper.node.calls.text_service import NoTextError, TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory, HistoryView
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.receipts.answered_call import (
    AnsweredCall,
    answered_call,
    check_not_waiting,
    none_yet,
    of_one_tip,
)
from esper.node.views.receipts.stored_anchor import NotInStateError, StoredAnchor
from esper.node.views.receipts.stored_source import StoredSource
from esper.primitives.ids import BlockId, Txid
from esper.receipts.build import build_proof
from esper.receipts.form import encode_receipt
from esper.receipts.links.chain import names_model
from esper.receipts.parts import BURIED, AnswerReceipt, AskedFor, Signed
from esper.storage.errors import StorageError
from esper.storage.state.past_states import PastStates

RECEIPT: Final = "receipt"
AT_ONCE: Final = 2
"""Receipts that are made at once: each reads whole blocks."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a receipt is to hold beside the proof of the answer."""

    work: bool | None = None
    """The block's work; None: where its proof is kept."""
    anchor: bool | None = None
    """A later header; None: where there is one that is deep enough."""
    instant: Signed | None = None
    """What a gateway signed."""
    request: AskedFor | None = None
    """What it was asked, beside ``instant`` alone."""


@dataclass(frozen=True, slots=True)
class MadeReceipt:
    """A receipt, and where its call stands by the chain of now."""

    data: bytes
    """Its bytes."""
    height: int
    """Of the block that holds the answer."""
    block_id: BlockId
    """64 bytes: that block."""
    anchor: int | None
    """Height of the anchor, None without one."""
    anchored_at: int
    """The tip's height from which on there is one."""
    lacking: str
    """Why work or anchor are not there, in a sentence; empty if they are."""
    view: ChainView
    """The chain that it was made of."""


class ReceiptMaker:
    """Makes receipts, two at a time."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        history: ChainHistory,
        desk: CallBook,
        texts: TextService,
        verifier: WorkVerifier,
    ) -> None:
        """``verifier`` says which rows an old proof has, where votes have moved them."""
        self._chain = chain
        self._mempool = mempool
        self._history = history
        self._desk = desk
        self._texts = texts
        self._verifier = verifier
        self._past = PastStates()
        self._turns = trio.Semaphore(AT_ONCE)

    async def made(self, txid: Txid, wanted: Wanted) -> MadeReceipt:
        """The receipt of a call. Raises RpcError with ``data.status`` where there is none."""

        async def make() -> MadeReceipt:
            check_not_waiting(txid, self._mempool, self._desk, RECEIPT)
            dropped = self._mempool.pool.dropped_reason(txid)
            work = partial(self._made, txid, wanted, self._history.view, dropped)
            return await self._chain.in_thread(work)

        async with self._turns:
            return await of_one_tip(make)

    def _made(
        self,
        txid: Txid,
        wanted: Wanted,
        history: HistoryView,
        dropped: str | None,
        view: ChainView,
    ) -> MadeReceipt:
        call = answered_call(txid, history, dropped, view, RECEIPT)
        source = StoredSource(view, call, self._texts, self._chain.headers_of)
        make = partial(
            build_proof,
            source,
            txid,
            self._verifier,
            with_work=wanted.work is not False,
            instant=wanted.instant,
            request=wanted.request,
        )
        try:
            receipt, lacking = self._anchored(make, call, wanted, view)
        except NoTextError as error:
            why = f"{error}: ask a node that answers calls to this model, or take `get_proof`"
            raise none_yet(txid, RECEIPT, "no_tokenizer", why) from error
        height = call.answered.height
        if receipt.work is None and wanted.work is not False:
            pruned = f"the work of block {height} is pruned here, an archive node has it"
            if wanted.work:
                why = f"{pruned}; with work: false there is a receipt without it"
                raise none_yet(txid, RECEIPT, "pruned", why)
            lacking = "; ".join(filter(None, (pruned, lacking)))
        return MadeReceipt(
            data=encode_receipt(receipt),
            height=height,
            block_id=source.block.block_id,
            anchor=None if receipt.anchor is None else view.context.height - BURIED,
            anchored_at=height + 2 * BURIED,
            lacking=lacking,
            view=view,
        )

    def _anchored(
        self,
        make: Callable[..., AnswerReceipt],
        call: AnsweredCall,
        wanted: Wanted,
        view: ChainView,
    ) -> tuple[AnswerReceipt, str]:
        """The receipt, and why it has no anchor if it is to have one."""
        if wanted.anchor is False:
            return make(), ""
        tip = view.context.height
        least = call.answered.height + 2 * BURIED
        if tip < least:
            why = f"the anchor comes with block {least}, the tip is {tip}"
            if wanted.anchor:
                raise none_yet(call.txid, RECEIPT, "not_deep", f"{why}: ask again then")
            return make(), why
        try:
            state = self._past.below(view.store, BURIED)
            anchor = StoredAnchor(view, tip - BURIED, state, call.answered, self._chain.headers_of)
            receipt = make(anchor=anchor)
            if _names_all(receipt):
                return receipt, ""
            why = "a model of the receipt has left its tier since: take its id to --model"
        except NotInStateError:
            why = "the tier of a model of the receipt has ended since: take its id to --model"
        except StorageError as error:
            why = f"this node cannot make an anchor: {error}"
        if wanted.anchor:
            raise none_yet(call.txid, RECEIPT, "no_anchor", why)
        return make(), why


def _names_all(receipt: AnswerReceipt) -> bool:
    """Whether the anchor's tiers still have the models, which is when it shows anything."""
    assert receipt.anchor is not None
    assert receipt.models is not None
    pairs = zip(receipt.models, receipt.anchor.tiers, strict=True)
    return all(names_model(tier.record, model) for model, tier in pairs)
