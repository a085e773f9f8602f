"""A client of websockets over streams in memory, and frames that no client should send."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Ping, TextMessage

from tests.support.http.http_world import App, Client, connected, status_of

KEY = base64.b64encode(bytes(16)).decode()
UPGRADE = (
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {KEY}",
)
ACCEPTED = base64.b64encode(
    hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
)
SHORT, LONGER = 126, 1 << 16


def asking(path: str = "/ws", *others: str, upgrade: tuple[str, ...] = UPGRADE) -> bytes:
    """A request for a websocket."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost:80", *upgrade, *others]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame byte by byte; ``length`` is what it says of itself."""
    said = len(payload) if length is None else length
    first = (fin << 7) | (reserved << 4) | opcode
    mask_bit = masked << 7
    if said < SHORT:
        head = struct.pack("!BB", first, mask_bit | said)
    elif said < LONGER:
        head = struct.pack("!BBH", first, mask_bit | 126, said)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, said)
    if not masked:
        return head + payload
    # The same each time: names of tests hold frames.
    mask = bytes((0x3A, 0xC5, 0x77, 0x19))
    return head + mask + bytes(one ^ mask[at % 4] for at, one in enumerate(payload))


class SocketClient:
    """An open socket's other end."""

    def __init__(self, client: Client, data: bytes = b"") -> None:
        self.client = client
        self.frames = Connection(ConnectionType.CLIENT)
        self._heard: list[Event] = []
        self._text = ""
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        self.frames.receive_data(data)
        self._heard += list(self.frames.events())

    async def say(self, text: str) -> None:
        await self.client.say(self.frames.send(TextMessage(text)))

    async def hear(self) -> Event | None:
        """The next event, messages whole; None at the end."""
        while True:
            while self._heard:
                event = self._heard.pop(0)
                if not isinstance(event, TextMessage):
                    return event
                self._text += event.data
                if event.message_finished:
                    whole, self._text = self._text, ""
                    return TextMessage(whole)
            part = await self.client.hear()
            if not part:
                return None
            self._feed(part)

    async def text(self) -> str:
        """The next message; pings before it are answered."""
        while isinstance(event := await self.hear(), Ping):
            await self.client.say(self.frames.send(event.response()))
        assert isinstance(event, TextMessage), event
        return event.data

    async def closed(self) -> tuple[int, str]:
        """Code and sentence of the close frame; 0 if it was cut."""
        while (event := await self.hear()) is not None:
            if isinstance(event, CloseConnection):
                return int(event.code), event.reason or ""
        return 0, ""


@asynccontextmanager
async def opened(
    app: App, path: str = "/ws", *others: str, more: bytes = b"", **changes: Any
) -> AsyncIterator[SocketClient]:
    """An open socket; ``more`` is sent right behind the request."""
    async with connected(app, **changes) as client:
        await client.say(asking(path, *others) + more)
        head = b""
        while b"\r\n\r\n" not in head:
            part = await client.hear()
            assert part, head
            head += part
        head, _, rest = head.partition(b"\r\n\r\n")
        assert status_of(head) == 101, head
        yield SocketClient(client, rest)


async def quiet(client: SocketClient, seconds: float) -> bool:
    """Whether nothing comes for a while."""
    with trio.move_on_after(seconds):
        await client.hear()
        return False
    return True
