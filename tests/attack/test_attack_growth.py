"""What others send costs what its length is worth: each way in is fed twice, long and longer.

Work is counted twice over: as lines of this program that run, which is exact, and as processor
time, which sees what C and Rust do as well.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from esper.storage.kv import leveldb_diagnosis
from tests.fuzz.decoders import table
from tests.support.hostile_entries import ENTRIES, Entry, tokenizer

UNITS = (
    b"\0", b"\x80", b"\xff", b"\x90", b"\xc4\0", b"\xdc\xff\xff", b"\1", b'"', b'\\"', b"\\", b"[",
    b"]", b"[],", b'{"":', b"{},", b"1", b"1,", b"1e", b"-", b" ", b"a", b"a ", b",", b":", b";a",
    b"\n", b"\r\n", b"\r\n\r\n", b"a:b\r\n", b"1\r\na\r\n", b"%41", b"/", b"../", b".", b"=", b"`",
    b"ab", b"zz", b"\\u0041", b"\\ud800", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "\u20ac".encode(), "e\u0301".encode(), "\u0301".encode(), "\ufdfa".encode(), "\u212a".encode(),
    "\U0001f469\u200d".encode(), "\u202e".encode(), b"\x1b[2J", b"[/]", b"[red]",
)  # fmt: skip
SHORT, LONG = 1_000, 8_000
"""Bytes of a text whose lines are counted."""
SMALL, LARGE = 16_384, 262_144
"""Bytes of a text that is timed. The largest body of the node has as many as the larger."""
SLOW = frozenset(
    {
        "tokenizer",
        "tokenizer back",
        "http body, byte by byte",
        "http chunks, byte by byte",
        "http trailer",
        "shown",
    }
)
"""Ways in that take a while for each byte: they get an eighth."""
DECODERS: dict[str, Entry] = {f"decoder {one.name}": one.read for one in table()}
HONEST = {f"decoder {one.name}": one.honest for one in table()}
EVERY = ENTRIES | DECODERS


def fed(name: str, size: int) -> Iterator[bytes]:
    """Texts of a size for a way in; for a decoder, behind and within what it accepts, too."""
    size = size // 8 if name in SLOW else size
    honest = HONEST.get(name, b"")
    middle = len(honest) // 2
    for unit in UNITS:
        long = (unit * (size // len(unit) + 1))[:size]
        yield long
        if honest and len(unit) < 4:
            yield honest[:12] + long
            yield honest[:middle] + long + honest[middle:]
            yield long + honest[-48:]


def lines(read: Entry, data: bytes) -> int:
    """How many lines run."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(Exception):
            read(data)
    finally:
        sys.settrace(before)
    return count


def seconds(read: Entry, data: bytes) -> float:
    """Processor time, without what the garbage of every test before would add to it."""
    collects = gc.isenabled()
    gc.disable()
    began = time.process_time()
    try:
        with suppress(Exception):
            read(data)
        return time.process_time() - began
    finally:
        if collects:
            gc.enable()


@pytest.mark.parametrize("name", EVERY)
def test_no_way_in_runs_more_lines_than_its_bytes_are_worth(name: str) -> None:
    for short, long in zip(fed(name, SHORT), fed(name, LONG), strict=True):
        large = lines(EVERY[name], long)
        # Eight times the bytes: what grows with the square takes sixty-four times as many.
        if large > LONG:
            small = lines(EVERY[name], short)
            assert large < 20 * small, (short[:40], small, large)


@pytest.mark.serial
@pytest.mark.parametrize("name", EVERY)
def test_no_way_in_takes_longer_than_its_bytes_are_worth(name: str) -> None:
    # Four times the bytes each: what grows with the square takes 16 and 256 times as long. Step by
    # step, so that a failure does not take an hour.
    sizes = (SMALL, 4 * SMALL, LARGE)
    for texts in zip(*(fed(name, size) for size in sizes), strict=True):
        for text, times in zip(texts[1:], (10, 60), strict=True):
            large = seconds(EVERY[name], text)
            if large > 0.25:
                small = min(seconds(EVERY[name], texts[0]) for _ in range(3))
                # The least of several: what a busy machine adds is not the text's.
                again = 0 if large > 5 else 3
                large = min([large, *(seconds(EVERY[name], text) for _ in range(again))])
                assert large < times * small + 0.15, (text[:40], len(text), small, large)


def quadratic(data: bytes) -> None:
    """What the tests above must notice."""
    for at in range(0, len(data), 64):
        for _ in range(0, at, 64):
            pass


def quadratic_in_c(data: bytes) -> None:
    """As it is where no line of ours runs."""
    for at in range(0, len(data), 64):
        data[at:].count(b"\0")


def test_what_grows_with_the_square_is_noticed() -> None:
    assert lines(quadratic, bytes(LONG)) > 20 * lines(quadratic, bytes(SHORT))
    small, large = seconds(quadratic_in_c, bytes(SMALL)), seconds(quadratic_in_c, bytes(LARGE))
    assert large > max(60 * small + 0.1, 0.25), (small, large)


def test_blocks_of_leveldb_that_overlap_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every entry of the index names the same kilobyte.
    looked: list[int] = []

    def checksum(data: bytes) -> int:
        looked.append(len(data))
        return int.from_bytes(bytes(4), "little")

    monkeypatch.setattr(leveldb_diagnosis, "masked_crc", checksum)
    ENTRIES["a table of LevelDB"](b"\0\0\5\0\xff\7" * 1_000 + bytes(4))
    assert sum(looked) == 0


@pytest.mark.parametrize("unit", ["a", " ", "\n", "e\u0301", "\u0301", "\ufdfa", "\u203d", "\0"])
def test_the_longest_text_is_tokenised_in_a_fraction_of_a_second(unit: str) -> None:
    text = (unit * 65_536)[:65_536]
    assert seconds(lambda _: tokenizer().encode(text, add_special_tokens=False), b"") < 2
