"""The bytes of receipts: one form, read within limits."""

import json
from typing import Any

import pytest

from esper.receipts import form
from esper.receipts.form import decode_receipt, encode_receipt
from esper.receipts.json_shapes import FormError
from esper.receipts.judging import judge_bytes
from tests.support.receipt_world import around, promise_receipt, receipt_world

WORLD = receipt_world()
HONEST = encode_receipt(WORLD.promised(WORLD.alone))
PROMISE = encode_receipt(promise_receipt())
LANE = encode_receipt(WORLD.promised(WORLD.lanes[0]))


@pytest.mark.parametrize("data", [HONEST, PROMISE, LANE])
def test_there_and_back(data: bytes) -> None:
    assert encode_receipt(decode_receipt(data)) == data


def test_strings_are_escaped_as_the_page_says() -> None:
    assert rb'"What\u2019s\n\ud83d\ude00 up?"' in PROMISE
    assert rb'["\u007f","\\"]' in PROMISE


def test_keys_stand_in_the_order_of_the_page() -> None:
    assert list(json.loads(LANE)) == [
        *("format", "version", "kind", "network", "models", "request", "text", "instant"),
        *("call", "answer", "group", "block_id", "header", "work", "anchor"),
    ]
    assert list(json.loads(PROMISE)) == [
        *("format", "version", "kind", "network", "request", "text", "instant"),
    ]


def swapped(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new, 1)


def with_value(data: bytes, change: Any, *path: str | int) -> bytes:
    value = json.loads(data)
    at = value
    for key in path[:-1]:
        at = at[key]
    if change is None:
        del at[path[-1]]
    else:
        at[path[-1]] = change
    return json.dumps(value, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is no JSON"),
        (b"[]", "must be an object"),
        (HONEST + b"\n", "one form"),
        (b" " + HONEST, "one form"),
        (swapped(HONEST, b'"version":1', b'"version": 1'), "one form"),
        (swapped(HONEST, b'"version":1', b'"version":1.0'), "no integer"),
        (swapped(HONEST, b'"version":1', b'"version":true'), "integer of 1 to 1"),
        (swapped(HONEST, b'"version":1', b'"version":null'), "integer"),
        (swapped(HONEST, b'"version":1', b'"version":NaN'), "no integer"),
        (swapped(HONEST, b'"version":1', b'"version":1e0'), "no integer"),
        (swapped(HONEST, b'"version":1', b'"version":2'), "integer of 1 to 1"),
        (swapped(HONEST, b'"version":1', b'"version":' + b"1" * 17), "16 digits"),
        (swapped(HONEST, b'"version":1', b'"version":1,"version":1'), "one form"),
        (swapped(HONEST, b'"position":0', b'"position":-0'), "one form"),
        (swapped(HONEST, b'"position":0', b'"position":-1'), "integer"),
        (swapped(HONEST, b'"completions"', b'"comp\\u006cetions"'), "one form"),
        (swapped(HONEST, b"esper-t0", b"esper\\/t0"), "one form"),
        (swapped(HONEST, b"esper-t0", "\u2019".encode()), "no ASCII"),
        (swapped(HONEST, rb"\u2019", rb"\u201C"), "one form"),
        (swapped(HONEST, rb"\ud83d\ude00", rb"\ud83d"), "surrogate"),
        (with_value(HONEST, "AB" * 64, "network", "genesis_hash"), "one form"),
        (with_value(HONEST, "ab", "network", "genesis_hash"), "128 lower-case"),
        (with_value(HONEST, "g" * 128, "network", "genesis_hash"), "128 lower-case"),
        (with_value(HONEST, "AB==", "header"), "one form"),
        (with_value(HONEST, "AA", "header"), "base64"),
        (with_value(HONEST, "A A=", "header"), "base64"),
        (with_value(HONEST, ["AA=="], "group", "path"), "must have 64"),
        (with_value(HONEST, 1 << 53, "call", "index"), "integer of 0"),
        (with_value(HONEST, [], "surplus"), "no field 'surplus'"),
        (with_value(HONEST, None, "header"), "header: is missing in a proof"),
        (with_value(HONEST, None, "text"), "text: is missing"),
        (with_value(HONEST, None, "instant"), "beside instant alone"),
        (with_value(LANE, None, "answer"), "answer: is missing"),
        (with_value(PROMISE, None, "instant"), "instant"),
        (with_value(PROMISE, None, "request"), "request: is missing"),
        (with_value(PROMISE, [], "models"), "one form|no place"),
        (with_value(HONEST, "other", "kind"), "one of proof, promise"),
        (with_value(HONEST, "else", "request", "endpoint"), "one of chat"),
        (with_value(HONEST, [1] * 1025, "text", "prompt"), "0 to 1024"),
        (with_value(HONEST, [1 << 32], "text", "prompt"), "integer"),
    ],
)
def test_anything_else_is_no_receipt(data: bytes, says: str) -> None:
    with pytest.raises(FormError, match=says):
        decode_receipt(data)
    broken = judge_bytes(data, around()).broken
    assert broken is not None
    assert broken.name == "form"


def test_messages_and_tokens_are_inputs_too() -> None:
    for value in ([1, 2], [], [{"role": "user", "content": "\u00e9"}]):
        data = with_value(PROMISE, value, "request", "input")
        assert encode_receipt(decode_receipt(data)) == data
    for wrong in ([{"role": "tool", "content": ""}], [{"role": "user"}], [1, "a"], 3):
        with pytest.raises(FormError):
            decode_receipt(with_value(PROMISE, wrong, "request", "input"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b" " * (form.MAX_BYTES + 1), "more than"),
        (b"[" * 9, "deeper than 8"),
        (b'{"a":' * 100_000, "objects and lists"),
        (b"]" * form.MAX_BYTES, "objects and lists"),
        (b"[" + b"[]," * 100_000 + b"1]", "objects and lists"),
        (b"1" * form.MAX_BYTES, "digits"),
        (b'"' + b"\\" * (form.MAX_BYTES - 2), "no JSON"),
        (b'{"a' + b'"' * 1000, "no JSON"),
        ('{"a":1}'.encode("utf-16-le"), "no JSON"),
    ],
)
def test_bombs_are_refused_before_they_are_parsed(data: bytes, says: str) -> None:
    with pytest.raises(FormError, match=says):
        decode_receipt(data)


def test_the_deepest_receipt_is_read() -> None:
    assert decode_receipt(LANE).anchor is not None
