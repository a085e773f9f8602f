"""Bodies of requests, cut out of what comes, however it is cut."""

from __future__ import annotations

import time

import pytest

from esper.http.body_reading import (
    CHUNK_LINE_BYTES,
    EXTENSION_BYTES,
    TRAILER_BYTES,
    Body,
    ChunkedBody,
    SizedBody,
)
from esper.http.heads import BadRequestError

CHUNKS = b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"


def taken(body: Body, *parts: bytes) -> tuple[bytes, bytes]:
    """The body of these parts, and what was left."""
    data = bytearray()
    found = b""
    for part in parts:
        data += part
        found += body.take(data)
    return found, bytes(data)


def refused(data: bytes) -> int:
    """Refused at once, and no later if it comes byte by byte."""
    with pytest.raises(BadRequestError) as caught:
        taken(ChunkedBody(), data)
    with pytest.raises(BadRequestError):
        taken(ChunkedBody(), *(data[at : at + 1] for at in range(len(data))))
    return caught.value.status


def test_a_sized_body_ends_at_its_length() -> None:
    body = SizedBody(5)
    states = [body.ended]
    assert taken(body, b"he") == (b"he", b"")
    states.append(body.ended)
    assert taken(body, b"lloGET") == (b"llo", b"GET")
    states.append(body.ended)
    assert states == [False, False, True]
    assert SizedBody(0).ended


def test_chunks_are_put_together_however_they_come() -> None:
    for cut in range(len(CHUNKS)):
        body = ChunkedBody()
        assert taken(body, CHUNKS[:cut])[1] in CHUNKS
        body = ChunkedBody()
        assert taken(body, CHUNKS[:cut], CHUNKS[cut:] + b"GET") == (b"hello0123456789", b"GET")
        assert body.ended
    body = ChunkedBody()
    assert taken(body, *(CHUNKS[at : at + 1] for at in range(len(CHUNKS)))) == (
        b"hello0123456789",
        b"",
    )
    assert body.ended


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b"05",
        b"0000000000000005",
        b"5;a",
        b"5 ; a",
        b"5;a=b;c",
        b"5;a = b",
        b'5;a="b;\\"c"',
        b'5;a=""',
        b"5 ",
        b"5\t",
    ],
)
def test_sizes_and_extensions_of_the_standard_are_read(line: bytes) -> None:
    assert taken(ChunkedBody(), line + b"\r\nhello\r\n0\r\n\r\n") == (b"hello", b"")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"g",
        b"-5",
        b"+5",
        b"0x5",
        b" 5",
        b"5 5",
        b"5;",
        b"5;;a",
        b"5;=b",
        b"5;a=",
        b"5;a;",
        b'5;a="b',
        b'5;a="b"c',
        b'5;a="\\',
        b"5;a\x00",
        b"5;a=\x07",
        b'5;a="\x00"',
        b"5;a\rb",
        b"5\r",
        b"5;\xff",
        b"00000000000000005",
        b"f" * 17,
        b"5;" + b"a" * CHUNK_LINE_BYTES,
    ],
)
def test_sizes_and_extensions_of_another_form_are_refused(line: bytes) -> None:
    assert refused(line + b"\r\nhello\r\n0\r\n\r\n") == 400


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhelloGET / HTTP/1.1\r\n",
        b"5\r\nhello\rX",
        b"0\r\nA b\r\n\r\n",
        b"0\r\nA: \x00\r\n\r\n",
        b"f" * CHUNK_LINE_BYTES,
    ],
)
def test_framing_of_another_form_is_refused(data: bytes) -> None:
    assert refused(data) == 400


def test_headers_after_the_chunks_are_read_and_thrown_away() -> None:
    body = ChunkedBody()
    assert taken(body, b"0\r\nA: b\r\nC: d\r\n", b"\r\nGET") == (b"", b"GET")
    assert body.ended
    long = b"0\r\n" + b"A: b\r\n" * (TRAILER_BYTES // 6 + 1)
    assert refused(long) == 431
    assert refused(long + b"\r\n") == 431


def test_extensions_are_few() -> None:
    line = b"1;" + b"a" * 1000 + b"\r\nx\r\n"
    assert taken(ChunkedBody(), line * (EXTENSION_BYTES // 1001))[0] == b"x" * 16
    with pytest.raises(BadRequestError):
        taken(ChunkedBody(), line * (EXTENSION_BYTES // 1001 + 1))


@pytest.mark.parametrize(
    "unit", [b"1\r\nx\r\n", b"1;a\r\nx\r\n"], ids=["small chunks", "extensions"]
)
def test_many_chunks_cost_no_more_than_their_number(unit: bytes) -> None:
    best = []
    for number in (500, 8_000):
        costs = []
        for _ in range(5):
            data = unit * number
            began = time.process_time()
            taken(ChunkedBody(), data)
            costs.append(time.process_time() - began)
        best.append(min(costs))
    assert best[1] < 100 * best[0] + 0.05, best


@pytest.mark.parametrize("line", [b"5" + b";a" * 400, b'5;a="' + b"\\b" * 400, b"5" + b" ;" * 400])
def test_no_line_of_a_chunk_takes_long(line: bytes) -> None:
    began = time.process_time()
    for _ in range(100):
        with pytest.raises(BadRequestError):
            taken(ChunkedBody(), line + b"\x00\r\n")
    assert time.process_time() - began < 2
