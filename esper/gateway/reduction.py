"""The part of a request that a receipt shows and the gateway's signature covers.

A reduction, never the client's body: whom it names, what it samples with and how it is streamed
stays out.
"""

from dataclasses import dataclass
from typing import Any

from esper.gateway.one_line import one_line
from esper.gateway.requests.asked import Input, Message, Request


@dataclass(frozen=True, slots=True)
class Reduction:
    """What was asked, as receipts write it under ``request``."""

    endpoint: str
    """chat.completions, completions, responses or ollama."""
    model: str
    """As the client named it."""
    input: Input
    max_tokens: int
    """Ceiling that was asked for; 0: none."""
    stop: tuple[str, ...]


def reduce_request(request: Request) -> Reduction:
    """What is signed of ``request``."""
    return Reduction(
        request.endpoint.signed_name, request.model, request.input, request.max_tokens, request.stop
    )


def reduction_bytes(reduction: Reduction) -> bytes:
    """Its one form as JSON: keys in this order, no blanks, ASCII. Their hash is signed."""
    return one_line(
        {
            "endpoint": reduction.endpoint,
            "model": reduction.model,
            "input": _input_value(reduction.input),
            "max_tokens": reduction.max_tokens,
            "stop": list(reduction.stop),
        }
    )


def _input_value(found: Input) -> Any:
    if isinstance(found, str):
        return found
    return [
        {"role": one.role, "content": one.content} if isinstance(one, Message) else one
        for one in found
    ]
