"""Yamux for one connection, as a machine: a stranger's bytes in, streams and answers out.

It holds the rules that keep a peer from filling our memory: a stream takes no more than we granted,
eight streams may be open, and one that has not agreed on a protocol takes 1 KiB. Whoever breaks one
is at fault (`Fault`), for a peer that keeps to the specification never does. The network page,
section 2.
"""

from dataclasses import dataclass, field
from typing import Final

from esper.p2p.transport.guard import violation
from esper.p2p.transport.yamux import (
    ACK,
    ALL_FLAGS,
    DATA,
    FIN,
    FIRST_WINDOW,
    GO_AWAY,
    HEAD_BYTES,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    Head,
    head,
    read_head,
)

MOST_STREAMS: Final = 8
"""That the peer may have open."""
STRANGER_BYTES: Final = 1024
"""That may come on a stream before it agrees on a protocol."""
LARGEST_WINDOW: Final = 512 * 1024
"""Granted on a stream that carries much."""
DATA_FRAME_BYTES: Final = 16 * 1024
"""Of ours: the streams of a connection take turns after each."""
ANSWER_BYTES: Final = 16 * 1024
"""Answers that may wait while the peer does not read."""
LARGEST_SEND_WINDOW: Final = 1 << 32


@dataclass(slots=True, eq=False)
class MuxStream:
    """One stream of a connection."""

    number: int
    ours: bool
    """Whether we opened it."""
    received: bytearray = field(default_factory=bytearray)
    """What nobody has taken yet: at most ``window`` bytes."""
    window: int = FIRST_WINDOW
    """Bytes that may lie in ``received`` and on the way together."""
    may_come: int = FIRST_WINDOW
    """Bytes that the peer may still send."""
    may_go: int = FIRST_WINDOW
    """Bytes that we may still send."""
    came: int = 0
    """Bytes that have come."""
    agreed: bool = False
    """On a protocol of ours."""
    ended: bool = False
    """The peer sends no more."""


class Multiplexer:
    """The streams of one connection."""

    def __init__(self, *, dialler: bool) -> None:
        self.streams: dict[int, MuxStream] = {}
        self.gone = False
        """The peer said that it goes, or reset a stream that the connection is for."""
        self.frames = 0
        """That have come."""
        self._next = 1 if dialler else 2
        self._last_theirs = 0
        self._answers = bytearray()
        self._input = b""
        self._at = 0
        self._head = b""
        """The beginning of a head whose rest comes with the next message."""
        self._into: MuxStream | None = None
        self._missing = 0
        """Bytes of the frame's data that have not come."""

    # What we do.

    def open(self) -> MuxStream:
        """Open a stream."""
        stream = MuxStream(self._next, ours=True)
        self._next += 2
        self.streams[stream.number] = stream
        self._answers += head(WINDOW_UPDATE, SYN, stream.number, 0)
        return stream

    def agree(self, stream: MuxStream, window: int) -> None:
        """The stream carries a protocol of ours; ``window`` bytes may be on their way."""
        stream.agreed = True
        stream.window = window
        self._grant(stream)

    def frame(self, stream: MuxStream, data: memoryview) -> bytes:
        """A frame with the first of ``data``, as many as may go now; empty if none may."""
        size = min(len(data), stream.may_go, DATA_FRAME_BYTES)
        if size == 0:
            return b""
        stream.may_go -= size
        return head(DATA, 0, stream.number, size) + data[:size]

    def answer(self, stream: MuxStream, data: bytes) -> None:
        """Send a few bytes along with the next answers."""
        frame = self.frame(stream, memoryview(data))
        if len(frame) != HEAD_BYTES + len(data):
            raise violation("no room for the answer on a stream without a protocol")
        self._answers += frame
        self._check_answers()

    def take(self, stream: MuxStream, most: int) -> bytes:
        """Up to ``most`` of the bytes received; the peer may send as many again."""
        data = bytes(stream.received[:most])
        del stream.received[:most]
        self._grant(stream)
        return data

    def answers(self) -> bytes:
        """What is to be sent now, beside data: grants, pongs, acknowledgements."""
        waiting = bytes(self._answers)
        self._answers.clear()
        return waiting

    @property
    def answering(self) -> bool:
        """Whether there is anything to be sent beside data."""
        return bool(self._answers)

    @property
    def parsed(self) -> bool:
        """Whether all that was fed has been followed."""
        return self._at == len(self._input)

    @property
    def buffered(self) -> int:
        """Bytes held."""
        held = sum(len(stream.received) for stream in self.streams.values())
        return held + len(self._answers) + len(self._input) - self._at + len(self._head)

    # What the peer does.

    def feed(self, message: bytes) -> None:
        """Take the next bytes; all that were fed before are parsed."""
        assert self._at == len(self._input)
        self._input, self._at = self._head + message, 0
        self._head = b""

    def parse(self, most: int) -> tuple[int, int]:
        """Follow up to ``most`` frames. How many began and bytes of data came: (0, 0) at the end.

        Raises Fault where the peer breaks a rule.
        """
        frames = data = 0
        end = len(self._input)
        while not self.gone:
            if self._missing:
                size = min(self._missing, end - self._at)
                if size == 0:
                    break
                data += size
                self._missing -= size
                if self._into is not None:
                    self._into.received += memoryview(self._input)[self._at : self._at + size]
                self._at += size
                continue
            if frames == most or self._at == end:
                break
            if end - self._at < HEAD_BYTES:
                self._head, self._at = self._input[self._at :], end
                break
            frame = read_head(self._input, self._at)
            self._at += HEAD_BYTES
            frames += 1
            self.frames += 1
            self._follow(frame)
        return frames, data

    def _follow(self, frame: Head) -> None:
        if frame.version != 0 or frame.kind > GO_AWAY or frame.flags & ~ALL_FLAGS:
            raise violation("a frame's head is none of Yamux")
        if frame.kind in (PING, GO_AWAY):
            self._of_connection(frame)
        elif frame.stream == 0:
            raise violation("data or a grant for stream 0")
        elif frame.flags & SYN:
            self._of_stream(self._opened(frame.stream), frame)
        elif (stream := self.streams.get(frame.stream)) is not None:
            self._of_stream(stream, frame)
        else:
            self._of_closed(frame)

    def _of_connection(self, frame: Head) -> None:
        if frame.stream != 0:
            raise violation("a ping or a farewell for a stream")
        if frame.kind == GO_AWAY:
            self.gone = True
        elif frame.flags & SYN:
            self._answers += head(PING, ACK, 0, frame.length)
            self._check_answers()

    def _opened(self, number: int) -> MuxStream:
        if number % 2 == self._next % 2 or number <= self._last_theirs:
            raise violation("a stream is opened under a number that the peer may not use")
        if sum(not stream.ours for stream in self.streams.values()) == MOST_STREAMS:
            raise violation(f"more than {MOST_STREAMS} streams")
        self._last_theirs = number
        stream = self.streams[number] = MuxStream(number, ours=False)
        self._answers += head(WINDOW_UPDATE, ACK, number, 0)
        self._check_answers()
        return stream

    def _of_stream(self, stream: MuxStream, frame: Head) -> None:
        if frame.kind == WINDOW_UPDATE:
            stream.may_go = min(LARGEST_SEND_WINDOW, stream.may_go + frame.length)
        else:
            self._data_comes(stream, frame.length)
        if frame.flags & RST:
            self._closed(stream)
        elif frame.flags & FIN:
            stream.ended = True
            if not stream.agreed:
                # Nobody reads it: it ends on both sides.
                self._answers += head(WINDOW_UPDATE, FIN, stream.number, 0)
                self._check_answers()
                self._closed(stream)

    def _data_comes(self, stream: MuxStream, size: int) -> None:
        if size == 0:
            return
        if stream.ended:
            raise violation("data after the end of its stream")
        if size > stream.may_come:
            raise violation(f"{size - stream.may_come} bytes beyond the window of a stream")
        stream.came += size
        if not stream.agreed and stream.came > STRANGER_BYTES:
            raise violation("much data on a stream without a protocol")
        stream.may_come -= size
        self._into, self._missing = stream, size

    def _closed(self, stream: MuxStream) -> None:
        del self.streams[stream.number]
        if stream.agreed or stream.ours:
            self.gone = True

    def _of_closed(self, frame: Head) -> None:
        theirs = frame.stream % 2 != self._next % 2
        known = frame.stream <= self._last_theirs if theirs else frame.stream < self._next
        if not known:
            raise violation("a frame for a stream that nobody opened")
        # Grants and ends may have crossed the end; data has no window any more.
        if frame.kind == DATA and frame.length:
            raise violation("data after the end of its stream")

    def _grant(self, stream: MuxStream) -> None:
        free = stream.window - stream.may_come - len(stream.received)
        if free >= stream.window // 2 and not stream.ended:
            stream.may_come += free
            self._answers += head(WINDOW_UPDATE, 0, stream.number, free)

    def _check_answers(self) -> None:
        if len(self._answers) > ANSWER_BYTES:
            raise violation("asks much and does not read the answers")
