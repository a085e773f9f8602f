"""Bodies that are none, by what is wrong with them."""

from dataclasses import replace
from typing import Any

import pytest

from esper.dao.bodies import CHANGE_BODY, MODEL_BODY, ChangeBody, ModelBody, Moved, read_body
from esper.primitives.codec import CodecError, encode
from tests.support.dao_cases import entry

MODEL = ModelBody(
    entry(0, 1).model,
    1,
    0,
    entry(0, 1).puzzle,
    b"descriptor",
    bytes(64),
    bytes(64),
    (),
    b"MIT",
    b"name",
    b"",
)
CHANGE = ChangeBody((Moved(12, 20),), (), (), (), (), b"")


def test_bodies_come_back() -> None:
    assert read_body(1, encode(MODEL_BODY, MODEL)) == MODEL
    assert read_body(2, encode(CHANGE_BODY, CHANGE)) == CHANGE


@pytest.mark.parametrize("subject", [0, 4, 255])
def test_unknown_subjects(subject: int) -> None:
    with pytest.raises(CodecError, match="subject"):
        read_body(subject, encode(CHANGE_BODY, CHANGE))


@pytest.mark.parametrize("text", [b"\n", b"\x7f", "é".encode(), b"\0"])
@pytest.mark.parametrize("field", ["licence", "name", "link"])
def test_texts_are_printable(field: str, text: bytes) -> None:
    fields: dict[str, Any] = {field: b"x" * len(text)}
    data = bytearray(encode(MODEL_BODY, replace(MODEL, **fields)))
    at = data.rindex(b"x" * len(text))
    data[at : at + len(text)] = text
    with pytest.raises(CodecError, match=f"{field} must be printable"):
        read_body(1, bytes(data))


@pytest.mark.parametrize("field", ["settings", "shares", "omegas"])
@pytest.mark.parametrize("tiers", [(1, 1), (2, 1)])
def test_lists_ascend(field: str, tiers: tuple[int, int]) -> None:
    fields: dict[str, Any] = {field: tuple(Moved(tier, 1) for tier in tiers)}
    with pytest.raises(ValueError, match=f"{field} must ascend"):
        replace(CHANGE, **fields)


def test_a_change_says_something() -> None:
    with pytest.raises(ValueError, match="changes nothing"):
        ChangeBody((), (), (), (), (), b"why")
    # To ask for no texts any more is something.
    assert ChangeBody((), (), (), (), ((),), b"").texts == ((),)
    with pytest.raises(ValueError, match="link"):
        replace(CHANGE, link=b"\n")


def test_what_is_read_ends_where_it_ends() -> None:
    data = encode(CHANGE_BODY, CHANGE)
    for wrong in (b"", data[:-1], data + b"\0"):
        with pytest.raises(CodecError):
            read_body(2, wrong)
