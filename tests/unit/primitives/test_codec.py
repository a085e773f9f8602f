"""The wire form: one encoding per value, limits before allocation, nothing else accepted."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.codec import (
    Array,
    CodecError,
    FixedBytes,
    Record,
    Signed,
    Unsigned,
    UnsignedPair,
    VarBytes,
    WideUnsigned,
    decode,
    encode,
)


@dataclass(frozen=True)
class Sample:
    number: int
    name: bytes
    pairs: tuple[tuple[int, int], ...]
    deltas: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.number == 13:
            raise ValueError("number 13 is not allowed")


SAMPLE = Record(
    Sample,
    7,
    (
        ("number", Unsigned(64)),
        ("name", VarBytes(300)),
        ("pairs", Array(UnsignedPair(16), 20)),
        ("deltas", Array(Signed(), 20)),
    ),
)
LIMIT = 1 << 16

samples = st.builds(
    Sample,
    number=st.integers(0, (1 << 64) - 1).filter(lambda n: n != 13),
    name=st.binary(max_size=300),
    pairs=st.lists(
        st.tuples(st.integers(0, 65535), st.integers(0, 65535)), max_size=20
    ).map(tuple),
    deltas=st.lists(st.integers(1 - (1 << 62), (1 << 62) - 1), max_size=20).map(tuple),
)  # fmt: skip


def read(data: bytes) -> Sample:
    return decode(SAMPLE, data, limit=LIMIT, what="sample")


@given(samples)
def test_round_trip(sample: Sample) -> None:
    assert read(encode(SAMPLE, sample)) == sample


@given(samples)
def test_agrees_with_msgspec(sample: Sample) -> None:
    zigzag = [2 * v if v >= 0 else -2 * v - 1 for v in sample.deltas]
    plain = [7, sample.number, sample.name, sample.pairs, zigzag]
    assert encode(SAMPLE, sample) == msgspec.msgpack.encode(plain)


@given(samples, st.data())
def test_a_changed_byte_is_refused_or_another_value(sample: Sample, data: st.DataObject) -> None:
    encoded = bytearray(encode(SAMPLE, sample))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        other = read(bytes(encoded))
    except CodecError:
        return
    assert other != sample
    assert encode(SAMPLE, other) == encoded


@given(st.binary(max_size=80))
def test_any_bytes_decode_to_themselves_or_not_at_all(data: bytes) -> None:
    try:
        sample = read(data)
    except CodecError:
        return
    assert encode(SAMPLE, sample) == data


@pytest.mark.parametrize(
    ("codec", "data", "reason"),
    [
        (Unsigned(), b"\xcc\x7f", "shortest form"),
        (Unsigned(), b"\xcd\x00\xff", "shortest form"),
        (Unsigned(), b"\xce\x00\x00\xff\xff", "shortest form"),
        (Unsigned(), b"\xcf" + bytes(4) + b"\xff" * 4, "shortest form"),
        (Unsigned(8), b"\xcd\x01\x00", "does not fit 8"),
        (Unsigned(), b"\xff", "starts no unsigned"),
        (Unsigned(), b"\xd0\x05", "starts no unsigned"),
        (Unsigned(), b"\xca\x00\x00\x00\x00", "starts no unsigned"),
        (Unsigned(), b"\xc0", "starts no unsigned"),
        (Unsigned(), b"\xc3", "starts no unsigned"),
        (Unsigned(), b"\xcd\x01", "needs 2 bytes, 1 are left"),
        (Unsigned(), b"", "needs 1 bytes, 0 are left"),
        (Unsigned(), b"\x00\x00", "1 bytes left over"),
        (VarBytes(300), b"\xc5\x00\x01a", "shortest form"),
        (VarBytes(300), b"\xc6\x00\x00\x00\x01a", "shortest form"),
        (VarBytes(300), b"\xa1a", "starts no byte string"),
        (VarBytes(2), b"\xc4\x03abc", "at most 2"),
        (VarBytes(1 << 31), b"\xc6\x7f\xff\xff\xff", "are left"),
        (FixedBytes(2), b"\xc4\x01a", "must be 2"),
        (WideUnsigned(2), b"\xc4\x01a", "must be 2"),
        (Array(Unsigned(), 9), b"\xdc\x00\x01\x00", "shortest form"),
        (Array(Unsigned(), 9), b"\xdd\x00\x00\x00\x01\x00", "shortest form"),
        (Array(Unsigned(), 2), b"\x93\x00\x00\x00", "at most 2"),
        (Array(Unsigned(), 1 << 32), b"\xdd\xff\xff\xff\xff", "at most 0"),
        (Array(Unsigned(), 9), b"\x80", "starts no array"),
        (UnsignedPair(8), b"\x91\x00", "must be 2"),
        (Signed(), b"\xcf\x7f" + b"\xff" * 7, "outside"),
        (SAMPLE, b"\x94\x07\x00\xc4\x00\x90", "4 elements, must be 5"),
        (SAMPLE, b"\x95\x06\x00\xc4\x00\x90\x90", "version 6, this node knows 7"),
        (SAMPLE, b"\x95\x07\x0d\xc4\x00\x90\x90", "13 is not allowed"),
    ],
)
def test_refusals_say_why(codec: Record[Sample], data: bytes, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        decode(codec, data, limit=LIMIT, what="value")


def test_size_is_checked_before_anything_is_read() -> None:
    with pytest.raises(CodecError, match="11 bytes, at most 10"):
        decode(VarBytes(100), b"\xc4\x09123456789", limit=10, what="value")


def test_the_field_is_named() -> None:
    with pytest.raises(CodecError, match=r"sample\.pairs\[1\]\[0\].*byte 10"):
        read(b"\x95\x07\x00\xc4\x00\x92\x92\x00\x00\x92\xff\x00\x90")


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (Unsigned(8), 256),
        (Unsigned(), -1),
        (Signed(), 1 << 62),
        (Signed(), -(1 << 62)),
        (FixedBytes(2), b"abc"),
        (WideUnsigned(2), 1 << 16),
        (WideUnsigned(2), -1),
        (VarBytes(2), b"abc"),
        (Array(Unsigned(), 1), (1, 2)),
    ],
)
def test_values_outside_the_schema_are_not_written(codec: Record[object], value: object) -> None:
    with pytest.raises(ValueError, match=r"fit|outside|must|most"):
        encode(codec, value)


def test_wide_numbers_are_big_endian_of_one_width() -> None:
    assert encode(WideUnsigned(3), 258) == b"\xc4\x03\x00\x01\x02"
    for value in (0, 258, (1 << 256) - 1):
        data = encode(WideUnsigned(32), value)
        assert decode(WideUnsigned(32), data, limit=LIMIT, what="value") == value


def test_writing_names_the_field() -> None:
    with pytest.raises(ValueError, match="number: -1"):
        encode(SAMPLE, Sample(-1, b"", (), ()))
