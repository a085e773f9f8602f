"""Yamux as a machine: what a peer may do, and each rule that it may break."""

from __future__ import annotations

import pytest

from esper.p2p.faults import Fault, Offence
from esper.p2p.transport.multiplexer import (
    ANSWER_BYTES,
    DATA_FRAME_BYTES,
    LARGEST_WINDOW,
    MOST_STREAMS,
    STRANGER_BYTES,
    Multiplexer,
    MuxStream,
)
from esper.p2p.transport.yamux import (
    ACK,
    DATA,
    FIN,
    FIRST_WINDOW,
    GO_AWAY,
    HEAD_BYTES,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    head,
    read_head,
)

MANY = 1 << 20


def fed(mux: Multiplexer, *frames: bytes) -> None:
    for frame in frames:
        mux.feed(frame)
        while mux.parse(MANY) != (0, 0):
            pass


def broken(mux: Multiplexer, *frames: bytes) -> str:
    """The rule that the last frame breaks."""
    fed(mux, *frames[:-1])
    with pytest.raises(Fault) as raised:
        fed(mux, frames[-1])
    assert raised.value.offence is Offence.GUARD
    return raised.value.reason


def data(number: int, size: int, flags: int = 0) -> bytes:
    return head(DATA, flags, number, size) + bytes(size)


def listener(*, agreed: int = 0, window: int = FIRST_WINDOW) -> Multiplexer:
    """The side that was dialled, with so many streams that agreed: 1, 3, ..."""
    mux = Multiplexer(dialler=False)
    for number in range(1, 2 * agreed, 2):
        fed(mux, head(WINDOW_UPDATE, SYN, number, 0))
        mux.agree(mux.streams[number], window)
    mux.answers()
    return mux


def test_a_stream_is_opened_acknowledged_and_carries_bytes_both_ways() -> None:
    one, other = Multiplexer(dialler=True), Multiplexer(dialler=False)
    ours = one.open()
    assert (ours.number, one.open().number) == (1, 3)
    fed(other, one.answers())
    theirs = other.streams[1]
    assert other.answers() == head(WINDOW_UPDATE, ACK, 1, 0) + head(WINDOW_UPDATE, ACK, 3, 0)
    fed(other, one.frame(ours, memoryview(b"there")))
    assert other.take(theirs, 3) == b"the"
    assert other.take(theirs, 3) == b"re"
    fed(one, other.frame(theirs, memoryview(b"and back")))
    assert one.take(ours, 99) == b"and back"
    assert other.open().number == 2


def test_we_send_frames_of_16_kib_and_no_more_than_was_granted() -> None:
    mux = listener(agreed=1)
    stream, rest, sizes = mux.streams[1], memoryview(bytes(MANY)), []
    while frame := mux.frame(stream, rest):
        sizes.append(len(frame) - HEAD_BYTES)
        rest = rest[sizes[-1] :]
    assert sizes == [DATA_FRAME_BYTES] * 16
    fed(mux, head(WINDOW_UPDATE, 0, 1, 100))
    assert read_head(mux.frame(stream, rest)).length == 100
    assert mux.frame(stream, rest) == b""


def test_the_window_is_granted_again_when_half_of_it_was_taken() -> None:
    mux = listener(agreed=1)
    stream = mux.streams[1]
    fed(mux, data(1, FIRST_WINDOW))
    mux.take(stream, FIRST_WINDOW // 2 - 1)
    assert mux.answers() == b""
    mux.take(stream, 1)
    assert mux.answers() == head(WINDOW_UPDATE, 0, 1, FIRST_WINDOW // 2)
    fed(mux, data(1, FIRST_WINDOW // 2))
    assert len(stream.received) == FIRST_WINDOW
    assert "beyond the window" in broken(mux, data(1, 1))


def test_a_stream_that_carries_much_is_granted_512_kib() -> None:
    mux = Multiplexer(dialler=False)
    fed(mux, head(WINDOW_UPDATE, SYN, 1, 0))
    mux.answers()
    mux.agree(mux.streams[1], LARGEST_WINDOW)
    assert mux.answers() == head(WINDOW_UPDATE, 0, 1, LARGEST_WINDOW - FIRST_WINDOW)
    fed(mux, data(1, LARGEST_WINDOW))
    assert mux.buffered == LARGEST_WINDOW
    assert "beyond the window" in broken(mux, data(1, 1))


def test_frames_are_followed_so_many_at_a_time() -> None:
    mux = listener(agreed=1)
    mux.feed(data(1, 10) * 100)
    assert mux.parse(64) == (64, 640)
    assert mux.parse(64) == (36, 360)
    assert mux.parse(64) == (0, 0)
    assert mux.frames == 101


@pytest.mark.parametrize("cut", range(1, 30))
def test_frames_may_be_cut_anywhere(cut: int) -> None:
    mux = listener(agreed=1)
    whole = head(PING, SYN, 0, 7) + head(DATA, 0, 1, 5) + b"bytes"
    fed(mux, whole[:cut], whole[cut:])
    assert mux.streams[1].received == b"bytes"
    assert mux.answers() == head(PING, ACK, 0, 7)
    assert mux.buffered == 5


@pytest.mark.parametrize("size", [FIRST_WINDOW + 1, 0xFFFFFFFF])
def test_a_frame_beyond_the_window_is_refused_by_its_head(size: int) -> None:
    """libp2p warns and buffers: 300 MB on a stream that nobody reads."""
    assert "beyond the window" in broken(listener(agreed=1), head(DATA, 0, 1, size))


def test_many_frames_that_fill_the_window_end_with_it() -> None:
    mux = listener(agreed=1)
    fed(mux, *[data(1, 4096)] * 64)
    assert mux.buffered == FIRST_WINDOW
    assert "beyond the window" in broken(mux, data(1, 1))


def test_a_ninth_stream_is_refused_and_one_that_ended_makes_room() -> None:
    mux = listener()
    for number in range(1, 2 * MOST_STREAMS, 2):
        fed(mux, head(WINDOW_UPDATE, SYN, number, 0))
    fed(mux, head(WINDOW_UPDATE, RST, 3, 0))
    fed(mux, head(DATA, SYN, 17, 0))
    assert "more than 8 streams" in broken(mux, head(WINDOW_UPDATE, SYN, 19, 0))


def test_our_own_streams_do_not_count() -> None:
    mux = Multiplexer(dialler=True)
    mux.open()
    mux.open()
    for number in range(2, 2 * MOST_STREAMS + 1, 2):
        fed(mux, head(WINDOW_UPDATE, SYN, number, 0))
    assert "more than 8 streams" in broken(mux, head(WINDOW_UPDATE, SYN, 18, 0))


def test_a_stream_without_a_protocol_takes_a_kib() -> None:
    mux = listener()
    fed(mux, data(1, STRANGER_BYTES - 1, SYN), data(1, 1))
    assert "without a protocol" in broken(mux, data(1, 1))
    assert "without a protocol" in broken(listener(), data(1, STRANGER_BYTES + 1, SYN))


def test_a_kib_counts_from_the_start_though_it_was_taken() -> None:
    mux = listener()
    fed(mux, data(1, STRANGER_BYTES, SYN))
    mux.streams[1].received.clear()
    assert "without a protocol" in broken(mux, data(1, 1))


@pytest.mark.parametrize(
    "bad",
    [
        b"\x01" + head(DATA, 0, 1, 0)[1:],
        head(4, 0, 1, 0),
        head(255, 0, 1, 0),
        head(DATA, 16, 1, 0),
        head(WINDOW_UPDATE, 0x8000, 1, 0),
        head(DATA, 0, 0, 0),
        head(WINDOW_UPDATE, SYN, 0, 0),
        head(PING, SYN, 1, 0),
        head(GO_AWAY, 0, 1, 0),
    ],
)
def test_bad_heads(bad: bytes) -> None:
    broken(listener(agreed=1), bad)


@pytest.mark.parametrize("number", [2, 1, 4, 0xFFFFFFFE])
def test_numbers_that_a_peer_may_not_open(number: int) -> None:
    assert "may not use" in broken(listener(agreed=1), head(WINDOW_UPDATE, SYN, number, 0))


def test_numbers_ascend() -> None:
    mux = listener()
    fed(mux, head(DATA, SYN, 5, 0))
    assert "may not use" in broken(mux, head(DATA, SYN, 3, 0))


@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
@pytest.mark.parametrize("number", [3, 2])
def test_frames_for_a_stream_that_nobody_opened(kind: int, number: int) -> None:
    assert "nobody opened" in broken(listener(agreed=1), head(kind, 0, number, 0))


def test_data_after_the_end_of_its_stream() -> None:
    mux = listener(agreed=1)
    fed(mux, head(DATA, FIN, 1, 0))
    assert mux.streams[1].ended
    assert not mux.gone
    assert "after the end" in broken(mux, data(1, 1))
    mux = listener()
    fed(mux, head(DATA, SYN, 1, 0), head(DATA, RST, 1, 0))
    # What crosses the end is no fault, unless it brings bytes.
    fed(mux, head(WINDOW_UPDATE, 0, 1, 5), head(DATA, FIN, 1, 0), head(WINDOW_UPDATE, RST, 1, 0))
    assert "after the end" in broken(mux, data(1, 1))


def test_a_stream_without_a_protocol_ends_on_both_sides() -> None:
    mux = listener()
    fed(mux, head(WINDOW_UPDATE, SYN, 1, 0), head(WINDOW_UPDATE, FIN, 1, 0))
    assert mux.answers().endswith(head(WINDOW_UPDATE, FIN, 1, 0))
    assert mux.streams == {}
    assert not mux.gone


def test_a_reset_of_a_stream_that_the_connection_is_for_and_a_farewell_end_it() -> None:
    for frame in (head(DATA, RST, 1, 0), head(GO_AWAY, 0, 0, 0)):
        mux = listener(agreed=1)
        fed(mux, frame)
        assert mux.gone
    dialler = Multiplexer(dialler=True)
    dialler.open()
    fed(dialler, head(WINDOW_UPDATE, RST, 1, 0))
    assert dialler.gone


def test_nothing_is_followed_after_a_farewell() -> None:
    mux = listener(agreed=1)
    mux.feed(head(GO_AWAY, 0, 0, 0) + data(1, 5))
    assert mux.parse(9) == (1, 0)
    assert mux.parse(9) == (0, 0)


def test_pings_are_answered_and_pongs_are_not() -> None:
    mux = listener()
    fed(mux, head(PING, SYN, 0, 0xFFFFFFFF), head(PING, ACK, 0, 3))
    assert mux.answers() == head(PING, ACK, 0, 0xFFFFFFFF)
    assert not mux.answering


@pytest.mark.parametrize(
    "frames",
    [head(PING, SYN, 0, 1) * (ANSWER_BYTES // HEAD_BYTES + 1)]
    + [
        b"".join(
            head(WINDOW_UPDATE, SYN, number, 0) + head(WINDOW_UPDATE, last, number, 0)
            for number in range(1, 4000, 2)
        )
        for last in (FIN, RST)
    ],
)
def test_answers_that_nobody_reads_are_limited(frames: bytes) -> None:
    mux = listener()
    with pytest.raises(Fault, match="does not read the answers"):
        fed(mux, frames)
    assert mux.buffered < ANSWER_BYTES + len(frames) + 100


def test_a_grant_is_kept_small_and_an_answer_needs_room() -> None:
    mux = listener(agreed=1)
    stream = mux.streams[1]
    fed(mux, *[head(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF)] * 5)
    assert stream.may_go == 1 << 32
    stream.may_go = 3
    with pytest.raises(Fault, match="no room"):
        mux.answer(stream, b"four")


def test_a_stream_that_ended_is_granted_nothing() -> None:
    mux = listener(agreed=1)
    fed(mux, data(1, FIRST_WINDOW, FIN))
    assert mux.take(mux.streams[1], MANY) == bytes(FIRST_WINDOW)
    assert mux.answers() == b""


def test_streams_are_told_apart_by_identity() -> None:
    assert MuxStream(1, ours=True) != MuxStream(1, ours=True)
