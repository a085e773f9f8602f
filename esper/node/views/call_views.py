"""Tokens, costs and calls for the RPC."""

from functools import partial
from typing import Final

from esper.consensus.block import proof_hash
from esper.consensus.context import ChainContext
from esper.node.calls.call_book import CallBook, CallState
from esper.node.calls.text_service import ChatMessage, ModelText, NoTextError, TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory, HistoryView
from esper.node.chain.stored_blocks import StoredBlock, stored_block
from esper.node.clock import Clock
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.rpc_formats import as_of
from esper.primitives.ids import Txid, model_id_of, txid_of
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, NOT_FOUND, RpcError
from esper.storage.history.history_records import CallPlace
from esper.vm.answers import call_cost
from esper.vm.context import Answer
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

BUSY_FACTOR: Final = 2
"""With calls waiting for more than a block, a bid of so many times the least goes ahead."""


class CallViews:
    """Answers about calls and their texts."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        history: ChainHistory,
        texts: TextService,
        desk: CallBook,
        params: NetworkParameters,
        clock: Clock,
    ) -> None:
        self._chain = chain
        self._mempool = mempool
        self._history = history
        self._texts = texts
        self._desk = desk
        self._params = params
        self._clock = clock

    async def tokenize(self, params: s.TokenizeParams) -> s.Tokens:
        """Text or messages as the input of a call. Raises RpcError."""
        model, text = await self._model(params.model_id)
        tokens = _input(text, params.text, params.messages, None)
        return s.Tokens(model_id=model.model_id.hex(), tokens=tokens, count=len(tokens))

    async def detokenize(self, params: s.DetokenizeParams) -> s.TextReply:
        """Token ids as they follow others. Raises RpcError."""
        model, text = await self._model(params.model_id)
        _check_ids(params.tokens, model)
        _check_ids(params.prompt, model)
        return s.TextReply(text=text.text(params.prompt, params.tokens))

    async def estimate(self, params: s.EstimateParams) -> s.Estimate:
        """What a call would cost at a bid that goes through. Raises RpcError."""
        model, text = await self._model(params.model_id)
        tokens = _input(text, params.text, params.messages, params.tokens)
        _check_ids(tokens, model)
        rules = self._params.calls
        limit = min(rules.rows_per_call, model.shape.max_seq)
        rows = len(tokens) + params.max_tokens - 1
        if rows > limit:
            raise RpcError(
                INVALID_PARAMS,
                f"max_tokens: prompt of {len(tokens)} tokens and {params.max_tokens} of answer "
                f"take {rows} rows, at most {limit}; ask for {max(limit + 1 - len(tokens), 0)}",
            )
        waiting = self._mempool.pool.statistics().calls
        per_block = rules.groups_per_block * (rules.rows_per_group // rules.rows_per_call)
        least = self._params.credits.minimum_bid
        bid = least if waiting <= per_block else BUSY_FACTOR * least
        return s.Estimate(
            model_id=model.model_id.hex(),
            tokens=tokens,
            bid=bid,
            maximum_cost=str(call_cost(bid, len(tokens), params.max_tokens)),
            waiting_calls=waiting,
            expected_blocks=1 + waiting // per_block,
        )

    async def call(self, params: s.TransactionParams) -> s.CallReply:
        """A call and its answer. Raises RpcError."""
        txid = txid_of(params.txid)
        # All of one moment: mempool, desk and chain go on while a thread reads blocks.
        view, history = self._chain.view, self._history.view
        state = self._desk.state(txid)
        waiting = self._mempool.pool.get(txid)
        if waiting is not None:
            now = as_of(view.context, self._clock)
            return self._waiting(_call_of(waiting), waiting, state, view.context, now)
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
        now = as_of(view.context, self._clock)
        place = history.call(txid)
        if place is not None:
            return self._in_chain(txid, place, state, view, now)
        if dropped is None:
            raise RpcError(NOT_FOUND, f"no call {txid.hex()[:16]}… waits or is in the chain")
        return _reply(txid, None, "dropped", now, reason=dropped)

    async def _model(self, model_id: str | None) -> tuple[ModelEntry, ModelText]:
        view = self._chain.view
        models = [tier.model for tier in view.context.registry.tiers]
        wanted = models[0].model_id if model_id is None else model_id_of(model_id)
        model = next((one for one in models if one.model_id == wanted), None)
        if model is None:
            raise RpcError(NOT_FOUND, f"model {wanted.hex()[:16]}… is not active; see list_models")
        try:
            return model, self._texts.of(wanted)
        except NoTextError as error:
            raise RpcError(NOT_FOUND, str(error)) from error

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
            return _reply(txid, call, "queued", now, position=position, reason=reason)
        return self._at_desk(txid, call, state, now)

    def _at_desk(self, txid: Txid, call: LlmCall, state: CallState, now: s.AsOf) -> s.CallReply:
        said = state.answered.answer if state.answered is not None else None
        return _reply(txid, call, state.status, now, answer=self._text(call, said), tokens=said)

    def _in_chain(
        self,
        txid: Txid,
        place: CallPlace,
        state: CallState | None,
        view: ChainView,
        now: s.AsOf,
    ) -> s.CallReply:
        made = stored_block(view, place.place.height)
        call = _call_of(made.transaction(place.place.index))
        if place.answered is None:
            return self._open(txid, call, made, state, view, now)
        block = made
        if place.made.inline:
            said = made.answers()[txid]
        else:
            block = stored_block(view, place.answered.height)
            result = block.transaction(place.answered.index).payload
            said = result.answer if isinstance(result, LlmResult) else ()
        return _reply(
            txid,
            call,
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
            return _reply(
                txid,
                call,
                "lapsed",
                now,
                block=made,
                reason="nobody answered in time; its credits came back",
            )
        said = state.answered.answer if state is not None and state.answered is not None else None
        reason = f"its answer comes in a later block, before {lane.lapse_height}"
        return _reply(
            txid,
            call,
            "open",
            now,
            answer=self._text(call, said),
            tokens=said,
            block=made,
            reason=reason,
        )

    def _text(self, call: LlmCall, answer: Answer | None) -> str | None:
        if answer is None:
            return None
        try:
            return self._texts.of(call.model_id).text(call.prompt, answer)
        except NoTextError:
            return None


def _input(
    text: ModelText,
    given: str | None,
    messages: list[s.Message] | None,
    tokens: list[int] | None,
) -> list[int]:
    """Exactly one of the three, as token ids. Raises RpcError."""
    if sum(one is not None for one in (given, messages, tokens)) != 1:
        raise RpcError(INVALID_PARAMS, "text, messages, tokens: give exactly one of them")
    if tokens is not None:
        return tokens
    chat = [ChatMessage(one.role, one.content) for one in messages or ()]
    try:
        return text.of_messages(chat) if given is None else text.of_text(given)
    except NoTextError as error:
        raise RpcError(INVALID_PARAMS, str(error)) from error


def _check_ids(tokens: list[int], model: ModelEntry) -> None:
    wrong = next((token for token in tokens if token >= model.shape.vocab), None)
    if wrong is not None:
        raise RpcError(INVALID_PARAMS, f"tokens: {wrong}, ids are below {model.shape.vocab}")


def _call_of(transaction: Transaction) -> LlmCall:
    payload = transaction.payload
    if not isinstance(payload, LlmCall):
        raise RpcError(NOT_FOUND, f"{transaction.txid.hex()[:16]}… is no call: see get_transaction")
    return payload


def _proof_id(block: StoredBlock, txid: Txid) -> str | None:
    """Hash of the proof that covers a call's answer."""
    for group in block.content.groups:
        if any(proven.call_id == txid for proven in group.calls):
            return proof_hash(group.proof).hex()
    return None


def _reply(
    txid: Txid,
    call: LlmCall | None,
    status: str,
    now: s.AsOf,
    *,
    position: int = 0,
    answer: str | None = None,
    tokens: Answer | None = None,
    cost: int = 0,
    block: StoredBlock | None = None,
    proof_id: str | None = None,
    reason: str = "",
) -> s.CallReply:
    return s.CallReply(
        txid=txid.hex(),
        status=status,
        position=position,
        prompt_tokens=len(call.prompt) if call is not None else 0,
        max_tokens=call.max_tokens if call is not None else 0,
        price=call.price if call is not None else 0,
        answer=answer,
        answer_tokens=len(tokens or ()),
        cost=str(cost),
        height=block.height if block is not None else None,
        block=block.block_id.hex() if block is not None else None,
        proof_id=proof_id,
        reason=reason,
        as_of=now,
    )
