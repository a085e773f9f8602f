"""Any body gives a request or a refusal that a client can read, and tells no text back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from esper.gateway.reduction import reduce_request, reduction_bytes
from esper.gateway.refusals import Refused, openai_error
from esper.gateway.requests.asked import Endpoint
from esper.gateway.requests.fields import OPTIONS, TABLES
from esper.gateway.requests.reading import read_request
from esper.rpc.strict_json import read_json

CANARY = "CaNaRy-7"
NAMES = sorted(
    {name for table in TABLES.values() for name in table}
    | {name for row in OPTIONS for name in row.fields}
    | {"role", "content", "type", "text", "prove", "wait", "max_price", "format", "effort"}
    | {"include_usage", "include_obfuscation", "anything", "id", "status"}
)
WORDS = ("text", "user", "assistant", "message", "input_text", "auto", "none", "always", "proven")
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 1 << 60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from((*WORDS, CANARY, CANARY * 20))
    | st.text(max_size=8)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.just(CANARY), inner, max_size=4)
    ),
    max_leaves=12,
)
endpoints = st.sampled_from(Endpoint)


def honest(endpoint: Endpoint) -> dict[str, Any]:
    turns = [{"role": "user", "content": CANARY}]
    fields: dict[Endpoint, dict[str, Any]] = {
        Endpoint.CHAT: {"messages": turns},
        Endpoint.OLLAMA_CHAT: {"messages": turns},
        Endpoint.RESPONSES: {"input": CANARY},
    }
    return {"model": "m", **fields.get(endpoint, {"prompt": CANARY})}


def check(endpoint: Endpoint, body: bytes, greedy_anyway: bool = False) -> bool:
    """Whether it was taken. Whatever else happens than a refusal in order is an error."""
    try:
        found = read_request(endpoint, body, greedy_anyway=greedy_anyway)
    except Refused as refused:
        told, status = openai_error(refused), refused.status
        assert CANARY.encode() not in told
        assert told.isascii()
        assert status in (400, 413)
        return False
    assert found.endpoint is endpoint
    assert 1 <= len(found.model) <= 128
    assert found.input or endpoint is Endpoint.COMPLETIONS
    assert found.max_tokens >= 0
    assert len(found.stop) <= 4
    reduction = reduction_bytes(reduce_request(found))
    assert list(read_json(reduction)) == ["endpoint", "model", "input", "max_tokens", "stop"]
    return True


@given(endpoints, st.binary(max_size=200))
def test_any_bytes(endpoint: Endpoint, body: bytes) -> None:
    check(endpoint, body)


@given(endpoints, values, st.booleans())
def test_any_json(endpoint: Endpoint, value: Any, greedy_anyway: bool) -> None:
    check(endpoint, json.dumps(value).encode(), greedy_anyway)


@given(endpoints, st.dictionaries(st.sampled_from(NAMES), values, max_size=3), st.booleans())
def test_an_honest_request_with_any_further_fields(
    endpoint: Endpoint, fields: dict[str, Any], greedy_anyway: bool
) -> None:
    check(endpoint, json.dumps({**honest(endpoint), **fields}).encode(), greedy_anyway)


@given(endpoints, st.text(min_size=1, max_size=50))
def test_an_honest_request_is_taken_whatever_its_text(endpoint: Endpoint, text: str) -> None:
    body = json.dumps(honest(endpoint)).replace(CANARY, json.dumps(text)[1:-1])
    assert check(endpoint, body.encode())
