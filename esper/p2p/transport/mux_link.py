"""A connection that works: streams over Yamux over Noise, with their deadlines."""

import logging
from contextlib import suppress
from typing import Final

import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.transport.channel import SocketChannel
from esper.p2p.transport.guard import FrameBudget
from esper.p2p.transport.link import (
    SEND_BASE_S,
    Ending,
    LinkClosed,
    LinkStatistics,
    send_deadline_s,
)
from esper.p2p.transport.multiplexer import Multiplexer, MuxStream
from esper.p2p.transport.negotiation import Answerer, Asker
from esper.p2p.transport.noise_link import SecuredChannel
from esper.p2p.transport.yamux import HEAD_BYTES
from esper.saying import say

LOG: Final = logging.getLogger("esper.p2p")
MESSAGES_AT_ONCE: Final = 4
"""Of those that came already: after so many, 64 KiB if they are full, others get a turn."""
FRAMES_AT_ONCE: Final = 64
"""Followed before the budgets are asked: nobody runs far into debt, and other tasks get a turn."""


def now_ms() -> int:
    """Milliseconds of trio's clock."""
    return int(trio.current_time() * 1000)


def _not_taken() -> LinkClosed:
    fault = Fault(Offence.LATE, "does not take what we send")
    return LinkClosed(Ending.DEADLINE, fault.reason, fault)


class LinkStream:
    """A stream of a `MuxLink`: see `esper.p2p.transport.link.Stream`."""

    def __init__(self, link: "MuxLink", stream: MuxStream) -> None:
        self._link = link
        self._stream = stream
        self._news = trio.Event()
        self._awaited = False

    def wake(self) -> None:
        """Let whoever waits look again: bytes came, more may go, or the link is closed."""
        if self._awaited:
            self._awaited = False
            self._news.set()
            self._news = trio.Event()

    async def _wait(self) -> None:
        self._awaited = True
        await self._news.wait()

    async def receive_some(self, most: int) -> bytes:
        """Between 1 and ``most`` bytes; none at the end. Raises LinkClosed."""
        await trio.lowlevel.checkpoint()
        self._link.check_not_ours()
        while not self._stream.received:
            if self._stream.ended:
                return b""
            self._link.check_open()
            await self._wait()
        return self._link.take(self._stream, most)

    async def send_all(self, data: bytes) -> None:
        """Send all, whoever cancels. Raises LinkClosed; what takes too long closes the link."""
        await trio.lowlevel.checkpoint_if_cancelled()
        deadline = trio.current_time() + send_deadline_s(len(data))
        with trio.CancelScope(shield=True, deadline=deadline) as scope:
            rest = memoryview(data)
            while rest:
                sent = await self._link.send_frame(self._stream, rest)
                if sent == 0:
                    await self._wait()
                rest = rest[sent:]
        if scope.cancelled_caught:
            self._link.end(_not_taken())
            self._link.check_open()


class MuxLink:
    """A connection to a proven peer: see `esper.p2p.transport.link.Link`."""

    def __init__(
        self,
        channel: SocketChannel,
        secured: SecuredChannel,
        remote_address: tuple[str, int],
        frames: FrameBudget,
        *,
        outbound: bool,
    ) -> None:
        self.remote_id = secured.remote_id
        self.remote_address = remote_address
        self.outbound = outbound
        self.talk: LinkStream
        self.bulk: LinkStream
        self._channel = channel
        self._secured = secured
        self._frames = frames
        self._mux = Multiplexer(dialler=outbound)
        self._closed: LinkClosed | None = None
        self._streams: dict[str, LinkStream] = {}
        self._offered: dict[str, int] = {}
        """Protocols that the peer may still open, and the windows of their streams."""
        self._answerers: dict[int, Answerer] = {}
        self._askers: dict[MuxStream, tuple[Asker, str, int]] = {}
        self._writing = trio.Lock()
        self._answers_wait = trio.Event()
        self._held_back_ms = 0

    # Opening.

    async def open(self, protocols: dict[str, int], first: bytes) -> None:
        """Agree on both streams: talk, then bulk, with their windows. ``first`` came before.

        Raises LinkClosed or Fault.
        """
        talk, bulk = protocols
        if self.outbound:
            for name, window in protocols.items():
                stream, asker = self._mux.open(), Asker(name)
                self._askers[stream] = (asker, name, window)
                self._mux.answer(stream, asker.proposal)
        else:
            self._offered = dict(protocols)
        await self._follow(first)
        while len(self._streams) < len(protocols):
            await self._send_answers()
            await self._follow(await self._secured.read_message())
        await self._send_answers()
        self.talk, self.bulk = self._streams[talk], self._streams[bulk]
        self._channel.in_handshake = False

    def _negotiate(self) -> None:
        for stream, (asker, name, window) in list(self._askers.items()):
            asker.receive(stream.received)
            if asker.refused:
                raise LinkClosed(Ending.REFUSED)
            if asker.agreed:
                del self._askers[stream]
                self._agree(stream, name, window)
        for stream in list(self._mux.streams.values()):
            if not stream.ours and not stream.agreed and stream.received:
                answerer = self._answerers.setdefault(stream.number, Answerer(self._offered))
                reply = answerer.receive(stream.received)
                if reply:
                    self._mux.answer(stream, reply)
                if answerer.agreed is not None:
                    self._agree(stream, answerer.agreed, self._offered.pop(answerer.agreed))
        for number in self._answerers.keys() - self._mux.streams.keys():
            del self._answerers[number]

    def _agree(self, stream: MuxStream, name: str, window: int) -> None:
        self._answerers.pop(stream.number, None)
        self._mux.agree(stream, window)
        self._streams[name] = LinkStream(self, stream)

    # Running.

    async def run(self) -> None:
        """Read until the link is closed; raises nothing but Cancelled, which closes the link."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write_answers)
                await self._read()
        except* Exception as errors:
            self._end_by(errors)
        finally:
            self.close()

    def _end_by(self, error: BaseException) -> None:
        """Whatever a stranger's bytes bring about ends one connection."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, Fault):
            self.end(LinkClosed(Ending.BROKEN, error.reason, error))
        elif isinstance(error, LinkClosed):
            self.end(error)
        else:
            say(
                LOG,
                "link_failed",
                "a connection ends by an error: {reason}",
                level=logging.DEBUG,
                reason=f"{type(error).__name__}: {error}",
            )
            self.end(LinkClosed(Ending.BROKEN, f"unexpected {type(error).__name__}"))

    async def _read(self) -> None:
        while True:
            for _ in range(MESSAGES_AT_ONCE):
                await self._follow(await self._secured.read_message())
                if self._mux.answering:
                    break
            await trio.lowlevel.checkpoint()

    async def _follow(self, message: bytes) -> None:
        self._mux.feed(message)
        # A message costs as much as a frame, though it may hold none. In the handshake what follows
        # the agreement may come along with it: each frame is looked at before the next.
        first = 1
        while True:
            frames, data = self._mux.parse(1 if self._channel.in_handshake else FRAMES_AT_ONCE)
            if first or frames or data:
                now = now_ms()
                self._frames.add(max(first, frames), data, now)
                if frames or data:
                    self._negotiate()
                    self._wake()
                if self._frames.pause_ms(now) > 0:
                    await self._hold_back()
            if frames == data == 0 or self._mux.parsed:
                break
            if self._mux.answering and not self._channel.in_handshake:
                # Else a peer that reads would be blamed for answers that nobody sent it yet.
                await trio.lowlevel.checkpoint()
            first = 0
        if self._mux.gone:
            raise LinkClosed(Ending.PEERS)

    async def _hold_back(self) -> None:
        while (pause := self._frames.pause_ms(now_ms())) > 0:
            self._held_back_ms += pause
            await trio.sleep(pause / 1000)

    def _wake(self) -> None:
        for stream in self._streams.values():
            stream.wake()
        if self._mux.answering:
            self._answers_wait.set()

    # Sending. One task at a time has the lock: Noise counts its messages.

    async def send_frame(self, stream: MuxStream, data: memoryview) -> int:
        """Send the first of ``data``, as many as may go in one frame. Raises LinkClosed."""
        async with self._writing:
            frame = self._mux.frame(stream, data)
            if frame:
                await self._write(self._mux.answers() + frame)
        self.check_open()
        return max(0, len(frame) - HEAD_BYTES)

    async def _send_answers(self) -> None:
        async with self._writing:
            answers = self._mux.answers()
            if answers:
                await self._write(answers)

    async def _write_answers(self) -> None:
        """Apart from reading: two nodes that wait for each other to read would wait for ever."""
        while True:
            await self._answers_wait.wait()
            self._answers_wait = trio.Event()
            with trio.move_on_after(SEND_BASE_S) as scope:
                await self._send_answers()
            if scope.cancelled_caught:
                raise _not_taken()

    async def _write(self, data: bytes) -> None:
        self.check_open()
        try:
            await self._secured.write(data)
        except LinkClosed as closed:
            self.end(closed)
            self.check_open()

    def take(self, stream: MuxStream, most: int) -> bytes:
        """Take bytes that came."""
        data = self._mux.take(stream, most)
        if self._mux.answering:
            self._answers_wait.set()
        return data

    # Closing.

    def end(self, closed: LinkClosed) -> None:
        """Close for a reason; the first one counts."""
        if self._closed is None:
            self._closed = closed.again()
            with suppress(OSError):
                self._channel.close()
            for stream in self._streams.values():
                stream.wake()

    def close(self) -> None:
        """Close at once: waiting tasks get LinkClosed."""
        self.end(LinkClosed(Ending.OURS))

    def check_open(self) -> None:
        """Raise LinkClosed if it is closed."""
        if self._closed is not None:
            raise self._closed.again()

    def check_not_ours(self) -> None:
        """Raise LinkClosed if we closed it: what came before is not wanted any more."""
        if self._closed is not None and self._closed.ending is Ending.OURS:
            raise self._closed.again()

    @property
    def closed(self) -> LinkClosed | None:
        """Why it is closed; None while it is open."""
        return self._closed

    def statistics(self) -> LinkStatistics:
        """What it has carried and holds."""
        return LinkStatistics(
            bytes_in=self._channel.bytes_in,
            bytes_out=self._channel.bytes_out,
            frames_in=self._mux.frames,
            buffered=self._mux.buffered + len(self._channel.buffer),
            streams=len(self._mux.streams),
            held_back_ms=self._held_back_ms,
        )
