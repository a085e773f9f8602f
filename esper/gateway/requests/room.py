"""How long an answer may be, once the prompt's tokens are counted."""

from esper.gateway.refusals import Refused
from esper.gateway.requests.asked import Endpoint, Request

INPUT_FIELDS = {
    Endpoint.CHAT: "messages",
    Endpoint.COMPLETIONS: "prompt",
    Endpoint.RESPONSES: "input",
    Endpoint.OLLAMA_CHAT: "messages",
    Endpoint.OLLAMA_GENERATE: "prompt",
}
"""The field that holds what is to be answered."""


def answer_room(request: Request, prompt_tokens: int, rows: int, longest: int) -> int:
    """Most tokens of answer: the ceiling asked for, ``longest``, and what the model's rows leave.

    ``rows``: of a proof, at most the model's positions. The last token of an answer is no input, so
    ``prompt_tokens`` + answer ≤ rows + 1. Raises Refused where no token fits.
    """
    field = INPUT_FIELDS[request.endpoint]
    if prompt_tokens < 1:
        raise Refused("invalid_value", f"{field} has no tokens: there is nothing to answer", field)
    if prompt_tokens > rows:
        raise Refused(
            "context_length_exceeded",
            f"{field} has {prompt_tokens} tokens, the model proves at most {rows}: send less",
            field,
        )
    room = min(longest, rows + 1 - prompt_tokens)
    return min(request.max_tokens, room) if request.max_tokens else room


def check_token_ids(request: Request, vocabulary: int) -> None:
    """Raises Refused where token ids are sent that the model's ``vocabulary`` does not have."""
    for at, token in enumerate(request.input):
        if isinstance(token, int) and token >= vocabulary:
            raise Refused(
                "invalid_value",
                f"prompt[{at}] is {token}: the model's tokens are 0 to {vocabulary - 1}",
                f"prompt[{at}]",
            )
