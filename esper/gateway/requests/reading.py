"""A body of JSON to a typed request."""

from typing import Final

from esper.gateway.refusals import Refused
from esper.gateway.requests.asked import Endpoint, Input, Message, Request
from esper.gateway.requests.draft import Draft
from esper.gateway.requests.fields import TABLES
from esper.gateway.requests.messages import MAX_MESSAGES
from esper.gateway.requests.room import INPUT_FIELDS
from esper.gateway.requests.rules import invalid, walk
from esper.rpc.strict_json import StrictJsonError, read_json

MAX_BODY_BYTES: Final = 1 << 18


def read_request(endpoint: Endpoint, body: bytes, *, greedy_anyway: bool = False) -> Request:
    """What ``body`` asks of ``endpoint``. Raises Refused, and nothing else whatever the bytes.

    ``greedy_anyway``: sampling fields of this key are replaced and told instead of refused. What
    needs the model is asked later: whether it exists, whether the tokens fit (``room``).
    """
    if len(body) > MAX_BODY_BYTES:
        raise Refused(
            "request_too_large",
            f"the body has {len(body)} bytes, must have at most {MAX_BODY_BYTES}",
        )
    try:
        found = read_json(body)
    except StrictJsonError as error:
        raise Refused("invalid_json", str(error)) from None
    if not isinstance(found, dict):
        raise Refused("invalid_value", "the body must be a JSON object")
    draft = Draft(endpoint, greedy_anyway)
    walk(found, "", TABLES[endpoint], draft)
    return _finished(draft)


def _finished(draft: Draft) -> Request:
    if not draft.model:
        raise invalid("model", "is missing")
    stream = draft.endpoint.is_ollama if draft.stream is None else draft.stream
    if draft.stream_options and not stream:
        raise invalid("stream_options", "is for streams: send it with stream true alone")
    if draft.top_logprobs and not draft.logprobs:
        how = "include" if draft.endpoint is Endpoint.RESPONSES else "logprobs true"
        raise invalid(draft.top_path, f"asks for logprobs: send it with {how}")
    return Request(
        endpoint=draft.endpoint,
        model=draft.model,
        input=_input(draft),
        max_tokens=min(draft.ceilings, default=0),
        stop=draft.stop,
        stream=stream,
        include_usage=draft.include_usage,
        obfuscate=draft.obfuscate,
        top_logprobs=(draft.top_logprobs or 0) if draft.logprobs else None,
        prove=draft.prove,
        wait=draft.wait,
        max_price=draft.max_price,
        replaced=tuple(draft.replaced),
    )


def _input(draft: Draft) -> Input:
    field = INPUT_FIELDS[draft.endpoint]
    if draft.token_ids is not None:
        return draft.token_ids
    if draft.endpoint is Endpoint.COMPLETIONS and draft.text is not None:
        return draft.text
    turns = draft.messages
    if draft.endpoint is Endpoint.OLLAMA_GENERATE and draft.text:
        if draft.raw and draft.instructions:
            raise invalid("system", "is for the template, which raw leaves out: send one of them")
        if draft.raw:
            return draft.text
        turns = [Message("user", draft.text)]
    if turns is None:
        raise invalid(field, "is missing: there is nothing to answer")
    if draft.instructions:
        turns = [Message("system", draft.instructions), *turns]
    if len(turns) > MAX_MESSAGES:
        raise invalid(field, f"and the system message are more than {MAX_MESSAGES} messages")
    return tuple(turns)
