"""One connection: frames in and out, pings, and its end.

    link ─talk─▶ frames ─▶ owner            owner ─▶ talk queue ─▶ link
         ─bulk─▶ frames ─▶ owner            answers, pushes ─▶ bulk, one frame at a time

The readers call the owner at once and never wait for the chain. Whatever goes wrong ends this
connection and nothing else.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import (
    KIB,
    PING_EVERY_MS,
    PONG_MS,
    TALK_BURST,
    TALK_PER_S,
    TALK_QUEUE_BYTES,
)
from esper.p2p.peer import PeerNumber
from esper.p2p.peers.own_fault import TICKER_LATE_MS
from esper.p2p.ports import Random
from esper.p2p.transport.link import Link, LinkClosed, Stream
from esper.p2p.wire.bulk_messages import Compact, Proof
from esper.p2p.wire.fields import Claim, weight_bytes
from esper.p2p.wire.framing import FrameReader, frame_bytes
from esper.p2p.wire.messages import (
    FrameLimits,
    Message,
    StreamKind,
    decode_message,
    stream_of,
)
from esper.p2p.wire.talk_messages import (
    BYE_FAULT,
    BYE_STOPPING,
    Addrs,
    Bye,
    HaveTxs,
    Ping,
    Pong,
)
from esper.saying import complain

LOG: Final = logging.getLogger("esper.network")
READ_BYTES: Final = 64 * KIB
JOINED_BYTES: Final = 16 * KIB
"""Short messages that wait are sent together up to so many bytes."""
MESSAGE_COST_BYTES: Final = 512
"""What a message costs beside its bytes: a short one takes as long to read and to answer."""
LISTED_COST: Final = 4
"""Lists of many short values take so many times longer to read than other bytes."""
PUSHED_COST: Final = 16
"""So many bytes of a pushed block cost what one of the talk stream does: 1 MiB/s, 16 MiB."""
MESSAGES_AT_ONCE: Final = 64
"""After so many others get their turn."""
BYE_S: Final = 1.0
"""How long the last message may take."""


class Owner(Protocol):
    """Who is told what comes."""

    def received(self, connection: "Connection", message: Message, size: int) -> None:
        """A message of ``size`` bytes came. Raises Fault, which ends the connection."""

    def begins(self, connection: "Connection", kind: int) -> None:
        """A frame of the bulk stream begins: nothing of it is held yet.

        Raises Fault for one that nobody asked for, which ends the connection.
        """

    def progressed(self, connection: "Connection", kind: int, size: int) -> None:
        """So many more bytes came of a frame of the bulk stream that is not whole."""

    def claim(self) -> Claim:
        """The tip that this node stands on."""


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """What a connection holds and has carried."""

    queued: int
    """Bytes of messages that wait to be sent."""
    frames_held: int
    """Bytes of frames that are not whole."""
    ping_ms: int | None
    """The least time that a pong took; None before the first."""


class _Lane:
    """Frames that wait for one stream."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._filled = trio.Event()
        self.queued = 0
        """Bytes."""

    def put(self, frame: bytes) -> None:
        self._frames.append(frame)
        self.queued += len(frame)
        self._filled.set()

    async def next(self) -> bytes:
        """The next frames to send; short ones are sent together."""
        while not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()
        taken = [self._frames.popleft()]
        size = len(taken[0])
        while self._frames and size + len(self._frames[0]) <= JOINED_BYTES:
            taken.append(self._frames.popleft())
            size += len(taken[-1])
        self.queued -= size
        return b"".join(taken)


class Connection:
    """Frames over a link, from the end of its handshake to its close."""

    def __init__(
        self,
        number: PeerNumber,
        link: Link,
        owner: Owner,
        frames: FrameLimits,
        steady: Callable[[], int],
        random: Random,
    ) -> None:
        """``steady`` counts milliseconds evenly."""
        self.number = number
        """Names it for the machines."""
        self.link = link
        """What it runs over."""
        self.ping_ms: int | None = None
        """The least time that a pong took."""
        self.fault: Fault | None = None
        """What ended it, if it was the peer's doing."""
        self.why = ""
        """Why it ended, for people; empty while it runs."""
        self._owner = owner
        self._steady = steady
        self._random = random
        self._readers = {
            StreamKind.TALK: FrameReader(StreamKind.TALK, frames),
            StreamKind.BULK: FrameReader(
                StreamKind.BULK, frames, lambda kind: owner.begins(self, kind)
            ),
        }
        self._allowed = TokenBucket(TALK_PER_S, TALK_BURST, steady())
        self._lanes = {kind: _Lane() for kind in StreamKind}
        self._pushed_bytes = frames.limits.fetch
        self._bulk = trio.Lock()
        self._scope = trio.CancelScope()
        self._ending = trio.Event()
        self._bye: int | None = BYE_STOPPING
        self._waiting: tuple[int, int] | None = None
        self._ponged = trio.Event()
        self._ping_wanted = trio.Event()
        self._held: trio.Event | None = None

    def send(self, message: Message) -> None:
        """Queue a short message. A peer that reads too slowly loses the connection."""
        frame = frame_bytes(message)
        kind = stream_of(message.TYPE)
        lane = self._lanes[kind]
        # A pushed block may wait on the bulk stream beside them.
        most = TALK_QUEUE_BYTES + (self._pushed_bytes if kind is StreamKind.BULK else 0)
        if lane.queued + len(frame) > most:
            self.end(Fault(Offence.LATE, "it reads too slowly"), None)
            return
        lane.put(frame)

    def push(self, messages: tuple[Message, ...]) -> bool:
        """Queue a block nobody asked for; False if the one before it has not left yet."""
        lane = self._lanes[StreamKind.BULK]
        if lane.queued > TALK_QUEUE_BYTES // 2:
            return False
        for message in messages:
            lane.put(frame_bytes(message))
        return True

    def push_on(self, messages: tuple[Message, ...]) -> None:
        """Queue what belongs to a block whose first part was pushed."""
        for message in messages:
            self._lanes[StreamKind.BULK].put(frame_bytes(message))

    async def send_bulk(self, frame: bytes) -> None:
        """Send one frame of the bulk stream; others wait. Raises LinkClosed."""
        async with self._bulk:
            await self.link.bulk.send_all(frame)

    def end(self, fault: Fault | None, bye: int | None, why: str = "") -> None:
        """End it, from anywhere; the first reason stays. ``bye`` is said to the peer, if any."""
        if self.why:
            return
        self.fault = fault
        self.why = why or (str(fault) if fault is not None else "closed")
        self._bye = bye
        self._ending.set()
        self._scope.cancel()

    def end_by(self, error: Exception) -> None:
        """End it for an error of ours, which must not take the other connections along."""
        reason = f"{type(error).__name__}: {error}"
        complain(
            LOG,
            "connection_failed",
            "a connection ends by an error of this node, please report it: {reason}",
            reason=reason,
        )
        self.end(None, BYE_STOPPING, f"an error here: {reason}")

    def hold(self) -> None:
        """Read no further message of the talk stream for now: TCP keeps them with the peer."""
        if self._held is None:
            self._held = trio.Event()

    def go_on(self) -> None:
        """Read on."""
        held, self._held = self._held, None
        if held is not None:
            held.set()

    async def run(self) -> None:
        """Until it ends; the link is closed then. Raises nothing but Cancelled."""
        over = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_in_time, over)
            try:
                await self._carry()
            finally:
                await self._last_words()
                self.link.close()
                over.set()
                self._ending.set()

    async def _carry(self) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._guarded, self._read_talk)
                nursery.start_soon(self._guarded, self._read_bulk)
                nursery.start_soon(self._guarded, self._write_talk)
                nursery.start_soon(self._guarded, self._write_bulk)
                nursery.start_soon(self._guarded, self._ping)

    async def _close_in_time(self, over: trio.Event) -> None:
        """Writes are shielded: one that hangs must not hold the end up, nor must the last words."""
        try:
            await self._ending.wait()
        finally:
            with trio.CancelScope(deadline=trio.current_time() + BYE_S, shield=True):
                await over.wait()
            self.link.close()

    def pong(self, message: Pong) -> None:
        """A pong came. Raises Fault if no ping waits for it."""
        if self._waiting is None or self._waiting[0] != message.nonce:
            raise Fault(Offence.UNASKED, "a pong that no ping waits for")
        took = max(self._steady() - self._waiting[1], 0)
        self.ping_ms = took if self.ping_ms is None else min(self.ping_ms, took)
        self._waiting = None
        self._ponged.set()

    def pong_to(self, ping: Ping) -> None:
        """Answer a ping."""
        claim = self._owner.claim()
        self.send(Pong(ping.nonce, claim.height, weight_bytes(claim.weight), claim.tip))

    def statistics(self) -> ConnectionStatistics:
        """What it holds."""
        held = sum(reader.held for reader in self._readers.values())
        queued = sum(lane.queued for lane in self._lanes.values())
        return ConnectionStatistics(queued, held, self.ping_ms)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever a task of the connection raises ends the connection, and no more."""
        try:
            await work()
        except Fault as fault:
            self.end(fault, BYE_FAULT)
        except LinkClosed as closed:
            self.end(closed.fault, None, closed.reason)
        except Exception as error:
            # Our own trouble with one peer must not take the others along.
            self.end_by(error)

    async def _read_talk(self) -> None:
        await self._read(StreamKind.TALK, self.link.talk)

    async def _read_bulk(self) -> None:
        await self._read(StreamKind.BULK, self.link.bulk)

    async def _read(self, kind: StreamKind, stream: Stream) -> None:
        reader, unpaused = self._readers[kind], 0
        while data := await stream.receive_some(READ_BYTES):
            for frame in reader.feed(data):
                message = decode_message(frame.kind, frame.record)
                if message is not None:
                    self._owner.received(self, message, frame.size)
                if kind is StreamKind.TALK and self._held is not None:
                    await self._held.wait()
                pause = self._price_of(_cost(kind, message, frame.size))
                unpaused = 0 if pause else unpaused + 1
                if pause:
                    await trio.sleep(pause / 1000)
                elif unpaused % MESSAGES_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
            if kind is StreamKind.BULK and reader.kind is not None:
                self._owner.progressed(self, reader.kind, min(len(data), reader.held))
        self.end(None, None, "the peer closed the connection")

    def _price_of(self, cost: int) -> int:
        """How long not to read on, ms: TCP holds the peer back."""
        if not cost:
            return 0
        now = self._steady()
        self._allowed.charge(cost, now)
        return self._allowed.wait_ms(0, now)

    async def _write_talk(self) -> None:
        lane = self._lanes[StreamKind.TALK]
        while True:
            await self.link.talk.send_all(await lane.next())

    async def _write_bulk(self) -> None:
        lane = self._lanes[StreamKind.BULK]
        while True:
            await self.send_bulk(await lane.next())

    def ping_soon(self) -> None:
        """Ask now whether the peer is there; its pong, or its silence, is told as always."""
        self._ping_wanted.set()

    async def _ping(self) -> None:
        while True:
            self._ping_wanted = trio.Event()
            await self._ping_once()
            with trio.move_on_after(PING_EVERY_MS / 1000):
                await self._ping_wanted.wait()

    async def _ping_once(self) -> None:
        """Send a ping and wait for its pong. Raises Fault (LATE)."""
        claim = self._owner.claim()
        nonce = self._random.getrandbits(64)
        self._waiting, self._ponged = (nonce, self._steady()), trio.Event()
        self.send(Ping(nonce, claim.height, weight_bytes(claim.weight), claim.tip))
        while True:
            meant = self._steady() + PONG_MS
            with trio.move_on_after(PONG_MS / 1000):
                await self._ponged.wait()
                return
            if self._steady() - meant <= TICKER_LATE_MS:
                raise Fault(Offence.LATE, f"no pong within {PONG_MS // 1000} s")
            # This node slept: the pong may have come long ago, and lie unread.

    async def _last_words(self) -> None:
        if not self.why:
            self.why = "this node is stopping"
        if self._bye is None:
            return
        with trio.CancelScope(shield=True):
            try:
                await self.link.talk.send_all(frame_bytes(Bye(self._bye)))
            except Exception:
                # It goes anyway.
                return


def _cost(kind: StreamKind, message: Message | None, size: int) -> int:
    """What a message takes of the rate of its peer: answers that were asked for take nothing."""
    match message:
        case Compact(number=0) | Proof(number=0):
            return size // PUSHED_COST
        case HaveTxs() | Addrs():
            return MESSAGE_COST_BYTES + LISTED_COST * size
        case None:
            return MESSAGE_COST_BYTES + size
    return MESSAGE_COST_BYTES + size if kind is StreamKind.TALK else 0
