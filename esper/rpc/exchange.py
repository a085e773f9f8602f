"""One POST after the other to one address, over a connection that is kept while both sides like.

Of the standard library: it is imported in a tenth of the time that a client for every purpose
takes, and commands are short.
"""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

PART_BYTES = 1 << 16
"""Of an answer that are read at once."""


class NoConnectionError(Exception):
    """Nobody answers, or not as HTTP has it; the message says how that showed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    """Of HTTP."""
    headers: Mapping[str, str]
    """Names in lower case."""
    parts: Iterator[bytes]
    """The body as it arrives; raises what sockets and HTTP raise."""


class Exchange(Protocol):
    """Asks one address."""

    def post(self, body: bytes) -> Answer:
        """Send a request. Raises NoConnectionError before it was sent, then as ``parts`` do."""

    def cut(self) -> None:
        """End a request that is under way in another thread: it raises an OSError there."""

    def close(self) -> None:
        """Close the connection."""


class _FinalResponse(http.client.HTTPResponse):
    """The answer itself: what a server says before it (1xx) is passed over, as HTTP wants it."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        is_provisional = 100 <= status < 200 and status != http.HTTPStatus.SWITCHING_PROTOCOLS
        # The library passes over this one alone.
        return version, http.HTTPStatus.CONTINUE if is_provisional else status, reason


class HttpExchange:
    """Asks over a socket, whatever proxies the environment names. Redirects are answers."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        """``timeout_s`` holds for connecting and for each read."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        self._connection.response_class = _FinalResponse
        self._path = parts.path or "/"
        self._headers = dict(headers)
        self._socket: socket.socket | None = None

    def post(self, body: bytes) -> Answer:
        """Send a request. Raises NoConnectionError, and afterwards OSError and HTTPException."""
        if self._is_stale():
            self.close()
        if self._connection.sock is None:
            try:
                self._connection.connect()
            except (OSError, UnicodeError, http.client.HTTPException) as error:
                self.close()
                raise NoConnectionError(_words(error)) from error
            self._socket = self._connection.sock
        try:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
        except BaseException:
            self.close()
            raise
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, self._parts(answer))

    def _parts(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while part := answer.read1(PART_BYTES):
                yield part
        finally:
            whole = answer.isclosed() or answer.length == 0
            answer.close()
            if not whole:
                # What was not read would be taken for the next answer.
                self.close()

    def _is_stale(self) -> bool:
        """Whether the server closed a kept connection, or sent what nobody asked for."""
        kept: socket.socket | None = self._connection.sock
        if kept is None:
            return False
        # Not select, which takes no descriptor above a thousand.
        poll = select.poll()
        poll.register(kept, select.POLLIN)
        return bool(poll.poll(0))

    def cut(self) -> None:
        """Shut the socket down under whoever reads from it."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next request makes another."""
        self._connection.close()


def _words(error: Exception) -> str:
    """What an error says, or is."""
    strerror = getattr(error, "strerror", None)
    return strerror or str(error) or type(error).__name__
