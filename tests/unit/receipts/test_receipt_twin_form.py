"""Bytes that are nearly a receipt: the verifier in Rust reads the one form and no other."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from esper.primitives.ids import ModelId
from esper.receipts.build import build_proof
from esper.receipts.form import encode_receipt
from esper.receipts.parts import AskedFor, Message, OpenCall
from tests.support.block_workshop import PARAMS
from tests.support.receipt_twin import Twins
from tests.support.receipt_world import (
    GENESIS,
    FakeJudge,
    WorkshopAnchor,
    WorkshopSource,
    around,
    promise_receipt,
    receipt_world,
)

WORLD = receipt_world()
TWINS = Twins(around(tokenizer=False))
HONEST = WORLD.promised(WORLD.together[0])
DATA = encode_receipt(HONEST)
CHARACTERS = "".join(map(chr, (*range(0x100), 0x2019, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)))


def with_answer(written: bytes) -> bytes:
    """The receipt with these bytes between the quotes of its answer's text."""
    start = DATA.index(b'"answer":"') + len(b'"answer":"')
    return DATA[:start] + written + DATA[DATA.index(b'"', start) :]


def with_part(change: Any, *path: str | int) -> bytes:
    value = json.loads(DATA)
    at = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = change
    return json.dumps(value, separators=(",", ":")).encode()


def test_every_character_is_read_as_it_is_written() -> None:
    assert TWINS.agree(with_answer(json.dumps(CHARACTERS)[1:-1].encode())) is None


@pytest.mark.parametrize("code", [*range(0x100), 0x2019, 0xD7FF, 0xE000, 0xFFFF])
def test_other_escapes_of_a_character(code: int) -> None:
    one = chr(code)
    short = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
    ways = [f"\\u{code:04x}", f"\\u{code:04X}", f"\\x{code:02x}", f"\\{short.get(one, 'v')}"]
    ways += [one, f"\\{one}"] if code < 0x80 else []
    for way in ways:
        assert TWINS.agree(with_answer(way.encode("latin-1"))) in (None, "form"), way


@pytest.mark.parametrize(
    "written",
    [
        *(rb"\ud83d", rb"\ude00", rb"\ud83d\ud83d", rb"\ude00\ud83d", rb"\ud83dx", rb"\ud83d\n"),
        *(rb"\ud83d\u0041", rb"\uD83D\uDE00", rb"\ud83d\uDE00", rb"\u12", rb"\u12g4", rb"\/"),
        *(rb"\u{41}", b"\\", b"\xe2\x80\x99", b"\xff", b"\0", b"\x7f", rb"\u+041", rb"\u 041"),
    ],
)
def test_strings_that_json_dumps_never_writes(written: bytes) -> None:
    assert TWINS.agree(with_answer(written)) == "form"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(('"index":1', f'"index":{new}') for new in ("01", "+1", "-1", "1.0", "1e0", "true")),
        *(('"index":1', f'"index":{new}') for new in ("null", '"1"', "", "-0", "00", "[1]")),
        *(('"index":1', f'"index":{1 << bits}') for bits in (53, 63, 64, 200)),
        ('"index":1', '"index": 1'),
        ('"index":1', '"index":1,"index":1'),
        ('"version":1', '"version":2'),
        ('"kind":"proof"', '"kind":"promise"'),
        ('"index":1,"count"', '"count":1,"index"'),
        ('{"format"', '{ "format"'),
        ('{"format"', '{"salt":"","format"'),
        ('"models":[]', '"models":[ ]'),
        ('"models":[]', '"models":{}'),
        ('"models":[]', '"models":["","",""]'),
        ('"models":[]', '"models":[,]'),
        ('"models":[]', '"models":[""'),
        ('"models":[]', '"models":["",]'),
        ('"models":[]', '"models":["A"]'),
        ('"models":[]', '"models":["AA"]'),
        ('"models":[]', '"models":["AA=="]'),
        ('"models":[]', '"models":["AB=="]'),
        ('"models":[]', '"models":["AAE="]'),
        ('"models":[]', '"models":["AAF="]'),
        ('"models":[]', '"models":["AAAA===="]'),
        ('"models":[]', '"models":["A==="]'),
        ('"models":[]', '"models":["===="]'),
        ('"models":[]', '"models":["AA==AA=="]'),
        ('"models":[]', '"models":["AA-_"]'),
        ('"models":[]', '"models":["AA\\u0041A"]'),
        ('"endpoint":"completions"', '"endpoint":"edits"'),
        ('"endpoint":"completions"', '"endpoint":"complet\\u0069ons"'),
    ],
)
def test_nearly(old: str, new: str) -> None:
    assert DATA.count(old.encode()) >= 1
    assert TWINS.agree(DATA.replace(old.encode(), new.encode(), 1)) in ("form", "model")


def test_hexadecimal_is_lower_case() -> None:
    name = HONEST.block_id
    assert name is not None
    assert TWINS.agree(DATA.replace(name.hex().encode(), name.hex().upper().encode())) == "form"
    assert TWINS.agree(DATA.replace(name.hex().encode(), name.hex()[2:].encode())) == "form"
    blank = b"  " + name.hex()[2:].encode()
    assert TWINS.agree(DATA.replace(name.hex().encode(), blank)) == "form"


@pytest.mark.parametrize(
    ("path", "most", "one"),
    [
        (("text", "prompt"), 1024, 1),
        (("group", "members", 0, "prompt"), 1024, 1),
        (("group", "members", 0, "answer"), 128, 1),
        (("group", "path"), 64, base64.b64encode(bytes(64)).decode()),
        (("anchor", "blocks", "state", "siblings"), 256, base64.b64encode(bytes(32)).decode()),
        (("anchor", "blocks", "siblings"), 64, base64.b64encode(bytes(64)).decode()),
        (("request", "stop"), 4, "x"),
        (("request", "input"), 256, {"role": "user", "content": "x"}),
        (("request", "input"), 1024, 7),
    ],
)
def test_lists_have_limits(path: tuple[str | int, ...], most: int, one: Any) -> None:
    assert TWINS.agree(with_part([one] * most, *path)) not in ("form", None)
    assert TWINS.agree(with_part([one] * (most + 1), *path)) == "form"


@pytest.mark.parametrize(
    ("path", "most"),
    [
        (("group", "rows"), (1 << 16) - 1),
        (("group", "position"), 63),
        (("group", "members", 0, "max_tokens"), (1 << 16) - 1),
        (("group", "members", 0, "prompt", 0), (1 << 32) - 1),
        (("text", "prompt", 0), (1 << 32) - 1),
        (("group", "index"), (1 << 53) - 1),
        (("anchor", "receipts", "number"), (1 << 53) - 1),
    ],
)
def test_numbers_have_limits(path: tuple[str | int, ...], most: int) -> None:
    assert TWINS.agree(with_part(most, *path)) not in ("form", None)
    assert TWINS.agree(with_part(most + 1, *path)) == "form"


def test_sizes_have_a_limit() -> None:
    room = (1 << 22) - len(DATA)
    answer = json.loads(DATA)["text"]["answer"]
    assert TWINS.agree(with_answer(answer.encode() + b"x" * room)) is None
    assert TWINS.agree(with_answer(answer.encode() + b"x" * (room + 1))) == "form"


@pytest.mark.parametrize(
    "asked",
    [
        "",
        (),
        (1, 2),
        (Message("system", "\u2028"), Message("user", ""), Message("assistant", "\\")),
    ],
)
def test_what_was_asked_is_hashed_as_it_stands(asked: Any) -> None:
    request = AskedFor("ollama", "esper-t0", asked, 3, ())
    assert TWINS.agree(encode_receipt(replace(promise_receipt(), request=request))) == "instant"


def test_deep_and_long_nonsense() -> None:
    for data in (b"[" * 100_000, b'{"a":' * 50_000, b"1" * 100_000, b'"' + b"\\" * 99_999, b"\0"):
        assert TWINS.agree(data) == "form"


def test_the_chain_s_records_have_one_form_as_well() -> None:
    """A longer form of a number is another name of the same record."""
    lane = WORLD.receipt(WORLD.lanes[0], work=False, anchor=False)
    assert isinstance(lane.call, OpenCall)
    unsigned = lane.call.unsigned
    for data in (
        unsigned[:1] + b"\xcc" + unsigned[1:],
        unsigned[:2] + b"\xcd\0" + unsigned[2:],
        b"\xdc\0" + bytes((unsigned[0] & 0x0F,)) + unsigned[1:],
        unsigned + b"\0",
        unsigned[:-1],
        unsigned.replace(b"\xc4", b"\xc5\0", 1),
        unsigned.replace(b"\xc4", b"\xd9", 1),
        b"\x80",
        b"",
    ):
        assert TWINS.agree(encode_receipt(replace(lane, call=OpenCall(data)))) == "model"


def test_special_ids_of_a_model_ascend_below_its_vocabulary() -> None:
    params = replace(PARAMS, model=replace(PARAMS.model, model_id=ModelId(bytes(64))))
    twins = Twins(replace(around(tokenizer=False), networks={params.name: (params, GENESIS)}))
    source = WorkshopSource(WORLD.tip, params=params)
    receipt = build_proof(source, WORLD.alone, FakeJudge(), anchor=WorkshopAnchor(WORLD.tip))
    assert receipt.models is not None
    [model] = receipt.models
    assert twins.agree(encode_receipt(receipt)) is None
    assert model.count(b"\x93\0\1\2") == 1
    for ids in (b"\x93\0\2\1", b"\x93\0\1\1", b"\x92\0\1", b"\x92\0\2", b"\x90"):
        changed = model.replace(b"\x93\0\1\2", ids)
        wrong = replace(receipt, models=(changed,))
        assert twins.agree(encode_receipt(wrong)) == "model"
    beyond = model.replace(b"\x93\0\1\2", b"\x94\0\1\2\xcd\4\0")
    assert twins.agree(encode_receipt(replace(receipt, models=(beyond,)))) == "model"
