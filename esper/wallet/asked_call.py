"""A call to a model: the prompt as tokens, the bid, and what it may cost."""

from collections.abc import Sequence
from typing import Final

from esper.primitives.ids import ModelId, model_id_of
from esper.primitives.params import NetworkParameters
from esper.rpc.methods import ESTIMATE_CALL
from esper.rpc.schema import Estimate, EstimateParams, Message
from esper.vm.answers import MAX_ANSWER_TOKENS
from esper.vm.llm_call import LlmCall
from esper.vm.records import MAX_PROMPT_TOKENS
from esper.wallet.amounts import bid_text, counted
from esper.wallet.errors import CallShapeError, MisuseError, NodeContradictionError
from esper.wallet.node_port import Node

MAX_SUGGESTED_TIMES: Final = 100
"""A bid above so many times the least is nobody's mistake but the node's: it must be typed."""

MAX_BID: Final = (1 << 32) - 1


def asked_call(
    node: Node,
    params: NetworkParameters,
    text: str,
    max_tokens: int,
    *,
    bid: int | None = None,
    chat: bool = False,
) -> tuple[LlmCall, Estimate]:
    """The call, and what the node expects of it.

    ``bid`` is micro-credits per weighted token; without it the node's suggestion is taken, within
    reason. With ``chat`` the text is a user's message in the model's template. Raises
    CallShapeError, MisuseError, NodeContradictionError, and the node's errors.
    """
    _check_max_tokens(max_tokens)
    asked = EstimateParams(max_tokens, text=text)
    if chat:
        asked = EstimateParams(max_tokens, messages=[Message("user", text)])
    estimate = node.call(ESTIMATE_CALL, asked)
    prompt = tuple(estimate.tokens)
    _check_shape(prompt, max_tokens, params)
    if not all(0 <= token < 1 << 32 for token in prompt):
        raise NodeContradictionError("the node's tokens are no token ids: ask another node")
    return LlmCall(_model_id(estimate), prompt, max_tokens, _bid(bid, estimate, params)), estimate


def call_of_tokens(
    params: NetworkParameters, tokens: Sequence[int], max_tokens: int, bid: int | None = None
) -> LlmCall:
    """A call to the network's model with a prompt of these token ids; no node is asked.

    ``bid`` is micro-credits per weighted token, the least without. Raises CallShapeError, and
    MisuseError for an answer, a bid or an id that cannot be.
    """
    _check_max_tokens(max_tokens)
    model, least = params.model, params.credits.minimum_bid
    wrong = next((token for token in tokens if not 0 <= token < model.shape.vocab), None)
    if wrong is not None:
        raise MisuseError(f"token id {wrong}: ids of the model are below {model.shape.vocab}")
    prompt = tuple(tokens)
    _check_shape(prompt, max_tokens, params)
    if bid is not None:
        _check_bid(bid, least)
    return LlmCall(model.model_id, prompt, max_tokens, least if bid is None else bid)


def _check_max_tokens(max_tokens: int) -> None:
    if not 1 <= max_tokens <= MAX_ANSWER_TOKENS:
        raise MisuseError(f"--max-tokens is {max_tokens}, must be 1 to {MAX_ANSWER_TOKENS}")


def _check_shape(prompt: Sequence[int], max_tokens: int, params: NetworkParameters) -> None:
    rows, limit = len(prompt) + max_tokens - 1, params.calls.rows_per_call
    if not 1 <= len(prompt) <= MAX_PROMPT_TOKENS or rows > limit:
        raise CallShapeError(
            f"the prompt has {counted(len(prompt), 'token')}, with {max_tokens} of answer that is "
            f"{counted(rows, 'row')}; {params.name} takes {limit}: shorten the prompt or lower "
            "--max-tokens"
        )


def _model_id(estimate: Estimate) -> ModelId:
    try:
        return model_id_of(estimate.model_id)
    except ValueError:
        raise NodeContradictionError("the node's model_id is no id: ask another node") from None


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
