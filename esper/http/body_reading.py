"""The body of a request, cut out of what a client sends: by its length, or by chunks."""

import re
from typing import Final, Protocol

from esper.http.heads import BadRequestError, head_end, read_header_lines

CHUNK_LINE_BYTES: Final = 1024
"""Of a chunk's size and extensions."""
EXTENSION_BYTES: Final = 16 * 1024
"""Of all extensions of a body: nobody needs any, and each byte of a body could have a thousand."""
TRAILER_BYTES: Final = 16 * 1024
"""Of the headers after the last chunk."""

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,16}+)((?:[\t ]*+;[\t ]*+%b(?:[\t ]*+=[\t ]*+(?:%b|%b))?+)*+)[\t ]*+"
    % (_TOKEN, _TOKEN, _QUOTED)
)


class Body(Protocol):
    """A body that is being read."""

    @property
    def ended(self) -> bool:
        """Whether all of it was taken."""

    def take(self, data: bytearray) -> bytes:
        """Cut what there is of the body from the front of ``data``; empty if nothing is yet.

        Raises BadRequestError.
        """


class SizedBody:
    """A body of a length that is known."""

    def __init__(self, length: int) -> None:
        self._missing = length

    @property
    def ended(self) -> bool:
        """Whether all of it was taken."""
        return self._missing == 0

    def take(self, data: bytearray) -> bytes:
        """Cut what there is of the body from the front of ``data``."""
        part = bytes(data[: self._missing])
        del data[: len(part)]
        self._missing -= len(part)
        return part


class ChunkedBody:
    """A body in chunks. Lines end with CRLF here: where they need not, a chunk can hide one."""

    def __init__(self) -> None:
        self._missing = 0
        """Of the chunk's bytes."""
        self._within = False
        """A chunk's bytes, or the end of its line, come next."""
        self._trailing = False
        self._extensions = 0
        self._searched = 0
        """Of the trailer, for its end."""
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether all of it was taken."""
        return self._ended

    def take(self, data: bytearray) -> bytes:
        """Cut what there is of the body from the front of ``data``. Raises BadRequestError."""
        parts = bytearray()
        # By position: the front is cut off once, however many chunks there are.
        at = 0
        while not self._ended and not self._trailing:
            if self._within:
                part = data[at : at + self._missing]
                parts += part
                at += len(part)
                self._missing -= len(part)
                end = data[at : at + 2]
                if self._missing or not b"\r\n".startswith(end):
                    if not self._missing:
                        raise BadRequestError(400, "a chunk is longer than its size")
                    break
                if len(end) < 2:
                    break
                at += 2
                self._within = False
            else:
                end_of_line = data.find(b"\n", at, at + CHUNK_LINE_BYTES)
                if end_of_line < 0:
                    if len(data) - at >= CHUNK_LINE_BYTES:
                        raise BadRequestError(400, "a chunk's size is a line too long")
                    break
                self._size_line(bytes(data[at : end_of_line + 1]))
                at = end_of_line + 1
        del data[:at]
        if self._trailing:
            self._trailer(data)
        return bytes(parts)

    def _size_line(self, line: bytes) -> None:
        found = _CHUNK_LINE.fullmatch(line.removesuffix(b"\r\n"))
        if found is None:
            raise BadRequestError(400, "a chunk's size or extension is malformed")
        # Blanks as well: all but the size and the line's end.
        self._extensions += len(line) - len(found[1]) - 2
        if self._extensions > EXTENSION_BYTES:
            raise BadRequestError(400, "the chunks have too many extensions")
        self._missing = int(found[1], 16)
        self._within = self._missing > 0
        self._trailing = not self._within

    def _trailer(self, data: bytearray) -> None:
        """Headers after the last chunk are read for their form and thrown away."""
        if data.startswith(b"\r\n"):
            end: int | None = 2
        else:
            end = head_end(data, self._searched)
            self._searched = len(data)
            if end is not None:
                if data.count(b"\n", 0, end) != data.count(b"\r\n", 0, end):
                    raise BadRequestError(400, "a line after the chunks does not end with CRLF")
                read_header_lines(bytes(data[:end]))
        if end is not None and end <= TRAILER_BYTES:
            del data[:end]
            self._trailing, self._ended = False, True
        elif len(data) > TRAILER_BYTES:
            raise BadRequestError(431, f"the headers after a body exceed {TRAILER_BYTES} bytes")
