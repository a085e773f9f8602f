"""A call to a model: the prompt as tokens, the bid, and what it may cost."""

from collections.abc import Sequence
from typing import Final

from esper.primitives.ids import ModelId, model_id_of
from esper.primitives.params import NetworkParameters
from esper.receipts.call_proof import network_models
from esper.rpc.methods import ESTIMATE_CALL, LIST_MODELS
from esper.rpc.schema import Estimate, EstimateParams, Message, NoParams
from esper.vm.answers import MAX_ANSWER_TOKENS
from esper.vm.llm_call import LlmCall
from esper.vm.records import MAX_PROMPT_TOKENS
from esper.wallet.amounts import bid_text
from esper.wallet.errors import CallShapeError, MisuseError, NodeContradictionError
from esper.wallet.node_port import Node

MAX_SUGGESTED_TIMES: Final = 100
"""A bid above so many times the least is nobody's mistake but the node's: it must be typed."""

MAX_BID: Final = (1 << 32) - 1

ANSWERING: Final = "yes"
"""What a node that answers calls says of that."""


def asked_call(
    node: Node,
    params: NetworkParameters,
    text: str,
    max_tokens: int,
    *,
    bid: int | None = None,
    chat: bool = False,
    tokens: Sequence[int] | None = None,
) -> tuple[LlmCall, Estimate]:
    """The call, and what the node expects of it.

    ``bid`` is micro-credits per weighted token; without it the node's suggestion is taken, within
    reason. With ``chat`` the text is a user's message in the model's template. ``tokens`` is the
    text as the wallet's own tokenizer of the model has it that the network began with; without
    them, or where votes have brought another model, the node's are taken: which model that is, the
    node says. Raises CallShapeError, MisuseError, NodeContradictionError, and the node's errors.
    """
    if max_tokens < 1:
        raise MisuseError(f"--max-tokens is {max_tokens}, must be 1 at least")
    active = active_models(node)
    if active and active[0] != params.model.model_id:
        tokens = None
    if tokens is not None:
        _check_lengths(len(tokens), max_tokens, params)
    estimate = node.call(ESTIMATE_CALL, _asked(params, text, chat, tokens))
    prompt = tuple(estimate.tokens if tokens is None else tokens)
    model_id = _model_id(estimate, params, active)
    _check_lengths(len(prompt), max_tokens, params, model_id)
    if not all(0 <= token < 1 << 32 for token in prompt):
        raise NodeContradictionError("the node's tokens are no token ids: ask another node")
    if tokens is not None and model_id != params.model.model_id:
        raise NodeContradictionError("the node answers about another model: ask another node")
    return LlmCall(model_id, prompt, max_tokens, _bid(bid, estimate, params)), estimate


def active_models(node: Node) -> list[ModelId]:
    """The models that answer calls, by tier, as a node says. Raises NodeContradictionError."""
    try:
        return [model_id_of(one.model_id) for one in node.call(LIST_MODELS, NoParams())]
    except ValueError:
        raise NodeContradictionError("the node's models have no ids: ask another node") from None


def call_of_tokens(
    params: NetworkParameters, tokens: Sequence[int], max_tokens: int, bid: int | None = None
) -> LlmCall:
    """A call to the network's model with a prompt of these token ids; no node is asked.

    ``bid`` is micro-credits per weighted token, the least without. Raises CallShapeError, and
    MisuseError for an answer, a bid or an id that cannot be.
    """
    if max_tokens < 1:
        raise MisuseError(f"--max-tokens is {max_tokens}, must be 1 at least")
    model, least = params.model, params.credits.minimum_bid
    wrong = next((token for token in tokens if not 0 <= token < model.shape.vocab), None)
    if wrong is not None:
        raise MisuseError(f"token id {wrong}: ids of the model are below {model.shape.vocab}")
    prompt = tuple(tokens)
    _check_lengths(len(prompt), max_tokens, params)
    if bid is not None:
        _check_bid(bid, least)
    return LlmCall(model.model_id, prompt, max_tokens, least if bid is None else bid)


def why_not_answered(estimate: Estimate) -> str:
    """Why nobody at the node answers the call, empty if it does or does not say."""
    said = estimate.answering
    return "" if said is None or said == ANSWERING or said.startswith(f"{ANSWERING}, ") else said


def answered_when(estimate: Estimate) -> str:
    """What a node that answers adds to that, such as that its blocks must be asked for."""
    said = estimate.answering or ""
    return said.removeprefix(ANSWERING) if said.startswith(f"{ANSWERING}, ") else ""


def _asked(
    params: NetworkParameters, text: str, chat: bool, tokens: Sequence[int] | None
) -> EstimateParams:
    # One token of answer: how long it may be follows from the prompt, and is checked here.
    if tokens is not None:
        return EstimateParams(1, tokens=list(tokens), model_id=params.model.model_id.hex())
    if chat:
        return EstimateParams(1, messages=[Message("user", text)])
    return EstimateParams(1, text=text)


def _check_lengths(
    prompt: int, max_tokens: int, params: NetworkParameters, model_id: ModelId | None = None
) -> None:
    """Raises CallShapeError for the prompt, MisuseError for ``max_tokens``: each says its most.

    Of a model that votes have brought, the shape is not known here: the node judges what fits it.
    """
    limit = min(params.calls.rows_per_call, MAX_PROMPT_TOKENS)
    if model_id in (None, params.model.model_id):
        limit = min(limit, params.model.shape.max_seq)
    if prompt < 1:
        raise CallShapeError("the prompt has 0 tokens: there is nothing to answer")
    if prompt > limit:
        raise CallShapeError(
            f"the prompt has {prompt} tokens, {params.name} takes at most {limit}, and one of "
            f"answer then: shorten it by {prompt - limit}"
        )
    # The last answer token is never fed back, so it takes no row.
    most = min(limit + 1 - prompt, MAX_ANSWER_TOKENS)
    if max_tokens > most:
        raise MisuseError(
            f"--max-tokens is {max_tokens}, must be 1 to {most} after a prompt of {prompt} tokens "
            f"on {params.name}"
        )


def _model_id(estimate: Estimate, params: NetworkParameters, active: list[ModelId]) -> ModelId:
    try:
        found = model_id_of(estimate.model_id)
    except ValueError:
        raise NodeContradictionError("the node's model_id is no id: ask another node") from None
    if found not in network_models(params) and found not in active:
        raise NodeContradictionError(
            f"the node names model {found.hex()[:16]}…, which {params.name} does not, nor its "
            "own list of models: ask another node"
        )
    return found


def _check_bid(bid: int, least: int) -> None:
    if not least <= bid <= MAX_BID:
        raise MisuseError(f"--bid is {bid}, must be {least} to {MAX_BID} micro-credits a token")


def _bid(bid: int | None, estimate: Estimate, params: NetworkParameters) -> int:
    least = params.credits.minimum_bid
    if bid is not None:
        _check_bid(bid, least)
        return bid
    if estimate.bid > MAX_SUGGESTED_TIMES * least:
        raise NodeContradictionError(
            f"the node suggests a bid of {bid_text(estimate.bid)}, more than the cap of "
            f"{bid_text(MAX_SUGGESTED_TIMES * least)}: if you mean it, add --bid {estimate.bid}"
        )
    return max(estimate.bid, least)
