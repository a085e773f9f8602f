"""Websockets: an answer after which both sides send messages for as long as they like.

open --client closes, does wrong, sends too much--> our close frame, then the connection lingers
  |  --the session returns or raises CloseSocketError--> the same
  |  --client gone, no pong within ping_s, takes nothing--> cut
  `- --the server ends--> close frame 1001
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send
from wsproto.connection import Connection as FrameConnection
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from esper.http.connection import CONNECTION, ClientGoneError, ConnectionFacts
from esper.http.streams import LastingAnswer
from esper.http.websocket_handshake import handshake_headers

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
UNSUPPORTED: Final = 1003
POLICY: Final = 1008
TOO_BIG: Final = 1009
FAILED: Final = 1011
TRY_AGAIN: Final = 1013
"""Codes of RFC 6455, 7.4.1, and of the registry behind it."""

REASON_BYTES: Final = 123
"""Of a close frame's sentence."""
_NO_CODE: Final = frozenset({1005, 1006, 1015})
"""What a missing code is read as; they are never sent."""
FINISH_S: Final = 0.5
"""For a frame that is being sent when the socket is to end."""
WAITING_MESSAGES: Final = 4
"""That the session has not taken yet; meanwhile nothing more is read."""


class CloseSocketError(Exception):
    """A session wants its socket closed, with a code of RFC 6455 and a sentence."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        """1000 to 4999."""
        self.reason = reason
        """Of at most REASON_BYTES."""


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """What a client may do."""

    message_bytes: int = 4096
    """Of a message that it sends, its parts together."""
    frames_per_s: int = 10
    """That it sends, of every kind; as many may come at once."""
    ping_s: float = 20.0
    """Between our pings; whoever has not answered one by the next is gone."""


class WebSocket:
    """An open socket, as a session sees it. Made by ``WebSocketAnswer``."""

    def __init__(self, receive: Receive, send: Send, limits: WebSocketLimits) -> None:
        self._receive = receive
        self._send = send
        self._limits = limits
        # Without extensions: nothing is compressed.
        self._frames = FrameConnection(ConnectionType.SERVER)
        self._sending = trio.Lock()
        self._give, self._taken = trio.open_memory_channel[str](WAITING_MESSAGES)
        self._parts: list[str] = []
        self._bytes = 0
        """Of the message that comes."""
        self._allowed = float(limits.frames_per_s)
        self._counted = trio.current_time()
        self._is_pinged = False
        self._end: CloseSocketError | None = None
        self._is_gone = False
        self._error: Exception | None = None
        self._ended = trio.Event()

    @property
    def messages(self) -> trio.MemoryReceiveChannel[str]:
        """Texts that the client sends, for one task."""
        return self._taken

    async def send(self, *texts: str) -> None:
        """Send messages, all of them at once: a call costs more than a message.

        Raises ClientGoneError if the client does not take them in time.
        """
        await self._say(*map(TextMessage, texts))

    async def run(
        self, session: Callable[["WebSocket"], Awaitable[None]], closing: trio.Event | None
    ) -> None:
        """Let the session run until either side ends it.

        Raises ClientGoneError, and what the session raises.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ending_with, self._read)
            nursery.start_soon(self._ending_with, self._ping)
            nursery.start_soon(self._ending_with, self._in_session, session)
            if closing is not None:
                nursery.start_soon(self._watch_server, closing)
            await self._ended.wait()
            if not self._is_gone:
                # A frame that is being sent: half of one could not be followed by a last word.
                with trio.move_on_after(FINISH_S):
                    await self._sending.acquire()
                    self._sending.release()
            nursery.cancel_scope.cancel()
        if self._is_gone:
            raise ClientGoneError
        end = self._end or CloseSocketError(NORMAL, "")
        if self._frames.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            reason = end.reason.encode()[:REASON_BYTES].decode(errors="ignore")
            await self._send(_part(self._frames.send(CloseConnection(end.code, reason))))
        if self._error is not None:
            raise self._error

    def _stop(self, code: int, reason: str) -> None:
        """End everything; the first who says so names the reason."""
        if self._end is None and not self._is_gone:
            self._end = CloseSocketError(code, reason)
        self._ended.set()

    async def _ending_with(self, work: Callable[..., Awaitable[None]], *given: object) -> None:
        """Run a part of it; what it raises ends all."""
        try:
            await work(*given)
        except ClientGoneError:
            self._is_gone = self._is_gone or self._end is None
            self._ended.set()
        except CloseSocketError as wanted:
            self._stop(wanted.code, wanted.reason)

    async def _in_session(self, session: Callable[["WebSocket"], Awaitable[None]]) -> None:
        try:
            await session(self)
            self._stop(NORMAL, "")
        except (ClientGoneError, CloseSocketError):
            raise
        except Exception as error:
            self._error = error
            self._stop(FAILED, "the server failed; its log says why")

    async def _watch_server(self, closing: trio.Event) -> None:
        await closing.wait()
        self._stop(GOING_AWAY, "the server ends")

    async def _ping(self) -> None:
        while True:
            await trio.sleep(self._limits.ping_s)
            if self._is_pinged:
                raise ClientGoneError
            self._is_pinged = True
            await self._say(Ping())

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            self._frames.receive_data(message["body"])
            for event in self._frames.events():
                await self._take(event)

    async def _take(self, event: Event) -> None:
        """Raises CloseSocketError for what a client must not do, or if it closes."""
        match event:
            case CloseConnection(code=code, reason=reason):
                # What the client said, back to it; or what it did wrong, if it closed nothing.
                is_code = code is not None and int(code) not in _NO_CODE
                raise CloseSocketError(int(code) if is_code else NORMAL, reason or "")
            case Ping():
                self._count()
                await self._say(event.response())
            case Pong():
                self._count()
                self._is_pinged = False
            case BytesMessage():
                raise CloseSocketError(UNSUPPORTED, "messages are text in JSON")
            case TextMessage(data=part):
                await self._take_part(part, event)
            case _:
                raise CloseSocketError(POLICY, "this has no meaning here")

    async def _take_part(self, part: str, event: TextMessage) -> None:
        self._bytes += len(part.encode())
        if self._bytes > self._limits.message_bytes:
            most = self._limits.message_bytes
            raise CloseSocketError(TOO_BIG, f"a message has at most {most} bytes")
        self._parts.append(part)
        if event.frame_finished:
            self._count()
        if event.message_finished:
            whole = "".join(self._parts)
            self._parts.clear()
            self._bytes = 0
            await self._give.send(whole)

    def _count(self) -> None:
        """Count a frame against its rate. Raises CloseSocketError."""
        most = self._limits.frames_per_s
        now = trio.current_time()
        self._allowed = min(float(most), self._allowed + (now - self._counted) * most)
        self._counted = now
        self._allowed -= 1
        if self._allowed < 0:
            raise CloseSocketError(POLICY, f"at most {most} messages a second are taken")

    async def _say(self, *events: Event) -> None:
        async with self._sending:
            if not self._ended.is_set():
                await self._send(_part(b"".join(map(self._frames.send, events))))
                return
        # The last word is another's, and this task is about to be cancelled.
        await trio.sleep_forever()


class WebSocketAnswer(LastingAnswer):
    """Switches to a websocket, which ``session`` then has; a slot is held while it is open.

    The session is cancelled when the client goes away, or does what it must not, or the server
    closes. It ends the socket by returning, or by CloseSocketError.
    """

    def __init__(
        self,
        scope: Scope,
        session: Callable[[WebSocket], Awaitable[None]],
        limits: WebSocketLimits | None = None,
    ) -> None:
        """``scope`` is the request's. Raises RefusedError if it asks for no websocket."""
        super().__init__(None, 101, handshake_headers(scope))
        self._session = session
        self._limits = limits or WebSocketLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold it. Raises ClientGoneError, and whatever the session raises."""
        facts: ConnectionFacts | None = scope.get("extensions", {}).get(CONNECTION)
        await send({"type": "http.response.start", "status": 101, "headers": self.raw_headers})
        await send(_part(b""))
        socket = WebSocket(receive, send, self._limits)
        await socket.run(self._session, facts.closing if facts is not None else None)
        await send({"type": "http.response.body"})


def _part(data: bytes) -> AsgiMessage:
    return {"type": "http.response.body", "body": data, "more_body": True}
