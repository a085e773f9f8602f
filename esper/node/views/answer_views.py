"""Calls and their answers for the RPC: where each stands, from the queue to its block."""

from functools import partial

from esper.consensus.block import proof_hash
from esper.consensus.context import ChainContext
from esper.node.calls.call_book import CallBook, CallState
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory, HistoryView
from esper.node.chain.stored_blocks import StoredBlock, stored_block
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.call_replies import (
    answer_text,
    call_of,
    call_reply,
    no_such_call,
    prompt_text,
)
from esper.node.views.sync_state import SyncState
from esper.primitives.ids import Txid, txid_of
from esper.rpc import schema as s
from esper.storage.history.history_records import CallPlace
from esper.vm.answers import call_cost
from esper.vm.context import Answer
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay


class AnswerViews:
    """Answers about calls that were made."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        history: ChainHistory,
        texts: TextService,
        desk: CallBook,
        sync: SyncState,
    ) -> None:
        self._chain = chain
        self._mempool = mempool
        self._history = history
        self._texts = texts
        self._desk = desk
        self._sync = sync

    async def call(self, params: s.TransactionParams) -> s.CallReply:
        """A call and its answer. Raises RpcError."""
        txid = txid_of(params.txid)
        # All of one moment: mempool, desk and chain go on while a thread reads blocks.
        view, history = self._chain.view, self._history.view
        state = self._desk.state(txid)
        waiting = self._mempool.pool.get(txid)
        if waiting is not None:
            now = self._sync.as_of(view.context)
            return self._waiting(call_of(waiting), waiting, state, view.context, now)
        reason = self._mempool.pool.dropped_reason(txid)
        return await self._chain.in_thread(partial(self._settled, txid, state, history, reason))

    def _settled(
        self,
        txid: Txid,
        state: CallState | None,
        history: HistoryView,
        dropped: str | None,
        view: ChainView,
    ) -> s.CallReply:
        """A call that does not wait."""
        now = self._sync.as_of(view.context)
        place = history.call(txid)
        if place is not None:
            return self._in_chain(txid, place, state, view, now)
        if dropped is None:
            raise no_such_call(txid)
        return call_reply(txid, None, None, "dropped", now, reason=dropped)

    def _waiting(
        self,
        call: LlmCall,
        transaction: Transaction,
        state: CallState | None,
        chain: ChainContext,
        now: s.AsOf,
    ) -> s.CallReply:
        txid = transaction.txid
        position = self._mempool.pool.call_position(txid, chain.height + 1) or 0
        if state is None or state.status == "declined":
            reason = "" if state is None else "its answer is long, and this node returns no such"
            return call_reply(
                txid,
                call,
                prompt_text(self._texts, call),
                "queued",
                now,
                position=position,
                reason=reason,
            )
        return self._at_desk(txid, call, state, now)

    def _at_desk(self, txid: Txid, call: LlmCall, state: CallState, now: s.AsOf) -> s.CallReply:
        said = state.answered.answer if state.answered is not None else None
        return call_reply(
            txid,
            call,
            prompt_text(self._texts, call),
            state.status,
            now,
            answer=self._text(call, said),
            tokens=said,
        )

    def _in_chain(
        self,
        txid: Txid,
        place: CallPlace,
        state: CallState | None,
        view: ChainView,
        now: s.AsOf,
    ) -> s.CallReply:
        made = stored_block(view, place.place.height)
        call = call_of(made.transaction(place.place.index))
        if place.answered is None:
            return self._open(txid, call, made, state, view, now)
        block = made
        if place.made.inline:
            said = made.answers()[txid]
        else:
            block = stored_block(view, place.answered.height)
            result = block.transaction(place.answered.index).payload
            said = result.answer if isinstance(result, LlmResult) else ()
        return call_reply(
            txid,
            call,
            prompt_text(self._texts, call),
            "answered",
            now,
            answer=self._text(call, said),
            tokens=said,
            cost=call_cost(call.price, len(call.prompt), len(said)),
            block=block,
            proof_id=_proof_id(block, txid),
        )

    def _open(
        self,
        txid: Txid,
        call: LlmCall,
        made: StoredBlock,
        state: CallState | None,
        view: ChainView,
        now: s.AsOf,
    ) -> s.CallReply:
        lane = Ledger(Overlay(view.state)).lane(txid)
        if lane is None:
            return call_reply(
                txid,
                call,
                prompt_text(self._texts, call),
                "lapsed",
                now,
                block=made,
                reason="nobody answered in time; its credits came back",
            )
        said = state.answered.answer if state is not None and state.answered is not None else None
        reason = f"its answer comes in a later block, before {lane.lapse_height}"
        return call_reply(
            txid,
            call,
            prompt_text(self._texts, call),
            "open",
            now,
            answer=self._text(call, said),
            tokens=said,
            block=made,
            reason=reason,
        )

    def _text(self, call: LlmCall, answer: Answer | None) -> str | None:
        return None if answer is None else answer_text(self._texts, call, answer)


def _proof_id(block: StoredBlock, txid: Txid) -> str | None:
    """Hash of the proof that covers a call's answer."""
    for group in block.content.groups:
        if any(proven.call_id == txid for proven in group.calls):
            return proof_hash(group.proof).hex()
    return None
