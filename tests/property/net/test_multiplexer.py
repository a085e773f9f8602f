"""The multiplexer against a model of windows, and against any bytes at all."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.p2p.faults import Fault
from esper.p2p.transport.multiplexer import (
    ANSWER_BYTES,
    LARGEST_WINDOW,
    MOST_STREAMS,
    STRANGER_BYTES,
    Multiplexer,
)
from esper.p2p.transport.yamux import (
    DATA,
    FIN,
    FIRST_WINDOW,
    HEAD_BYTES,
    RST,
    SYN,
    WINDOW_UPDATE,
    head,
    read_head,
)


def feed(mux: Multiplexer, frames: bytes, cuts: list[int]) -> None:
    at = 0
    for cut in [*sorted(cut % (len(frames) + 1) for cut in cuts), len(frames)]:
        mux.feed(frames[at:cut])
        while mux.parse(3) != (0, 0):
            pass
        at = cut


class Model:
    """What a peer may send, told in another way: totals granted and totals sent."""

    def __init__(self) -> None:
        self.granted: dict[int, int] = {}
        self.sent: dict[int, int] = {}
        self.agreed: set[int] = set()
        self.ended: set[int] = set()
        self.last = 0

    def allows(self, kind: int, flags: int, number: int, length: int) -> bool:
        """Whether the peer, who dialled, may send this frame."""
        open_now = len(self.granted) - len(self.ended)
        if flags & SYN:
            if number % 2 == 0 or number <= self.last or open_now == MOST_STREAMS:
                return False
        elif number not in self.granted:
            # The numbers between may be named, as the streams that were never seen.
            if not (number % 2 == 1 and number <= self.last):
                return False
            return kind == WINDOW_UPDATE or length == 0
        elif number in self.ended:
            return kind == WINDOW_UPDATE or length == 0
        if kind == WINDOW_UPDATE:
            return True
        sent = self.sent.get(number, 0) + length
        if length and number not in self.agreed and sent > STRANGER_BYTES:
            return False
        return sent <= self.granted.get(number, FIRST_WINDOW)

    def sends(self, kind: int, flags: int, number: int, length: int) -> None:
        if flags & SYN:
            self.last = number
            self.granted[number] = FIRST_WINDOW
        if number not in self.granted:
            return
        if kind == DATA:
            self.sent[number] = self.sent.get(number, 0) + length
        if flags & RST or (flags & FIN and number not in self.agreed):
            self.ended.add(number)

    def hears(self, answers: bytes) -> None:
        for at in range(0, len(answers), HEAD_BYTES):
            frame = read_head(answers, at)
            if frame.kind == WINDOW_UPDATE:
                self.granted[frame.stream] += frame.length


NUMBERS = st.sampled_from([1, 1, 1, 3, 3, 5, 7, 9, 11, 13, 15, 17, 19, 2])
SIZES = st.one_of(
    st.integers(0, 300),
    st.sampled_from([1023, 1024, 1025, 65_000, 131_072, FIRST_WINDOW, LARGEST_WINDOW]),
)
STEPS = st.one_of(
    st.tuples(
        st.just("frame"),
        st.sampled_from([DATA, WINDOW_UPDATE]),
        st.sampled_from([0, 0, 0, SYN, SYN, SYN | FIN, FIN, RST]),
        NUMBERS,
        SIZES,
    ),
    st.tuples(st.just("take"), NUMBERS, SIZES),
    st.tuples(st.just("agree"), NUMBERS, st.sampled_from([FIRST_WINDOW, LARGEST_WINDOW])),
)


@given(st.lists(STEPS, max_size=40), st.lists(st.integers(0, 1 << 20), max_size=3))
@settings(max_examples=400)
def test_what_the_model_allows_is_taken_and_all_else_is_a_fault(
    steps: list[tuple[object, ...]], cuts: list[int]
) -> None:
    mux, model = Multiplexer(dialler=False), Model()
    for step in steps:
        match step:
            case ("frame", int(kind), int(flags), int(number), int(length)):
                if number in model.agreed and flags & (FIN | RST):
                    continue
                allowed = model.allows(kind, flags, number, length)
                frame = head(kind, flags, number, length)
                try:
                    feed(mux, frame + (bytes(length) if kind == DATA and allowed else b""), cuts)
                except Fault:
                    assert not allowed
                    return
                assert allowed
                model.sends(kind, flags, number, length)
            case ("take", int(number), int(most)):
                if number in mux.streams and number in model.agreed:
                    mux.take(mux.streams[number], most)
            case ("agree", int(number), int(window)):
                if number in mux.streams and number not in model.agreed:
                    model.agreed.add(number)
                    mux.agree(mux.streams[number], window)
        model.hears(mux.answers())
        for number, stream in mux.streams.items():
            assert len(stream.received) + stream.may_come <= stream.window
            assert stream.may_come == model.granted[number] - model.sent.get(number, 0)
        assert len(mux.streams) <= MOST_STREAMS


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
@settings(max_examples=500)
def test_any_bytes_are_followed_or_a_fault_and_never_held_without_bound(
    data: bytes, cuts: list[int]
) -> None:
    mux = Multiplexer(dialler=False)
    try:
        feed(mux, data, cuts)
    except Fault:
        return
    assert mux.buffered <= len(data) + ANSWER_BYTES


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 70_000)), min_size=1, max_size=30),
    st.lists(st.integers(0, 1 << 20), max_size=8),
)
@settings(max_examples=100)
def test_two_of_them_carry_everything_in_order(
    sends: list[tuple[int, int]], cuts: list[int]
) -> None:
    one, other = Multiplexer(dialler=True), Multiplexer(dialler=False)
    streams = [one.open(), one.open()]
    feed(other, one.answers(), cuts)
    theirs = list(other.streams.values())
    for stream in streams + theirs:
        (one if stream.ours else other).agree(stream, LARGEST_WINDOW)
    expected, got = [bytearray(), bytearray()], [bytearray(), bytearray()]
    for which, size in sends:
        data = bytes([size % 251]) * size
        expected[which] += data
        rest = memoryview(data)
        while rest:
            frame = one.frame(streams[which], rest)
            rest = rest[max(0, len(frame) - HEAD_BYTES) :]
            feed(other, frame, cuts)
            got[which] += other.take(theirs[which], size)
            feed(one, other.answers(), cuts)
    assert got == expected
