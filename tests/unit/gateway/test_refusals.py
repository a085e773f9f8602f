"""Refusals: the page's table of statuses, and what clients read."""

from __future__ import annotations

import json

import pytest

from esper.gateway.refusals import (
    KINDS,
    MAX_RETRY_MS,
    Refused,
    Retry,
    jittered,
    ollama_error,
    openai_error,
    refusal_headers,
)

PAGE = [
    (400, "invalid_request_error", ("unsupported_value", "unknown_parameter", "invalid_value")),
    (400, "invalid_request_error", ("invalid_json", "context_length_exceeded")),
    (400, "invalid_request_error", ("idempotency_mismatch",)),
    (401, "invalid_request_error", ("invalid_api_key",)),
    (403, "invalid_request_error", ("scope", "origin")),
    (404, "invalid_request_error", ("model_not_found", "unknown_url", "receipt_not_found")),
    (405, "invalid_request_error", ("method_not_allowed",)),
    (408, "invalid_request_error", ("body_timeout",)),
    (409, "invalid_request_error", ("idempotency_in_progress",)),
    (410, "invalid_request_error", ("receipt_dropped",)),
    (413, "invalid_request_error", ("request_too_large",)),
    (415, "invalid_request_error", ("unsupported_media_type",)),
    (421, "invalid_request_error", ("wrong_host",)),
    (431, "invalid_request_error", ("head_too_large",)),
    (429, "rate_limit_error", ("rate_limit_exceeded", "engine_overloaded", "proof_backlog")),
    (429, "insufficient_quota", ("insufficient_quota",)),
    (500, "server_error", ("server_error",)),
    (503, "server_error", ("engine_disagrees", "not_ready")),
]
LATER = {"rate_limit_exceeded", "engine_overloaded", "proof_backlog", "not_ready"}
NEVER = {"insufficient_quota", "engine_disagrees"}


def made(code: str) -> Refused:
    return Refused(code, "a sentence", retry_ms=1_500 if code in LATER else None)


def test_the_table_of_the_page() -> None:
    assert {code for _, _, codes in PAGE for code in codes} == set(KINDS)
    for status, family, codes in PAGE:
        for code in codes:
            assert (made(code).status, KINDS[code].type) == (status, family)
    assert {code for code, kind in KINDS.items() if kind.retry is Retry.LATER} == LATER
    assert {code for code, kind in KINDS.items() if kind.retry is Retry.NEVER} == NEVER


@pytest.mark.parametrize("code", KINDS)
def test_headers(code: str) -> None:
    found = dict(refusal_headers(made(code)))
    if code in LATER:
        assert found == {b"retry-after": b"2", b"retry-after-ms": b"1500"}
    elif code in NEVER:
        assert found == {b"x-should-retry": b"false"}
    else:
        assert found == {}


def test_a_wait_is_told_with_those_tried_later_alone() -> None:
    with pytest.raises(ValueError, match="not_ready"):
        Refused("not_ready", "x")
    with pytest.raises(ValueError, match="invalid_value"):
        Refused("invalid_value", "x", retry_ms=1)
    with pytest.raises(KeyError):
        Refused("no_such_code", "x")


def test_no_wait_is_longer_than_clients_stay() -> None:
    assert Refused("not_ready", "x", retry_ms=10**9).retry_ms == MAX_RETRY_MS == 60_000
    assert Refused("not_ready", "x", retry_ms=0).retry_ms == 1
    assert [jittered(1_000, chance) for chance in (0, 0.5, 1)] == [1_000, 1_500, 2_000]
    assert jittered(50_000, 0.9) == MAX_RETRY_MS


@pytest.mark.parametrize("text", ["\ud83d", "a\udc00b", "\udc00\ud800", "x\ud83d\U0001f388"])
def test_halves_of_characters_are_replaced(text: str) -> None:
    told = json.loads(ollama_error(Refused("invalid_value", text)))["error"]
    assert "\N{REPLACEMENT CHARACTER}" in told
    assert told.encode().decode() == told
    assert len(told) == len(text)


def test_forms() -> None:
    refused = Refused("unsupported_value", "temperature is 0.7: send 0", "temperature")
    assert openai_error(refused) == (
        b'{"error":{"message":"temperature is 0.7: send 0","type":"invalid_request_error",'
        b'"param":"temperature","code":"unsupported_value"}}'
    )
    assert ollama_error(refused) == b'{"error":"temperature is 0.7: send 0"}'
    failed = Refused("server_error", "the node failed", incident="7f3c")
    assert json.loads(openai_error(failed))["error"]["incident"] == "7f3c"
