"""The codec in the extension does what its specification says: values, texts and positions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.primitives import codec as native
from esper.primitives.codec import (
    Array,
    Codec,
    CodecError,
    FixedBytes,
    Reader,
    Record,
    Signed,
    Unsigned,
    UnsignedPair,
    VarBytes,
    WideUnsigned,
)
from esper.vm.kinds import KINDS
from esper.vm.transaction import wire_form
from tests.fuzz.decoders import every_schema, honest_value
from tests.fuzz.test_decoders import edited, edits
from tests.spec import codec_reference as reference
from tests.spec.codec_twice import CodecsDifferError, decoded_twice, described, encoded_twice

LIMIT = 1 << 12


@dataclass(frozen=True)
class Everything:
    narrow: int
    wide: int
    signed: int
    fixed: bytes
    text: bytes
    pairs: tuple[tuple[int, int], ...]
    lists: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if self.narrow == 13:
            raise ValueError("number 13 is not allowed")
        if self.narrow == 14:
            raise CodecError("made by itself", 99)


@dataclass(frozen=True)
class Outer:
    inner: Everything


def renamed(text: bytes, *, narrow: int) -> Everything:
    """Takes its fields by name, in another order than they stand in, and loses some."""
    return Everything(narrow & 0xFE, 0, 0, b"", text, (), ())


EVERYTHING = Record(
    Everything,
    300,
    (
        ("narrow", Unsigned(5)),
        ("wide", WideUnsigned(12)),
        ("signed", Signed()),
        ("fixed", FixedBytes(3)),
        ("text", VarBytes(300)),
        ("pairs", Array(UnsignedPair(9), 20)),
        ("lists", Array(Array(Unsigned(64), 20), 20)),
    ),
)
SCHEMAS: dict[str, Codec[Any]] = {
    **{f"transaction {kind.KIND}": wire_form(kind) for kind in KINDS},
    "everything": EVERYTHING,
    "nested": Array(Record(Outer, None, (("inner", EVERYTHING),)), 3),
    "by name": Record(renamed, None, (("narrow", Unsigned(8)), ("text", VarBytes(9)))),
    "unsigned": Unsigned(64),
    "signed": Signed(),
    "wide": WideUnsigned(9),
}
"""Those that are no constants of a module: the decoders' table compares the others on bytes."""
SOME_SCHEMAS = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
ALL = {**every_schema(), **SCHEMAS}
EVERY_SCHEMA = pytest.mark.parametrize("schema", ALL.values(), ids=ALL)

heads = st.sampled_from(
    [bytes([head]) for head in (*range(0x8E, 0xA2), *range(0xC0, 0xE0), 0x7F, 0x80, 0xFF)]
)
like_messages = st.lists(st.one_of(heads, st.binary(max_size=9)), max_size=20).map(b"".join)


def values(schema: Codec[Any]) -> st.SearchStrategy[Any]:
    """Values of the schema, and such as lie just outside."""
    match schema:
        case Unsigned(bits):
            return st.one_of(st.integers(-2, (1 << bits) + 1), st.integers(0, 300))
        case Signed():
            return st.integers(-(1 << 62) - 1, (1 << 62) + 1)
        case WideUnsigned(size):
            return st.one_of(st.integers(-1, 1 << 8 * size), st.integers(0, 1 << 64))
        case FixedBytes(size):
            return st.one_of(st.just(bytes(size)), st.binary(min_size=size, max_size=size + 1))
        case VarBytes(limit):
            return st.binary(max_size=min(limit + 1, 300))
        case UnsignedPair(bits):
            return st.lists(values(Unsigned(bits)), min_size=1, max_size=3).map(tuple)
        case Array(element, limit):
            return st.lists(values(element), max_size=min(limit + 1, 4)).map(tuple)
        case Record(_, _, fields):
            return st.builds(SimpleNamespace, **{name: values(inner) for name, inner in fields})
    raise TypeError(schema)


def tried(schema: Codec[Any], data: bytes) -> None:
    try:
        value = decoded_twice(schema, data, LIMIT)
    except ValueError:
        return
    assert encoded_twice(schema, value) == data


@SOME_SCHEMAS
@given(st.one_of(like_messages, st.binary(max_size=300)))
def test_random_bytes(schema: Codec[Any], data: bytes) -> None:
    tried(schema, data)


@SOME_SCHEMAS
@given(st.integers(0, 1 << 32), edits)
def test_edited_honest_bytes(
    schema: Codec[Any], seed: int, steps: list[tuple[str, int, bytes]]
) -> None:
    honest = honest_value(schema, random.Random(seed))
    tried(schema, honest)
    tried(schema, edited(honest, steps))


@EVERY_SCHEMA
def test_every_prefix_of_honest_bytes(schema: Codec[Any]) -> None:
    honest = honest_value(schema, random.Random(5))
    for end in range(len(honest)):
        tried(schema, honest[:end])


@EVERY_SCHEMA
@given(st.data())
def test_values_inside_and_outside_the_schema(schema: Codec[Any], data: st.DataObject) -> None:
    value = data.draw(values(schema))
    ended = outcome(lambda: encoded_twice(schema, value))
    assert isinstance(ended, bytes) or ended[0] is ValueError


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives, or its error described."""
    try:
        return action()
    except ValueError as error:
        return described(error)


@given(like_messages, st.integers(0, 9))
def test_pieces_are_read_alike(data: bytes, start: int) -> None:
    data = bytes(start) + data
    for schema in (EVERYTHING, Unsigned(64), Array(VarBytes(9), 3)):
        ours, specified = Reader(data), reference.Reader(data)
        ours.position = specified.position = start
        found = outcome(partial(schema.read, ours, "piece"))
        assert found == outcome(partial(reference.read, schema, specified, "piece"))
        accepted = not isinstance(found, tuple) or found[:1] != (CodecError,)
        assert ours.position == (specified.position if accepted else start)


@given(like_messages)
def test_heads_of_arrays_are_read_alike(data: bytes) -> None:
    ours, specified = Reader(data), reference.Reader(data)
    found = outcome(lambda: ours.array_length("list"))
    assert found == outcome(lambda: specified.array_length("list"))
    assert ours.position == (specified.position if isinstance(found, int) else 0)


def test_what_a_constructor_refuses_is_the_cause() -> None:
    for number, kind in ((13, ValueError), (14, CodecError)):
        data = reference.encode(
            EVERYTHING, SimpleNamespace(narrow=number, wide=0, signed=0, fixed=b"abc", text=b"",
                                        pairs=(), lists=())
        )  # fmt: skip
        with pytest.raises(CodecError) as raised:
            decoded_twice(EVERYTHING, data, LIMIT)
        assert type(raised.value.__cause__) is kind


def test_what_encodes_to_other_bytes_is_refused() -> None:
    schema = SCHEMAS["by name"]
    with pytest.raises(CodecError, match="not in canonical form"):
        decoded_twice(schema, b"\x92\x03\xc4\x01a", LIMIT)
    assert decoded_twice(schema, b"\x92\x02\xc4\x01a", LIMIT).text == b"a"


class Broken:
    """A value whose attributes are not to be had."""

    @property
    def narrow(self) -> int:
        raise ZeroDivisionError

    text = b""


def broken(narrow: int, text: bytes) -> Broken:
    raise ZeroDivisionError


def test_errors_of_the_program_come_through_as_they_are() -> None:
    schema: Codec[Any] = Record(broken, None, (("narrow", Unsigned(8)), ("text", VarBytes(9))))
    with pytest.raises(ZeroDivisionError):
        native.decode(schema, b"\x92\x03\xc4\x01a", limit=LIMIT, what="value")
    with pytest.raises(ZeroDivisionError):
        native.encode(schema, Broken())
    for value in (SimpleNamespace(narrow=1), SimpleNamespace(narrow=b"", text=b""), None):
        with pytest.raises((AttributeError, TypeError)):
            native.encode(schema, value)


@pytest.mark.parametrize("bits", [0, 65])
def test_no_integer_has_such_a_width(bits: int) -> None:
    for kind in (Unsigned, UnsignedPair):
        with pytest.raises(ValueError, match="must be 1 to 64"):
            kind(bits)


def test_a_difference_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "encode", lambda schema, value: b"")
    with pytest.raises(CodecsDifferError):
        encoded_twice(Unsigned(8), 3)
    with pytest.raises(CodecsDifferError):
        decoded_twice(Unsigned(8), b"\3", LIMIT)
    monkeypatch.setattr(native, "decode", lambda *_, **__: 3)
    with pytest.raises(CodecsDifferError):
        decoded_twice(Unsigned(8), b"\xff", LIMIT)
