"""An application's answer as bytes: its head, and the framing of its body."""

import re
from http import HTTPStatus
from typing import Any, Final

from starlette.types import Message

from esper.http.heads import TOKEN as NAME
from esper.http.heads import Head, is_only

_LINE_END: Final = re.compile(rb"[\r\n\x00]")
_BODILESS: Final = frozenset({204, 304})


class AnswerError(Exception):
    """An application sent what is no answer."""


class Answer:
    """The answer to one request, message by message."""

    def __init__(self, head: Head | None, idle_s: float = 0) -> None:
        """``head`` is None for a request that could not be read.

        ``idle_s``: how long the connection may lie idle afterwards, which the client is told in
        whole seconds, so that it does not send its next request into a closed connection.
        """
        self._head = head
        self._idle_s = int(idle_s)
        self._start: Message | None = None
        self._chunked = False
        self._missing: int | None = None
        """Of the bytes that were announced; None if their number is not known."""
        self.begun = False
        """Whether bytes of it were made."""
        self.ended = False
        """Whether all of them were."""
        self.is_last = head is None or head.is_last
        """Whether the connection closes after it: a client or an application said so."""
        self.is_switched = False
        """Whether it was a 101: parts are the bytes of another protocol from there on."""

    def bytes_of(self, message: Message, is_last: bool) -> bytes:
        """What to send for an application's message; nothing for the start alone.

        ``is_last``: the server wants to close after it. Raises AnswerError.
        """
        match message["type"]:
            case "http.response.start" if self._start is None:
                self._start = message
                return b""
            case "http.response.body" if self._start is not None and not self.ended:
                return self._body(message, is_last)
            case other:
                raise AnswerError(f"{other} has no place here")

    def _body(self, message: Message, is_last: bool) -> bytes:
        part: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        head = b""
        if not self.begun:
            head = self._begin(part, more, is_last)
            self.begun = True
        self.ended = not more
        if self._is_bodiless:
            return head
        if self._missing is not None:
            self._missing -= len(part)
            if self._missing < 0 or (self.ended and self._missing):
                raise AnswerError("the body has another length than was announced")
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
            part = chunk + (b"0\r\n\r\n" if self.ended else b"")
        return head + part

    @property
    def _is_bodiless(self) -> bool:
        assert self._start is not None
        asked = self._head is not None and self._head.method == "HEAD"
        return asked or self._start["status"] in _BODILESS

    def _begin(self, part: bytes, more: bool, is_last: bool) -> bytes:
        """The head, once it is known whether the body has a length."""
        assert self._start is not None
        status: int = self._start["status"]
        headers: list[Any] = [(n.lower(), v) for n, v in self._start.get("headers", ())]
        for name, value in headers:
            if not is_only(name, NAME) or _LINE_END.search(value):
                raise AnswerError("a header has a line's end in it")
        lengths = [value for name, value in headers if name == b"content-length"]
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            self.is_switched = self.is_last = True
        elif lengths:
            self._missing = int(lengths[0])
        elif not more and not self._is_bodiless:
            self._missing = len(part)
            headers.append((b"content-length", b"%d" % len(part)))
        elif not self._is_bodiless and self._head is not None and self._head.version == "1.1":
            self._chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        elif not self._is_bodiless:
            # Before chunks there was one way to say that a body ends.
            self.is_last = True
        said = [value.lower() for name, value in headers if name == b"connection"]
        self.is_last = self.is_last or is_last or b"close" in said
        if self.is_last and not said:
            headers.append((b"connection", b"close"))
        elif not self.is_last and self._idle_s:
            headers.append((b"keep-alive", b"timeout=%d" % self._idle_s))
        lines = b"".join(b"%b: %b\r\n" % (name, value) for name, value in headers)
        return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, _phrase(status), lines)


def plain_answer(status: int, sentence: str, again_s: int | None = None) -> bytes:
    """A whole answer after which the connection closes; ``again_s``: seconds to wait, if any."""
    again = b"" if again_s is None else b"retry-after: %d\r\n" % again_s
    text = f"{sentence}\n".encode()
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: text/plain; charset=utf-8\r\n"
        b"content-length: %d\r\nconnection: close\r\n%b\r\n%b"
    ) % (status, _phrase(status), len(text), again, text)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"-"
