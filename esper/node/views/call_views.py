"""Tokens and costs of calls for the RPC."""

from typing import Final

from esper.node.calls.suggested_bid import calls_per_block, suggested_bid
from esper.node.calls.text_service import ChatMessage, ModelText, NoTextError, TextService
from esper.node.chain.chain_service import ChainService
from esper.node.in_force import parameters_of
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.mining_control import MiningControl
from esper.primitives.ids import ModelId, model_id_of
from esper.primitives.model_entry import ModelEntry
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, NOT_FOUND, RpcError
from esper.vm.answers import MAX_ANSWER_TOKENS, call_cost
from esper.vm.call_rows import call_rows

LONGEST_CHAT: Final = 65_536
"""Characters of all messages together, as of a text: nothing else is answered while a tokenizer
works, which a text of this length takes up to a sixth of a second of."""


class CallViews:
    """Answers about calls and their texts."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        texts: TextService,
        mining: MiningControl | None,
    ) -> None:
        """``mining`` is this node's miner, None if it has none."""
        self._chain = chain
        self._mempool = mempool
        self._texts = texts
        self._mining = mining

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
        try:
            return s.TextReply(text=text.text(params.prompt, params.tokens))
        except NoTextError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error

    async def estimate(self, params: s.EstimateParams) -> s.Estimate:
        """What a call would cost at a bid that goes through. Raises RpcError."""
        model, text = await self._model(params.model_id)
        tokens = _input(text, params.text, params.messages, params.tokens)
        if not tokens or params.text == "":
            raise RpcError(INVALID_PARAMS, "the prompt is empty: there is nothing to answer")
        _check_ids(tokens, model)
        view = self._chain.view
        rules = parameters_of(view.context, view.state).calls
        _check_lengths(len(tokens), params.max_tokens, call_rows(rules, model.shape))
        waiting = self._mempool.pool.statistics().calls
        per_block = calls_per_block(view.context, view.state)
        bid = suggested_bid(model.model_id, view.context, view.state, waiting)
        return s.Estimate(
            model_id=model.model_id.hex(),
            tokens=tokens,
            bid=bid,
            maximum_cost=str(call_cost(bid, len(tokens), params.max_tokens)),
            waiting_calls=waiting,
            expected_blocks=1 + waiting // per_block,
            answering=self._answering(model.model_id),
        )

    def _answering(self, model_id: ModelId) -> str:
        """``yes``, or why nobody at this node answers calls to a model now."""
        if self._mining is None:
            return "this node does not mine, so it answers no calls"
        if not self._mining.answers(model_id):
            return f"this node mines with another model, not with {model_id.hex()[:16]}…"
        standing = self._mining.standing()
        if standing.paused:
            return "mining is paused at this node: go on with `esperd resume`"
        if not standing.running:
            return "yes, in blocks that `generate` must be asked for"
        return "yes"

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
    said = sum(len(one.content) for one in chat)
    if said > LONGEST_CHAT:
        raise RpcError(
            INVALID_PARAMS,
            f"messages: they have {said} characters in all, at most {LONGEST_CHAT} are taken",
        )
    try:
        return text.of_messages(chat) if given is None else text.of_text(given)
    except NoTextError as error:
        raise RpcError(INVALID_PARAMS, str(error)) from error


def _check_ids(tokens: list[int], model: ModelEntry) -> None:
    wrong = next((token for token in tokens if token >= model.shape.vocab), None)
    if wrong is not None:
        raise RpcError(INVALID_PARAMS, f"tokens: {wrong}, ids are below {model.shape.vocab}")


def _check_lengths(prompt: int, max_tokens: int, limit: int) -> None:
    """Raises RpcError that says what would be taken; ``limit`` is the most rows of a call."""
    if prompt > limit:
        raise RpcError(
            INVALID_PARAMS,
            f"the prompt has {prompt} tokens, a call takes at most {limit} with one of answer: "
            f"leave out {prompt - limit}",
        )
    # The last answer token is never fed back, so it takes no row.
    most = min(limit + 1 - prompt, MAX_ANSWER_TOKENS)
    if max_tokens > most:
        raise RpcError(
            INVALID_PARAMS,
            f"max_tokens is {max_tokens}, must be 1 to {most} after a prompt of {prompt} tokens",
            {"field": "max_tokens", "most": most},
        )
