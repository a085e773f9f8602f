"""Random and spoilt bytes for every decoder: its own error or the very same bytes back."""

from __future__ import annotations

import ast
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import esper
from esper.primitives.codec import CodecError
from tests.fuzz.decoders import LAYERS, NOT_BYTES, Decoder, check, table

TABLE = {decoder.name: decoder for decoder in table()}
EVERY_DECODER = pytest.mark.parametrize("decoder", TABLE.values(), ids=TABLE)
DECODER_NAMES = ("decode", "read", "from_bytes", "from_text")
READERS_OF_SCHEMAS = {"esper.primitives.codec", "esper.primitives.hashing"}
"""Their ``read`` is the schema's own, or not a decoder at all."""

HUGE_HEADS = (
    b"\xdd\xff\xff\xff\xff",
    b"\xdd\x00\x01\x00\x00",
    b"\xdc\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc6\x00\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\x00\x00\x00\x00",
)
"""Heads that declare up to 2^32 elements or bytes, and plain numbers as large."""
MEMORY_FACTOR = 64
"""A list of one-byte numbers takes this many times its bytes, with the messages about it."""
MEMORY_FLOOR = 1 << 20

edits = st.lists(
    st.tuples(
        st.sampled_from(("set", "insert", "delete", "cut")),
        st.integers(0, 1 << 16),
        st.one_of(st.binary(min_size=1, max_size=6), st.sampled_from(HUGE_HEADS)),
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, steps: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, piece in steps:
        at = place % (len(data) + 1)
        match kind:
            case "set":
                data = data[:at] + piece + data[at + len(piece) :]
            case "insert":
                data = data[:at] + piece + data[at:]
            case "delete":
                data = data[:at] + data[at + len(piece) :]
            case "cut":
                data = data[:at]
    return data


@EVERY_DECODER
def test_the_honest_example_is_accepted(decoder: Decoder) -> None:
    assert check(decoder, decoder.honest)


@EVERY_DECODER
@given(st.binary(max_size=300))
def test_random_bytes(decoder: Decoder, data: bytes) -> None:
    check(decoder, data)


@EVERY_DECODER
@given(edits)
def test_spoilt_bytes(decoder: Decoder, steps: list[tuple[str, int, bytes]]) -> None:
    check(decoder, edited(decoder.honest, steps))


def nasty(honest: bytes) -> Iterator[bytes]:
    """Nesting without an end, repetition, and every digit changed to a long one."""
    for piece in (b"[", b'{"a":', b"\x91", b"\x92\x01", honest[:1], honest[:33]):
        yield piece * 20_000
    for depth in (b"[" * 50_000, b'{"a":[' * 20_000):
        yield len(depth).to_bytes(8, "little") + depth
    for shape in (b"[" + b"1," * 100 + b"0]", b"[0,%d]" % (1 << 70), b"[%s]" % (b"9" * 5000)):
        head = b'{"t":{"dtype":"I8","shape":%s,"data_offsets":[0,0]}}' % shape
        yield len(head).to_bytes(8, "little") + head
    for entry in (b'"a"', b'{"system":"","user":5}', b'{"system":"","user":"u","mask_range":[]}'):
        yield b'{"version":1,"tokenizer_id":"%s","prompts":[\n[%s,[1],[]]\n]}\n' % (
            b"00" * 64,
            entry,
        )


@EVERY_DECODER
def test_nesting_and_repetition(decoder: Decoder) -> None:
    for data in nasty(decoder.honest):
        check(decoder, data)


def peak_of(decoder: Decoder, data: bytes) -> int:
    tracemalloc.start()
    try:
        check(decoder, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@EVERY_DECODER
def test_a_declared_length_allocates_nothing(decoder: Decoder) -> None:
    honest = decoder.honest
    step = max(1, len(honest) // 40)
    for at in range(0, min(len(honest) + 1, 40 * step), step):
        for head in HUGE_HEADS:
            data = honest[:at] + head + honest[at:]
            assert peak_of(decoder, data) < MEMORY_FACTOR * len(data) + MEMORY_FLOOR, (at, head)


def test_the_measure_of_memory_measures() -> None:
    def greedy(data: bytes) -> bytes:
        return bytes(int.from_bytes(data[-4:], "big") >> 8)

    decoder = Decoder("greedy", greedy, (CodecError,), b"")
    assert peak_of(decoder, b"\xff\xff\xff\xff") > MEMORY_FACTOR * 4 + MEMORY_FLOOR


def decoders_by_name() -> Iterator[str]:
    """Public functions and class methods of esper with a decoder's name."""
    root = Path(esper.__file__).parent
    for layer in LAYERS:
        for path in sorted((root / layer).rglob("*.py")):
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            if f"esper.{module}" in READERS_OF_SCHEMAS:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and is_decoder(node):
                    yield f"{module}.{node.name}"


def is_decoder(node: ast.FunctionDef) -> bool:
    first = node.args.args[0].arg if node.args.args else ""
    named = node.name in DECODER_NAMES or node.name.startswith(("decode_", "read_"))
    # A method that is not of the class reads what its object holds.
    return named and first != "self"


def test_every_decoder_is_in_the_table() -> None:
    found = set(decoders_by_name())
    assert len(found) > 20
    assert found - set(TABLE) - set(NOT_BYTES) == set()
    assert set(NOT_BYTES) <= found
