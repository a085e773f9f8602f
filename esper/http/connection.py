"""One connection: its requests one after the other, each handed to an ASGI application.

waiting --idle_timeout-- closed
   | first byte
head --header_timeout, end-- closed     --malformed-- 4xx, then ending
   | empty line
answering: the application reads the body, then ``receive`` waits for the client's end
   |                                         --101-- ``receive`` and ``send`` are the bytes
   | answered, and the body was read      --client gone, or takes nothing-- closed
waiting, or ending: nothing more is said; what still comes is read and thrown away
"""

import errno
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import trio
from starlette.types import ASGIApp, Message

from esper.http.answers import Answer, plain_answer
from esper.http.body_reading import Body, ChunkedBody, SizedBody
from esper.http.counts import FORM, HttpCounts
from esper.http.heads import TOKEN, BadRequestError, Head, head_end, read_head
from esper.http.settings import HttpSettings

LOG: Final = logging.getLogger("esper.http")

HEAD_BYTES: Final = 16 * 1024
"""Of a request's line and headers, with their line ends."""
EMPTY_BYTES: Final = 1024
"""Of empty lines before a request: to skip them costs more than to send them."""
PART_BYTES: Final = 64 * 1024
"""Read at once."""
AHEAD_BYTES: Final = 64 * 1024
"""Of further requests that are kept while one is answered; a client that sends more then is not
waiting for its answer."""
LINGER_BYTES: Final = 1024 * 1024
"""Thrown away after the last answer: a client that is still sending would be told of a reset, and
not see the answer."""
LINGER_S: Final = 1.0
"""For a client to close after the last answer."""

CONNECTION: Final = "esper.connection"
"""Where ``ConnectionFacts`` stand in an ASGI scope's extensions."""


class ClientGoneError(OSError):
    """The client went away, or does not take what it asked for."""

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "the client is gone")


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What an application may want to know of the connection that a request came on."""

    closing: trio.Event
    """Set once the server wants to end."""
    is_kept: bool = False
    """It has one of the last places: essential routes alone are answered."""
    counts: HttpCounts = field(default_factory=HttpCounts)
    """Of the server."""


class Connection:
    """A client's connection."""

    def __init__(
        self,
        app: ASGIApp,
        stream: trio.abc.HalfCloseableStream,
        settings: HttpSettings,
        facts: ConnectionFacts,
        *,
        client: tuple[str, int] | None = None,
        server: tuple[str, int] | None = None,
    ) -> None:
        self._app = app
        self._stream = stream
        self._settings = settings
        self.idle_timeout_s = settings.idle_timeout_s
        """How long it may lie idle after an answer."""
        self.facts = facts
        self._client = client
        self._server = server
        self.data = bytearray()
        """Received and not read yet."""
        self._ended = False
        """Nothing more comes."""
        self.broken = False
        """Nothing more can be said."""
        self._waiting: trio.CancelScope | None = None
        """Of whatever the end of the server need not wait for."""

    async def run(self) -> None:
        """Serve until either side ends it, then close. Raises nothing that a client caused."""
        try:
            wait_s = self._settings.header_timeout_s
            while not self.facts.closing.is_set() and await self._one(wait_s):
                wait_s = self.idle_timeout_s
        except (ClientGoneError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    def let_go(self) -> None:
        """End it now unless a request is being answered; the server is closing."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def _one(self, wait_s: float) -> bool:
        """Answer the next request; whether another may follow."""
        try:
            head = await self._next_head(wait_s)
        except BadRequestError as error:
            await self._refuse(error)
            return False
        if head is None or self.facts.closing.is_set():
            return False
        exchange = _Exchange(self, head)
        try:
            await self._app(self._scope(head), exchange.receive, exchange.send)
            exchange.check_ended()
        except ClientGoneError:
            return False
        except BadRequestError as error:
            if not exchange.answer.begun:
                await self._refuse(error)
            return False
        except Exception:
            LOG.exception("a request failed")
            if not exchange.answer.begun:
                await self._refuse(BadRequestError(500, "the server failed; its log says why"))
            return False
        if not exchange.answer.is_last:
            return True
        await self._linger()
        return False

    async def _next_head(self, wait_s: float) -> Head | None:
        """As ``_head``, unless the server closes meanwhile: None then."""
        with trio.CancelScope() as self._waiting:
            return await self._head(wait_s)
        return None

    async def _head(self, wait_s: float) -> Head | None:
        """The next request's head; None if the client does not send one. Raises BadRequestError."""
        skipped = 0
        with trio.move_on_after(wait_s) as patience:
            while True:
                # Some clients end a body with an empty line that its length does not count.
                while self.data.startswith((b"\r\n", b"\n")):
                    line = self.data.index(b"\n") + 1
                    skipped += line
                    if skipped > EMPTY_BYTES:
                        raise BadRequestError(400, "there are only empty lines")
                    del self.data[:line]
                if self.data and self.data != b"\r":
                    break
                if not await self.more():
                    return None
        if patience.cancelled_caught:
            return None
        if self.data[0] not in TOKEN:
            raise BadRequestError(400, "this is no HTTP")
        with trio.move_on_after(self._settings.header_timeout_s):
            searched = 0
            while (end := head_end(self.data, searched)) is None:
                searched = len(self.data)
                if searched > HEAD_BYTES:
                    raise _long_head(self.data)
                if not await self.more():
                    return None
            if end > HEAD_BYTES:
                raise _long_head(self.data)
            data = bytes(self.data[:end])
            del self.data[:end]
            return read_head(data)
        return None

    async def more(self) -> bool:
        """Wait for bytes; False at the client's end."""
        if self._ended:
            return False
        try:
            part = await self._stream.receive_some(PART_BYTES)
        except trio.BrokenResourceError:
            part = b""
        self.data += part
        self._ended = not part
        return not self._ended

    async def say(self, data: bytes) -> None:
        """Send bytes. Raises ClientGoneError if they are not taken in time, now and ever after."""
        if self.broken:
            raise ClientGoneError
        if not data:
            return
        # Until it is known to have gone well: half of an answer must not be followed by another.
        self.broken = True
        with trio.move_on_after(self._settings.send_timeout_s):
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise ClientGoneError from None
            self.broken = False
        if self.broken:
            raise ClientGoneError

    async def _refuse(self, error: BadRequestError) -> None:
        self.facts.counts.refuse(FORM)
        await self.say(plain_answer(error.status, error.reason))
        await self._linger()

    async def _linger(self) -> None:
        """Say that nothing more comes, and let the client see it before the socket is closed."""
        if self.broken:
            return
        with trio.CancelScope() as self._waiting:
            if self.facts.closing.is_set():
                self._waiting.cancel()
            await linger(self._stream, self._ended)

    def _scope(self, head: Head) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": head.version,
            "method": head.method,
            "scheme": "http",
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers,
            "client": self._client,
            "server": self._server,
            "state": {},
            "extensions": {CONNECTION: self.facts},
            "esper.authority": head.authority,
        }


class _Exchange:
    """One request and its answer, as ASGI has them."""

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        self._head = head
        self._body: Body = ChunkedBody() if head.length is None else SizedBody(head.length)
        self._told = False
        self._wants_continue = head.wants_continue
        self.answer = Answer(head, connection.idle_timeout_s)
        """What the application has answered."""

    def check_ended(self) -> None:
        """Raises RuntimeError if the application is done and its answer is not."""
        if not self.answer.ended:
            raise RuntimeError("the application ended before its answer did")

    async def receive(self) -> Message:
        """The next part of the body; after the last, ``http.disconnect`` when the client ends.

        After a 101 whatever comes is handed on, as a body without an end.
        """
        connection = self._connection
        if self.answer.is_switched:
            if not connection.data and not await connection.more():
                return {"type": "http.disconnect"}
            part = bytes(connection.data)
            connection.data.clear()
            return {"type": "http.request", "body": part, "more_body": True}
        while not self._told:
            try:
                part = self._body.take(connection.data)
            except BadRequestError:
                if self.answer.begun:
                    # Too late to say so; nothing that follows has a meaning.
                    return {"type": "http.disconnect"}
                raise
            if part or self._body.ended:
                self._told = self._body.ended
                return {"type": "http.request", "body": part, "more_body": not self._told}
            if self._wants_continue and not self.answer.begun:
                self._wants_continue = False
                await connection.say(b"HTTP/1.1 100 Continue\r\n\r\n")
            if not await connection.more():
                return {"type": "http.disconnect"}
        while len(connection.data) <= AHEAD_BYTES and await connection.more():
            pass
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a message of the application. Raises ClientGoneError and AnswerError."""
        connection = self._connection
        # Where a body was not read to its end, nobody knows where the next request begins.
        is_last = (
            not self._body.ended or connection.facts.is_kept or connection.facts.closing.is_set()
        )
        await connection.say(self.answer.bytes_of(message, is_last))


async def linger(stream: trio.abc.HalfCloseableStream, ended: bool = False) -> None:
    """End our side, and read what the client still sends until it ends its own.

    For ``LINGER_S`` and ``LINGER_BYTES`` at most.
    """
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        with trio.move_on_after(LINGER_S):
            await stream.send_eof()
            seen = 0
            while not ended and seen < LINGER_BYTES:
                part = await stream.receive_some(PART_BYTES)
                seen += len(part)
                ended = not part


def _long_head(data: bytearray) -> BadRequestError:
    if b"\n" not in data[:HEAD_BYTES]:
        return BadRequestError(414, f"the first line exceeds {HEAD_BYTES} bytes")
    return BadRequestError(431, f"the head exceeds {HEAD_BYTES} bytes")
